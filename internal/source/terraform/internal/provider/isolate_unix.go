//go:build unix && !linux

package provider

import (
	"os/exec"
	"syscall"
)

// isolate gives the process a group of its own.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(_ *exec.Cmd, pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // an error says that nobody is left
}

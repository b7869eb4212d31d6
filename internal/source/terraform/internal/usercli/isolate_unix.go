//go:build unix && !linux

package usercli

import (
	"os/exec"
	"syscall"
)

// isolate gives the tool a group of its own, which its providers share.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // an error says that nobody is left
}

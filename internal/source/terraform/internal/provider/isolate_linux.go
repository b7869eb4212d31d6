package provider

import (
	"os/exec"
	"syscall"
)

// isolate gives the process a group of its own, and has the kernel kill it when we die in whatever way: a provider that
// outlives us keeps credentials in memory and a socket open.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(_ *exec.Cmd, pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // an error says that nobody is left
}

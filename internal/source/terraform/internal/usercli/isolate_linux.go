package usercli

import (
	"os/exec"
	"syscall"
)

// isolate gives the tool a group of its own, which its providers share. When we die, the kernel asks it to stop: it ends its providers
// then, which it could not if it were killed.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // an error says that nobody is left
}

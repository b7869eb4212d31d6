package usercli

import (
	"os/exec"
	"syscall"
)

// isolate puts the tool into a group, which its providers share: that of a watcher, or one of its own if there is none. When we die, the
// kernel asks it to stop: it ends its providers then, which it could not if it were killed.
func isolate(cmd *exec.Cmd, group int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group, Pdeathsig: syscall.SIGTERM}
}

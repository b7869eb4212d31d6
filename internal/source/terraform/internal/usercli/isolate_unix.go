//go:build unix && !linux

package usercli

import (
	"os/exec"
	"syscall"
)

// isolate puts the tool into a group, which its providers share: that of a watcher, or one of its own if there is none.
func isolate(cmd *exec.Cmd, group int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
}

//go:build unix

package usercli

import (
	"io"
	"os/exec"
	"syscall"
)

// What a watcher does when we are gone.
const (
	endGroup   = "read -r nothing; kill -9 0"
	removeCopy = "read -r nothing; for try in 1 2 3 4 5; do rm -rf -- \"$1\" && break; sleep 1; done"
)

// A watcher is a small process that reads from a pipe to which nobody writes. The pipe ends when we do, in whatever way, and then it does
// what nothing of ours can do any more.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// watch starts a watcher, as the leader of a process group. Without a shell there is none: then the next start cleans up.
func watch(script string, arguments ...string) *watcher {
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "watcher"}, arguments...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &watcher{cmd: cmd, pipe: pipe}
}

// group is the process group that the watcher leads; 0 if there is none.
func (w *watcher) group() int {
	if w == nil {
		return 0
	}
	return w.cmd.Process.Pid
}

// end ends the watcher, and all of its group, before it does anything.
func (w *watcher) end() {
	if w == nil {
		return
	}
	_ = syscall.Kill(-w.group(), syscall.SIGKILL) // until it was waited for, the number is its own
	_ = w.pipe.Close()
	_ = w.cmd.Wait() // it was killed
}

// killGroup kills the group that the tool was put into, or its own.
func killGroup(cmd *exec.Cmd, group int) {
	if group == 0 {
		group = cmd.Process.Pid
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // an error says that nobody is left
}

package provider

import (
	"context"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
)

// A programRunner runs the program in a process group of its own, so that a Ctrl-C on the terminal reaches us alone, and
// so that whatever the provider starts ends with it.
type programRunner struct {
	program Program
	cmd     *exec.Cmd
	stdout  io.ReadCloser
	stderr  io.ReadCloser
	sockets string        // folder that go-plugin made for the provider's sockets
	exited  chan struct{} // closed when the process was waited for

	mu     sync.Mutex
	pid    int // 0 until it was started
	killed bool
}

func newRunner(program Program) *programRunner {
	return &programRunner{program: program, exited: make(chan struct{})}
}

// prepare takes the command that go-plugin filled with the environment of the handshake.
func (r *programRunner) prepare(cmd *exec.Cmd, sockets string) error {
	r.sockets = sockets
	r.cmd = exec.Command(r.program.Path)
	r.cmd.Dir = r.program.Dir
	r.cmd.Env = append(append([]string{}, r.program.Env...), cmd.Env...)
	isolate(r.cmd)
	var err error
	if r.stdout, err = r.cmd.StdoutPipe(); err != nil {
		return err
	}
	r.stderr, err = r.cmd.StderrPipe()
	return err
}

// Start implements go-plugin's runner. The process dies with the thread that started it where the system can do that
// (see isolate), so a goroutine keeps the thread until the process has ended.
func (r *programRunner) Start(context.Context) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.start()
		started <- err
		if err == nil {
			<-r.exited
		}
	}()
	return <-started
}

func (r *programRunner) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return context.Canceled
	}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	r.pid = r.cmd.Process.Pid
	return nil
}

// Wait implements go-plugin's runner. go-plugin calls it once, after both pipes were read to their end.
func (r *programRunner) Wait(context.Context) error {
	err := r.cmd.Wait()
	r.kill() // what the provider left behind
	close(r.exited)
	return err
}

// Kill implements go-plugin's runner.
func (r *programRunner) Kill(context.Context) error {
	r.kill()
	return nil
}

// kill ends the whole group. It may be called at any time, and before the start prevents it.
func (r *programRunner) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.pid == 0 {
		return
	}
	select {
	case <-r.exited: // the number may be another's by now
	default:
		killGroup(r.cmd, r.pid)
	}
}

// ID implements go-plugin's runner.
func (r *programRunner) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pid == 0 {
		return ""
	}
	return strconv.Itoa(r.pid)
}

// Name implements go-plugin's runner.
func (r *programRunner) Name() string { return r.program.Path }

// Stdout implements go-plugin's runner.
func (r *programRunner) Stdout() io.ReadCloser { return r.stdout }

// Stderr implements go-plugin's runner.
func (r *programRunner) Stderr() io.ReadCloser { return r.stderr }

// Diagnose implements go-plugin's runner.
func (r *programRunner) Diagnose(context.Context) string {
	return "it may be built for another system, or be no provider at all"
}

// PluginToHost implements go-plugin's runner: both sides see the same addresses.
func (r *programRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements go-plugin's runner.
func (r *programRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

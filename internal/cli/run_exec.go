package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// start runs a program to its end, with our own input and output, and passes signals on. It says whether the program was started at all.
//
// What a terminal sends, it sends to the command as well as to us, so that it must not be sent again: two of them would end the command
// without mercy. Where no terminal does, the command gets a group of its own, and each signal once, from us.
func (a *app) start(ctx context.Context, path string, args, env []string) (daemon.RunEnd, bool, error) {
	cmd := exec.Command(path)
	cmd.Args, cmd.Env = args, env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.Stdout, a.Stderr
	apart := !inForeground()
	if apart {
		setApart(cmd)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	if err := ctx.Err(); err != nil {
		return daemon.RunEnd{}, false, &taffrail.Error{Op: "run", Kind: taffrail.KindUnavailable, Err: fmt.Errorf("stopped before the command was started: %w", err)}
	}
	if err := cmd.Start(); err != nil {
		return daemon.RunEnd{}, false, &taffrail.Error{Op: "run", Kind: taffrail.KindInvalid, Err: err, Hint: "the command could not be started; nothing was run"}
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				if apart || !ofTerminal(s) {
					_ = cmd.Process.Signal(s) // an error says that it has ended
				}
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && cmd.ProcessState == nil {
		return daemon.RunEnd{Exit: -1}, true, &taffrail.Error{Op: "run", Kind: taffrail.KindInternal, Err: err}
	}
	return processEnd(cmd.ProcessState), true, nil
}

func processEnd(s *os.ProcessState) daemon.RunEnd {
	end := daemon.RunEnd{Exit: s.ExitCode()}
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		end.Exit, end.Signal = -1, w.Signal().String()
	}
	return end
}

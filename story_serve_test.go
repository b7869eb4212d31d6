package taffrail_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A served is a program of a story that runs on.
type served struct {
	cmd   *exec.Cmd
	ended chan error
}

// serving are the programs of each story, by the name of the variable that holds their address.
type serving map[string]*served

// serves VAR COMMAND...: start a program that runs on, wait until it says where it listens, and put that into a variable.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serves VAR COMMAND...")
	}
	cmd := command(ts, args[1:])
	said, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	s := &served{cmd, make(chan error, 1)}
	address := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if at, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
				address <- at
				_, _ = io.Copy(io.Discard, said)
				break
			}
		}
		close(address)
		s.ended <- cmd.Wait()
	}()
	ts.Defer(func() { _ = cmd.Process.Kill() })
	select {
	case at, ok := <-address:
		if !ok {
			ts.Fatalf("%v ended: %v", args[1:], <-s.ended)
		}
		ts.Setenv(args[0], at)
	case <-time.After(time.Minute):
		ts.Fatalf("%v does not listen", args[1:])
	}
	all, _ := ts.Value(servingKey{}).(serving)
	all[args[0]] = s
}

type servingKey struct{}

// ends VAR: stop a program that runs on, which ends with status 0.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	all, _ := ts.Value(servingKey{}).(serving)
	s := all[args[0]]
	if neg || s == nil {
		ts.Fatalf("usage: ends VAR, of a program that serves")
	}
	ts.Check(s.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-s.ended:
		ts.Check(err)
	case <-time.After(time.Minute):
		ts.Fatalf("%v does not end", s.cmd.Args)
	}
}

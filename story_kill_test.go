package taffrail_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// killed TIMES COMMAND...: run a command until it was killed so many times before it ended, at moments anywhere in its life. After
// each kill the log verifies.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	life := lifeOf(ts, args[1:])
	seed := uint64(time.Now().UnixNano())
	ts.Logf("one run takes %v; seed %d", life, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for hits, runs := 0, 0; hits < times; runs++ {
		if runs > 10*times {
			ts.Fatalf("only %d of %d runs could be killed", hits, runs)
		}
		if killOnce(ts, args[1:], moment(random, life, runs)) {
			hits++
		}
		exits(ts, false, []string{"0", "taffrail", "log", "verify"})
	}
}

// moment is anywhere in a life, and every other time near its end, where the log is written.
func moment(random *rand.Rand, life time.Duration, run int) time.Duration {
	at := random.Float64()
	if run%2 == 1 {
		at = 0.8 + at/4
	}
	return time.Duration(at * float64(life))
}

func lifeOf(ts *testscript.TestScript, args []string) time.Duration {
	began := time.Now()
	statusOf(ts, command(ts, args).Run())
	return time.Since(began)
}

// killOnce says whether the command was still alive when it was killed.
func killOnce(ts *testscript.TestScript, args []string, after time.Duration) bool {
	cmd := command(ts, args)
	ts.Check(cmd.Start())
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		ts.Check(err)
		return false
	}
	return exit.Sys().(syscall.WaitStatus).Signaled()
}

// interrupted STATUS LOGGED COMMAND...: once the log holds this text, interrupt a command that would go on; it ends with this status.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	cmd := command(ts, args[2:])
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ts.Check(cmd.Start())
	deadline := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer deadline.Stop()
	for cmd.Process.Signal(syscall.Signal(0)) == nil {
		show := command(ts, []string{"taffrail", "log", "show", "-n", "1"})
		if out, err := show.Output(); err == nil && strings.Contains(string(out), args[1]) {
			break
		}
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	status := statusOf(ts, cmd.Wait())
	_, err := ts.Stdout().Write(stdout.Bytes())
	ts.Check(err)
	_, err = ts.Stderr().Write(stderr.Bytes())
	ts.Check(err)
	if want := args[0]; strconv.Itoa(status) != want {
		ts.Fatalf("exit status %d, want %s; %s", status, want, stderr.String())
	}
}

// killed_beginnings TIMES: kill the first scan of all at moments anywhere in its life. Each time there is no log, and one can be
// begun, or there is one that verifies.
func killedBeginnings(ts *testscript.TestScript, _ bool, args []string) {
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	scan := []string{"taffrail", "scan", "stack"}
	life := lifeOf(ts, scan)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for run := range times {
		ts.Check(os.RemoveAll(ts.MkAbs("xdg")))
		killOnce(ts, scan, moment(random, life, run))
		if status := statusOf(ts, ts.Exec("taffrail", "log", "verify")); status == 3 {
			ts.Fatalf("the log that was being begun is refused")
		}
		exits(ts, false, append([]string{"0"}, scan...))
		exits(ts, false, []string{"0", "taffrail", "log", "verify"})
	}
}

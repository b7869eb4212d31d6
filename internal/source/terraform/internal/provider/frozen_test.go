//go:build unix

package provider

import (
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A provider that is stopped by a signal answers nothing, not even that it is to end.
func TestFrozenProviderIsEnded(t *testing.T) {
	p, _ := start(t, "6")
	pid, err := strconv.Atoi(p.ID())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	p.Close()
	if took := time.Since(begin); took > 10*killGrace || p.Alive() {
		t.Errorf("it took %v", took)
	}
}

package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// How often progress is told, and when it begins to be.
const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	tellEvery   = 5 * time.Second        // elsewhere
)

// A screen is standard error: lines that stay, and on a terminal one line of progress that is written anew and leaves no trace.
type screen struct {
	out      io.Writer
	terminal bool
	width    int // of the terminal
	quiet    bool

	mu    sync.Mutex
	dirty bool // the progress line stands there
}

// Write prints lines that stay.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	return s.out.Write(b)
}

func (s *screen) wipe() {
	if s.dirty {
		fmt.Fprint(s.out, "\r\x1b[2K")
		s.dirty = false
	}
}

// follow tells what status says now and then, until it is stopped. Then no progress is left on the screen.
func (s *screen) follow(status func() string) (stop func()) {
	if s.quiet {
		return func() {}
	}
	every := tellEvery
	if s.terminal {
		every = redrawEvery
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.tell(status())
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-ended
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wipe()
	})
}

func (s *screen) tell(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		fmt.Fprintln(s.out, status)
		return
	}
	fmt.Fprint(s.out, "\r\x1b[2K", ansi.Truncate(status, max(10, s.width-1), ellipsis))
	s.dirty = true
}

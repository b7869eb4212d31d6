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
	tellEvery   = 10 * time.Second       // elsewhere
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

// tell shows a status; an empty one is none.
func (s *screen) tell(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status == "" {
		s.wipe()
		return
	}
	if !s.terminal {
		fmt.Fprintln(s.out, status)
		return
	}
	fmt.Fprint(s.out, "\r\x1b[2K", ansi.Truncate(status, max(10, s.width-1), ellipsis))
	s.dirty = true
}

// beside is another stream that may end at the same terminal: what is written to it does not run into the line of progress.
type beside struct {
	screen *screen
	out    io.Writer
}

// Write implements [io.Writer].
func (b *beside) Write(text []byte) (int, error) {
	b.screen.mu.Lock()
	defer b.screen.mu.Unlock()
	b.screen.wipe()
	return b.out.Write(text)
}

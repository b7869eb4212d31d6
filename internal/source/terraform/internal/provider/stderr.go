package provider

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

const (
	stderrLine  = 1 << 10  // bytes of one line that are kept
	stderrWhole = 16 << 10 // bytes of one line that are searched for secrets, before it is cut
	stderrTotal = 64 << 10 // bytes of one process that are kept
)

// A stderrLog hands a provider's stderr to the operational log, at debug level and bounded: it may hold anything.
type stderrLog struct {
	logger *slog.Logger
	scrub  func(string) string
	mu     sync.Mutex
	line   []byte
	left   int
}

func newStderrLog(logger *slog.Logger, scrub func(string) string) *stderrLog {
	if scrub == nil {
		scrub = func(line string) string { return line }
	}
	return &stderrLog{logger: logger, scrub: scrub, left: stderrTotal}
}

// Write takes any part of any line. It never fails, since a provider must not block on its log.
func (s *stderrLog) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left <= 0 || s.logger == nil || !s.logger.Enabled(context.Background(), slog.LevelDebug) {
		return len(b), nil
	}
	for rest := b; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		s.line = append(s.line, part[:min(len(part), stderrWhole-len(s.line))]...)
		if ended {
			s.flush()
		}
		rest = after
	}
	return len(b), nil
}

func (s *stderrLog) flush() {
	line := s.scrub(string(s.line)) // before it is cut: a part of a secret would not be known
	line = strings.ToValidUTF8(line[:min(len(line), stderrLine)], "")
	s.left -= len(line) + 1
	if line != "" {
		s.logger.Debug("provider stderr", "line", line)
	}
	if s.left <= 0 {
		s.logger.Debug("provider stderr: the rest is left out")
	}
	s.line = s.line[:0]
}

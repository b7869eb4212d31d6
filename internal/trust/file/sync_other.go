//go:build !linux

package file

import (
	"os"
	"syscall"
	"time"
)

// syncData makes what was written in place durable.
func syncData(f *os.File) error { return f.Sync() }

// factsOf asks of an open file.
func factsOf(f *os.File) (facts, error) { return factsByStat(f.Stat()) }

// factsAt asks of a name, and not of what it links to.
func factsAt(path string) (facts, error) { return factsByStat(os.Lstat(path)) }

// changeTime is not known.
func changeTime(*syscall.Stat_t) (time.Time, bool) { return time.Time{}, false }

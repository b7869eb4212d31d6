package file

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// syncData makes what was written in place durable. Times of the file need not be.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// changeTime is when a file was last changed, its name, owner and mode included.
func changeTime(s *syscall.Stat_t) (time.Time, bool) {
	return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec)), true //nolint:unconvert // the fields are narrower on some machines
}

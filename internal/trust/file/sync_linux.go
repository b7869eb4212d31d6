package file

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes what was written in place durable. Times of the file need not be.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// syncData makes what was written in place durable. Times of the file need not be.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// factsOf asks of an open file, and not for its times.
func factsOf(f *os.File) (facts, error) {
	is, err := statx(int(f.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil { // before Linux 4.11, or not allowed
		return factsByStat(f.Stat())
	}
	return is, nil
}

// factsAt asks of a name, and not of what it links to.
func factsAt(path string) (facts, error) {
	is, err := statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return factsByStat(os.Lstat(path))
	}
	return is, err
}

func statx(folder int, path string, flags int) (facts, error) {
	const asked = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_NLINK | unix.STATX_INO | unix.STATX_SIZE
	var s unix.Statx_t
	if err := unix.Statx(folder, path, flags, asked, &s); err != nil {
		return facts{}, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	mode := fs.FileMode(s.Mode) & fs.ModePerm
	if s.Mode&unix.S_IFMT != unix.S_IFREG {
		mode |= fs.ModeIrregular
	}
	return facts{identity{unix.Mkdev(s.Dev_major, s.Dev_minor), s.Ino}, mode, uint64(s.Nlink), int64(s.Size)}, nil
}

// changeTime is when a file was last changed, its name, owner and mode included.
func changeTime(s *syscall.Stat_t) (time.Time, bool) {
	return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec)), true //nolint:unconvert // the fields are narrower on some machines
}

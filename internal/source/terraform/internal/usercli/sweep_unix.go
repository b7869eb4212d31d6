//go:build unix

package usercli

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// hold locks the folder for as long as the file is open, which ends with the process, however that ends. The tool does not inherit it.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// young is how long a folder may have been made without being locked yet.
const young = time.Minute

func isHeld(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		info, err := os.Lstat(dir)
		return err != nil || time.Since(info.ModTime()) < young
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// A stamp is what the system says of a file, which is another after each change of it. The zero value is that of no file.
type stamp struct {
	device, inode   uint64
	size            int64
	mode            fs.FileMode
	written, change time.Time
}

// unsettled is how long after a change of a file its times may stay the same with the next one: they are as coarse as the system's tick, or on
// some file systems a second.
const unsettled = 2 * time.Second

// stampOf looks at a file. It is false where that is not enough to tell whether the file will have changed.
func stampOf(path string, now time.Time) (stamp, bool) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, true
	}
	if err != nil {
		return stamp{}, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, false
	}
	change, ok := changeTime(s)
	return stamp{
		device: uint64(s.Dev), inode: s.Ino, size: info.Size(), mode: info.Mode(), written: info.ModTime(), change: change, //nolint:unconvert // it is narrower on some systems
	}, ok && now.Sub(change) > unsettled
}

// keyStamps are those of both files of keys.
type keyStamps [2]stamp

// stamps looks at both files.
func (k *keyring) stamps() (keyStamps, bool) {
	now := time.Now()
	private, ok := stampOf(k.path(), now)
	public, also := stampOf(k.historyPath(), now)
	return keyStamps{private, public}, ok && also && private != stamp{}
}

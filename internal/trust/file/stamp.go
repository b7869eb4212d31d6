package file

import (
	"errors"
	"syscall"
	"time"
)

// A stamp is what the system says of a file, which is another after each change of it. The zero value is that of no file.
type stamp struct {
	id     identity
	size   int64
	mode   uint32    // as the system writes it
	change time.Time // of anything of it
}

// unsettled is how long after a change of a file its times may stay the same with the next one: they are as coarse as the system's tick, or on
// some file systems a second.
const unsettled = 2 * time.Second

// stampOf looks at a file. It is false where that is not enough to tell whether the file will have changed.
func stampOf(path string, now time.Time) (stamp, bool) {
	var s syscall.Stat_t
	err := syscall.Stat(path, &s)
	if errors.Is(err, syscall.ENOENT) {
		return stamp{}, true
	}
	if err != nil {
		return stamp{}, false
	}
	change, ok := changeTime(&s)
	return stamp{identity{uint64(s.Dev), s.Ino}, s.Size, uint32(s.Mode), change}, ok && now.Sub(change) > unsettled //nolint:unconvert // some are narrower on some systems
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

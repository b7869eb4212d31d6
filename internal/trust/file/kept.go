package file

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// A keptFile stays open from one use to the next, as long as its name leads to it: to open a file, and to close it, takes longer than to write
// it does. Whoever uses it has it for themselves. The zero value is not open.
type keptFile struct {
	file *os.File
	id   identity
}

// get gives the file, and what is to be said of it now. It is opened by the function where it is not open, or where its name leads elsewhere.
func (k *keptFile) get(path string, open func() (*os.File, facts, error)) (*os.File, facts, error) {
	if k.file != nil {
		if is, err := factsAt(path); err == nil && is.id == k.id {
			return k.file, is, nil
		}
		k.drop()
	}
	f, is, err := open()
	if err == nil {
		k.file, k.id = f, is.id
	}
	return f, is, err
}

// drop closes it. All that was written is synced by then.
func (k *keptFile) drop() {
	if k.file != nil {
		_ = k.file.Close()
	}
	*k = keptFile{}
}

// A folderLock is the lock of a file in a folder, which all processes of this machine respect. It ends with the process.
type folderLock struct {
	mu   sync.Mutex // the system has one lock for all goroutines that share an open file
	file keptFile
}

// try takes the lock, if nobody has it.
func (l *folderLock) try(path string) (bool, error) {
	if !l.mu.TryLock() {
		return false, nil
	}
	ok, err := l.lock(path)
	if !ok {
		l.mu.Unlock()
	}
	return ok, err
}

// lock locks the file, and looks whether that is the one which others find by its name: if not, somebody has removed it, and it is opened anew
// with the next try.
func (l *folderLock) lock(path string) (bool, error) {
	if l.file.file == nil {
		if err := l.open(path); err != nil {
			return false, err
		}
	}
	ok, err := tryLock(l.file.file)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	if !ok {
		return false, nil
	}
	if is, err := factsAt(path); err != nil || is.id != l.file.id {
		l.file.drop()
		return false, nil
	}
	return true, nil
}

// open opens the file for all tries to come.
func (l *folderLock) open(path string) error {
	f, err := openLock(path)
	if err != nil {
		return err
	}
	is, err := factsOf(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file = keptFile{f, is.id}
	return nil
}

// unlock gives the lock free.
func (l *folderLock) unlock() {
	if err := syscall.Flock(int(l.file.file.Fd()), syscall.LOCK_UN); err != nil {
		l.file.drop() // which ends it in any case
	}
	l.mu.Unlock()
}

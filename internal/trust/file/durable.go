package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// maxFile is more than any of our files has.
const maxFile = 64 << 10

// steps lets a test fail at each step that changes the disk. Nil lets all succeed.
type steps func(step string) error

func (s steps) at(step string) error {
	if s == nil {
		return nil
	}
	return s(step)
}

// replace puts content in the place of a file. The caller holds the folder's lock. If we stop before the rename, the old
// content is there and a temporary file is left, which the next one writes over. If we stop after it, either may be
// there once the power is back, whole: that is decided by the time it returns nil.
func replace(path string, content []byte, s steps) error {
	temp := path + ".tmp"
	if err := writeSynced(temp, os.O_TRUNC, content, s); err != nil {
		return err
	}
	if err := s.at("rename"); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path), s)
}

// create writes a file that must not exist: [fs.ErrExist] if it does, whoever made it. The caller holds the folder's
// lock. If we stop before the link, nothing is there but a temporary file. If we stop after it, the temporary file is
// a second name of the new one. The next one removes it in either case.
func create(path string, content []byte, s steps) error {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(temp, os.O_EXCL, content, s); err != nil {
		return err
	}
	if err := s.at("link"); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := s.at("remove temporary file"); err != nil {
		return err
	}
	if err := os.Remove(temp); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path), s)
}

func writeSynced(path string, flag int, content []byte, s steps) error {
	if err := s.at("open temporary file"); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|flag, 0o600)
	if err != nil {
		return err
	}
	err = s.at("write")
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = s.at("sync file")
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(path string, s steps) error {
	if err := s.at("sync folder"); err != nil {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeFolder makes a folder and those above it, for the owner alone, each durable before the next.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent, nil)
}

// locked runs f under an advisory lock that all processes of this machine respect. The lock ends with the process.
func locked(ctx context.Context, path string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lock, err := openLock(path)
	if err != nil {
		return err
	}
	defer lock.Close() // ends the lock, too
	if err := acquire(ctx, func() (bool, error) { return tryLock(lock) }); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return f()
}

// openLock makes the file of a lock, and its folder if need be, or opens it.
func openLock(path string) (*os.File, error) {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// tryLock locks an open file, if nobody else has.
func tryLock(lock *os.File) (bool, error) {
	err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// acquire tries again and again, because a lock that one waits for cannot be given up when the context ends.
func acquire(ctx context.Context, try func() (bool, error)) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if ok, err := try(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// open opens one of our files, if it is a file that nobody else could have touched in the way that forbidden mode bits would let them.
// [fs.ErrNotExist] if there is none.
func open(path string, forbidden fs.FileMode, flag int) (*os.File, facts, error) {
	f, err := os.OpenFile(path, syscall.O_NONBLOCK|flag, 0) // a pipe must not make us wait
	if errors.Is(err, syscall.EISDIR) {
		return nil, facts{}, ours(path, fs.ModeDir, forbidden)
	}
	if err != nil {
		return nil, facts{}, err
	}
	is, err := factsOf(f)
	if err == nil {
		err = ours(path, is.mode, forbidden)
	}
	if err == nil {
		err = ownFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, facts{}, errors.Join(err, f.Close())
	}
	return f, is, nil
}

// facts are what the system says of a file, but for its times. Where those are asked for, the next write has to note a new one, and to sync
// that write takes a third longer.
type facts struct {
	id    identity
	mode  fs.FileMode // of a file that is none, it is only certain that it is not regular
	links uint64      // how many names it has
	size  int64
}

// An identity is a file, by whatever name. The zero value is none.
type identity struct{ device, inode uint64 }

// factsByStat takes them from an answer that has the times as well, as every system can give it.
func factsByStat(info fs.FileInfo, err error) (facts, error) {
	if err != nil {
		return facts{}, err
	}
	is := facts{mode: info.Mode(), size: info.Size()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		is.id, is.links = identity{uint64(s.Dev), s.Ino}, uint64(s.Nlink) //nolint:unconvert // they are of other widths on some systems
	}
	return is, nil
}

func ours(path string, mode, forbidden fs.FileMode) error {
	if !mode.IsRegular() {
		return &taffrail.Error{
			Op: "read " + path, Kind: taffrail.KindInvalid, Err: errors.New("this is not a file"), Hint: "move it away, or name another folder",
		}
	}
	if mode := mode.Perm(); mode&forbidden != 0 {
		return &taffrail.Error{
			Op: "read " + path, Kind: taffrail.KindDenied, Err: fmt.Errorf("its mode is %04o, so that others than its owner have access", mode),
			Hint: "chmod 600 " + path,
		}
	}
	return nil
}

// ownFolder refuses a folder in which everybody may put files in the place of ours, whatever those allow. Where it is sticky, as those for temporary
// files are, they may not.
func ownFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		err = &taffrail.Error{
			Op: "read " + path, Kind: taffrail.KindDenied, Err: fmt.Errorf("the mode of the folder is %04o, so that anyone can put other files there", info.Mode().Perm()),
			Hint: "chmod 700 " + path,
		}
	}
	return err
}

// read gives the content of one of our files, as open opens it.
func read(path string, forbidden fs.FileMode, flag int) ([]byte, error) {
	f, is, err := open(path, forbidden, os.O_RDONLY|flag)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return content(f, is)
}

func content(f *os.File, is facts) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, min(is.size, maxFile)+bytes.MinRead))
	_, err := b.ReadFrom(io.NewSectionReader(f, 0, maxFile))
	return b.Bytes(), err
}

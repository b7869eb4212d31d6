package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/taffrail-dev/taffrail"
)

// modes are those of folder and socket. Where other users may ask, they must get as far as to be looked at.
func (s *server) modes() (folder, forbidden, socket fs.FileMode) {
	if s.shared {
		return 0o711, 0o022, 0o666
	}
	return 0o700, 0o077, 0o600
}

// Listen makes the socket. One that a dead server left is replaced, and one that is served is not touched.
//
// A lock beside the socket tells the two apart, since it ends with the process that holds it. The socket gets its name when it is ready: if we
// stop before, there is none, or the dead one, and a temporary file that the next one removes.
func (s *server) Listen(ctx context.Context) (net.Listener, error) {
	const op = "listen for clients of the signer"
	lock, err := s.prepare()
	if err != nil {
		return nil, failedToListen(op, err)
	}
	l, err := s.bind(ctx)
	if err != nil {
		return nil, failedToListen(op, errors.Join(err, lock.Close()))
	}
	return newListener(l, s.path, lock), nil
}

// prepare makes sure that the folder is ours and that nobody listens.
func (s *server) prepare() (lock *os.File, err error) {
	folder := filepath.Dir(s.path)
	made, forbidden, _ := s.modes()
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { //nolint:gosec // the folders above are nobody's secret
		return nil, err
	}
	err = os.Mkdir(folder, made)
	if err == nil {
		err = os.Chmod(folder, made) // whatever the umask took
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := checkFolder(folder, forbidden); err != nil {
		return nil, err
	}
	lock, err = os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = taken(s.path)
		}
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func taken(path string) error {
	return &taffrail.Error{
		Kind: taffrail.KindConflict, Err: fmt.Errorf("%s: a signer listens there already", path), Hint: "stop that one first, or choose another `path`",
	}
}

// checkFolder refuses one in which others could put a socket of their own in our place.
func checkFolder(folder string, forbidden fs.FileMode) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case !info.IsDir():
		return &taffrail.Error{Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s is no folder", folder), Hint: "choose another `path`"}
	case !ok || int(stat.Uid) != os.Geteuid() && stat.Uid != 0:
		return &taffrail.Error{
			Kind: taffrail.KindDenied, Err: fmt.Errorf("%s belongs to another user", folder), Hint: "choose a `path` in a folder of this user's",
		}
	case mode.Perm()&forbidden != 0:
		return &taffrail.Error{
			Kind: taffrail.KindDenied, Err: fmt.Errorf("%s: its mode is %04o, so that others have access", folder, mode.Perm()),
			Hint: fmt.Sprintf("chmod %o %s", mode.Perm()&^forbidden, folder),
		}
	}
	return nil
}

// bind makes a socket under another name, and gives it its own when nobody can reach it who should not.
func (s *server) bind(ctx context.Context) (*net.UnixListener, error) {
	if err := s.checkOld(ctx); err != nil {
		return nil, err
	}
	temp := s.path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	_, _, mode := s.modes()
	err = os.Chmod(temp, mode)
	if err == nil {
		err = os.Rename(temp, s.path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(temp))
	}
	return l, nil
}

// checkOld says whether what is at our place may be replaced.
func (s *server) checkOld(ctx context.Context) error {
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return &taffrail.Error{Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s is no socket", s.path), Hint: "move it away, or choose another `path`"}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.path)
	if err == nil { // by a server that knows nothing of our lock
		return errors.Join(taken(s.path), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

func failedToListen(op string, err error) error {
	var known *taffrail.Error
	switch {
	case errors.As(err, &known):
		return &taffrail.Error{Op: op, Kind: known.Kind, Hint: known.Hint, Err: known.Err}
	case errors.Is(err, fs.ErrPermission):
		return &taffrail.Error{Op: op, Kind: taffrail.KindDenied, Err: err, Hint: "choose a `path` in a folder of this user's"}
	}
	return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: err}
}

// A listener removes its socket when it is closed, and then gives up its lock.
type listener struct {
	*net.UnixListener
	path   string
	closed func() error
}

func newListener(l *net.UnixListener, path string, lock *os.File) *listener {
	return &listener{l, path, sync.OnceValue(func() error {
		err := l.Close()
		if gone := os.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return errors.Join(err, lock.Close())
	})}
}

// Addr is where clients find it.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close ends the listening, once: after that the name may be another one's. Whoever calls it while it is being closed waits for that.
func (l *listener) Close() error { return l.closed() }

package socket

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

func serverAt(t *testing.T, c ServerConfig) *server {
	t.Helper()
	s, err := newServer(plug.Env{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustListen(t *testing.T, s *server) net.Listener {
	t.Helper()
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("mode of %s is %v, %v, want %04o", path, info.Mode(), err, want)
	}
}

func TestListenModes(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	for _, test := range []struct {
		uids           []int
		folder, socket fs.FileMode
	}{{nil, 0o700, 0o600}, {[]int{12345}, 0o711, 0o666}} {
		path := socketPath(t)
		l := mustListen(t, serverAt(t, ServerConfig{Path: path, UIDs: test.uids}))
		wantMode(t, filepath.Dir(path), test.folder)
		wantMode(t, path, test.socket)
		wantMode(t, path+".lock", 0o600)
		if l.Addr().String() != path {
			t.Errorf("address is %v", l.Addr())
		}
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
		next := mustListen(t, serverAt(t, ServerConfig{Path: path, UIDs: test.uids}))
		if err := l.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("it has taken away the next one's: %v", err)
		}
		next.Close()
	}
}

// dead leaves a socket that nobody serves.
func dead(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestListenReplacesADeadSocket(t *testing.T) {
	path := socketPath(t)
	s := serverAt(t, ServerConfig{Path: path})
	if err := mustListen(t, s).Close(); err != nil {
		t.Fatal(err)
	}
	dead(t, path)
	dead(t, path+".new") // of one that died before its socket had a name
	l := mustListen(t, s)
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListenRefusesALivingSocket(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		path := socketPath(t)
		l := mustListen(t, serverAt(t, ServerConfig{Path: path}))
		wantTaken(t, path)
		// It lives though its socket was taken away.
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wantTaken(t, path)
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		mustListen(t, serverAt(t, ServerConfig{Path: path})).Close()
	})
	t.Run("another program's", func(t *testing.T) {
		path := socketPath(t)
		mustListen(t, serverAt(t, ServerConfig{Path: path})).Close()
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantTaken(t, path)
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("it was taken away: %v", err)
		}
	})
}

func wantTaken(t *testing.T, path string) {
	t.Helper()
	l, err := serverAt(t, ServerConfig{Path: path}).Listen(t.Context())
	if err == nil {
		l.Close()
	}
	if taffrail.KindOf(err) != taffrail.KindConflict || taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), path) {
		t.Errorf("listen: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, folder, path string)
		uids []int
		kind taffrail.Kind
	}{
		{"others may look in", func(t *testing.T, folder, _ string) { chmod(t, folder, 0o750) }, nil, taffrail.KindDenied},
		{"others may look in, and are to", func(t *testing.T, folder, _ string) { chmod(t, folder, 0o755) }, []int{1}, ""},
		{"others may write", func(t *testing.T, folder, _ string) { chmod(t, folder, 0o733) }, []int{1}, taffrail.KindDenied},
		{"a link to a folder", func(t *testing.T, folder, _ string) {
			if err := errors.Join(os.Rename(folder, folder+".real"), os.Symlink(folder+".real", folder)); err != nil {
				t.Fatal(err)
			}
		}, nil, taffrail.KindInvalid},
		{"a file", func(t *testing.T, _, path string) {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, taffrail.KindInvalid},
		{"another user's folder", func(t *testing.T, folder, _ string) {
			if os.Geteuid() != 0 {
				t.Skip("SKIPPED: only root can give a folder away")
			}
			if err := os.Chown(folder, 12345, -1); err != nil {
				t.Fatal(err)
			}
		}, nil, taffrail.KindDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := socketPath(t)
			folder := filepath.Dir(path)
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			test.make(t, folder, path)
			l, err := serverAt(t, ServerConfig{Path: path, UIDs: test.uids}).Listen(t.Context())
			if err == nil {
				l.Close()
			}
			if test.kind == "" && err != nil || test.kind != "" && (taffrail.KindOf(err) != test.kind || taffrail.HintOf(err) == "") {
				t.Errorf("listen: %v", err)
			}
			if text, err := os.ReadFile(path); test.name == "a file" && (err != nil || string(text) != "mine") {
				t.Errorf("the file is %q, %v", text, err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestServerIsStartedAnew: a client does not mind.
func TestServerIsStartedAnew(t *testing.T) {
	w := newWorld(t).serve()
	c, l := w.client(), &tree{t: t}
	l.begin(c, 3)
	w.stop()
	if _, err := c.Head(t.Context()); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Errorf("without a server: %v", err)
	}
	w.serve()
	signs(t, w, c, l, 3)
}

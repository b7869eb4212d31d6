package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/trust/file"
)

var errOfTest = errors.New("error of the test")

// signerProcess serves guard and keys that are in files, until it is killed.
func signerProcess(t *testing.T, folder string) {
	var r plug.Registry
	file.Register(&r)
	settings := plug.Settings{YAML: []byte("folder: " + folder)}
	guard, err := plug.Open[audit.Guard](t.Context(), &r, "file", plug.Env{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := plug.Open[audit.Keyring](t.Context(), &r, "file", plug.Env{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Create(t.Context(), origin); err != nil && !errors.Is(err, audit.ErrExists) {
		t.Fatal(err)
	}
	s := serverAt(t, ServerConfig{Path: filepath.Join(folder, "run", "signer.sock")})
	l := mustListen(t, s)
	fmt.Println("listening")
	if err := s.Serve(context.Background(), l, audit.NewSigner(keyring, guard), keyring); err != nil {
		t.Fatal(err)
	}
}

// startSigner runs the other process until kill is called.
func startSigner(t *testing.T, folder string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSignerKilled$")
	cmd.Env = append(os.Environ(), "TAFFRAIL_TEST_SIGNER="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("listening\n"))
	if _, err := out.Read(said); err != nil || string(said) != "listening\n" {
		t.Fatalf("the signer says %q, %v", said, err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
}

// TestSignerKilled kills the signer while a log is kept by it, again and again. Each time it is started anew over what it left, and the log goes on: what
// was signed is still signed, nothing is refused, and all of it verifies.
func TestSignerKilled(t *testing.T) {
	if folder := os.Getenv("TAFFRAIL_TEST_SIGNER"); folder != "" {
		signerProcess(t, folder)
		return
	}
	folder := filepath.Dir(filepath.Dir(socketPath(t)))
	storage, c := audittest.NewMemory(), clientOf(t, filepath.Join(folder, "run", "signer.sock"))
	signed := int64(0)
	for round := range 6 {
		kill := startSigner(t, folder)
		l, err := audit.Open(t.Context(), storage, c)
		if errors.Is(err, audit.ErrNoLog) && round == 0 {
			l, err = audit.Begin(t.Context(), storage, c)
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		killed := make(chan struct{})
		for n := 0; ; n++ {
			appendTo(t, storage, 1)
			if n == 3+round {
				go func() { defer close(killed); kill() }()
			}
			cp, err := l.Sign(t.Context())
			if err != nil {
				if taffrail.KindOf(err) != taffrail.KindUnavailable || n < 3+round {
					t.Fatalf("round %d: %v", round, err)
				}
				break
			}
			if cp.Size <= signed {
				t.Fatalf("signed size %d after %d", cp.Size, signed)
			}
			signed = cp.Size
		}
		<-killed
	}
	defer startSigner(t, folder)()
	l, err := audit.Open(t.Context(), storage, c)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := c.Rotate(t.Context(), signed+100, signed+200)
	if err != nil || len(keys.All()) != 2 {
		t.Errorf("keys are %v, %v", keys, err)
	}
	if r, err := l.Verify(t.Context(), nil); err != nil || r.Signed < signed || r.Signed != r.Size {
		t.Errorf("verify: %+v, %v; signed were %d", r, err, signed)
	}
}

// TestOtherUsers lets a process of another user ask, of whom the server knows or does not.
func TestOtherUsers(t *testing.T) {
	if path := os.Getenv("TAFFRAIL_TEST_ASK"); path != "" {
		_, err := clientOf(t, path).Keys(t.Context())
		fmt.Println("asked:", taffrail.KindOf(err), err)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run a process as another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("SKIPPED: there is no user nobody")
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(os.TempDir(), filepath.Base(filepath.Dir(filepath.Dir(socketPath(t))))+".test") // where that user may run it
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil { //nolint:gosec // it is run by another user
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(program) }()
	for name, test := range map[string]struct {
		uids   []int
		loosen bool
		want   string
	}{
		"known":                 {[]int{uid}, false, "asked: internal <nil>"},
		"not known":             {[]int{uid + 1}, false, "asked: unavailable"},
		"kept out":              {nil, false, "asked: denied"},
		"not known, let so far": {nil, true, "asked: unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server = w.newServer(ServerConfig{Path: w.path, UIDs: test.uids})
			w.serve()
			chmod(t, filepath.Dir(filepath.Dir(w.path)), 0o755)
			if test.loosen {
				chmod(t, filepath.Dir(w.path), 0o755)
				chmod(t, w.path, 0o666)
			}
			cmd := exec.Command(program, "-test.run=^TestOtherUsers$")
			cmd.Dir, cmd.Env = "/", append(os.Environ(), "TAFFRAIL_TEST_ASK="+w.path)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), test.want) {
				t.Errorf("it says %s, %v, want %s", out, err, test.want)
			}
		})
	}
}

// TestServerOfAnotherUser: a socket in our place that another user serves is not asked.
func TestServerOfAnotherUser(t *testing.T) {
	if path := os.Getenv("TAFFRAIL_TEST_IMPOSTOR"); path != "" {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("listening")
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, err := readFrame(conn)
			fmt.Printf("told %q, %v\n", text, err)
			conn.Close()
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run a process as another user")
	}
	path := socketPath(t)
	folder := filepath.Dir(path)
	if err := errors.Join(os.Mkdir(folder, 0o777), os.Chmod(folder, 0o777), os.Chmod(filepath.Dir(folder), 0o755)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(os.TempDir(), filepath.Base(filepath.Dir(folder))+".test")
	text, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(program, text, 0o755) //nolint:gosec // it is run by another user
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(program) }()
	cmd := exec.Command(program, "-test.run=^TestServerOfAnotherUser$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "TAFFRAIL_TEST_IMPOSTOR="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 200)
	if n, err := out.Read(said); err != nil || string(said[:n]) != "listening\n" {
		t.Fatalf("it says %q, %v", said[:n], err)
	}
	l := &tree{t: t}
	_, err = clientOf(t, path).Sign(t.Context(), audit.Head{}, l.at(0), nil)
	if taffrail.KindOf(err) != taffrail.KindDenied || !strings.Contains(err.Error(), "user 12345") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sign: %v", err)
	}
	n, _ := out.Read(said)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if !strings.HasPrefix(string(said[:n]), `told ""`) {
		t.Errorf("it says %s", said[:n])
	}
}

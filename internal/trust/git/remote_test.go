package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/cgi" //nolint:gosec // tests of ours alone ask it
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// newHost serves the repositories of a folder over TLS, as hosts do, to those who know the password.
func newHost(t *testing.T, remote string) (url, ca string) {
	t.Helper()
	backend := filepath.Join(run(t, "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skip("SKIPPED: git-http-backend is not there")
	}
	run(t, "-C", remote, "config", "http.receivepack", "true")
	handler := &cgi.Handler{
		Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(remote), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
		Logger: stdlog.New(io.Discard, "", 0), Stderr: io.Discard,
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "us" || password != "hunter2" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return server.URL + "/" + filepath.Base(remote), ca
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Over https the secret is sent, may change meanwhile, and shows nowhere; without it nothing is an alarm.
func TestHTTPS(t *testing.T) {
	remote := newRemote(t)
	url, ca := newHost(t, remote)
	l := newLog(t, "log.example/a")
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, []byte("hunter2\n"))
	settings := fmt.Sprintf("name: mirror\nurl: %s\nca_file: %s\nuser: us", url, ca)
	a := open(t, settings+"\npassword_file: "+password)
	r := anchored(t, a, l.at(1, "x"))
	anchored(t, a, l.at(2, "x"))
	if _, err := a.Check(t.Context(), l.at(1, "x"), r); err != nil {
		t.Error(err)
	}
	if strings.Contains(string(r.Data), "hunter") {
		t.Errorf("the receipt is %s", r.Data)
	}
	t.Setenv("TAFFRAIL_TEST_PASSWORD", "hunter2")
	anchored(t, open(t, settings+"\npassword_env: TAFFRAIL_TEST_PASSWORD"), l.at(3, "x"))
	denied := func(a audit.Anchor) {
		t.Helper()
		_, anchorErr := a.Anchor(t.Context(), l.at(4, "x"))
		_, checkErr := a.Check(t.Context(), l.at(1, "x"), r)
		for _, err := range []error{anchorErr, checkErr} {
			var corrupt *audit.CorruptError
			if taffrail.KindOf(err) != taffrail.KindDenied || errors.As(err, &corrupt) || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter") {
				t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
			}
		}
	}
	write(t, password, []byte("hunter3"))
	denied(a)
	denied(open(t, settings))
	denied(open(t, settings+"\npassword_file: /nowhere"))
	denied(open(t, settings+"\npassword_env: TAFFRAIL_TEST_NO_PASSWORD"))
	write(t, password, []byte("hunter2"))
	anchored(t, a, l.at(4, "x"))
	untrusting := open(t, fmt.Sprintf("name: mirror\nurl: %s\nuser: us\npassword_file: %s", url, password))
	if _, err := untrusting.Anchor(t.Context(), l.at(5, "x")); taffrail.KindOf(err) != taffrail.KindDenied || !strings.Contains(taffrail.HintOf(err), "ca_file") {
		t.Errorf("a host that nobody vouches for: %v", err)
	}
}

func TestHostsThatAreOutOfOrder(t *testing.T) {
	l := newLog(t, "log.example/a")
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		kind    taffrail.Kind
	}{
		"does not know it": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, taffrail.KindNotFound},
		"does not let us":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, taffrail.KindDenied},
		"is broken":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, taffrail.KindUnavailable},
		"shows a page":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, taffrail.KindUnavailable},
		"says nothing":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, taffrail.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.handler)
			t.Cleanup(server.Close)
			timeout := "30s"
			if name == "says nothing" {
				timeout = "100ms"
			}
			_, err := open(t, "name: mirror\nurl: "+server.URL+"/x.git\ntimeout: "+timeout).Anchor(t.Context(), l.at(1, "x"))
			var corrupt *audit.CorruptError
			if taffrail.KindOf(err) != tc.kind || errors.As(err, &corrupt) || taffrail.HintOf(err) == "" {
				t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
			}
		})
	}
}

// newShell serves the git commands over SSH, to those who have the key.
func newShell(t *testing.T, allowed ssh.PublicKey) (address string, host ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveShell(c, config)
		}
	}()
	return l.Addr().String(), signer.PublicKey()
}

func serveShell(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for wanted := range channels {
		channel, requests, err := wanted.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			var command struct{ Text string }
			_ = ssh.Unmarshal(r.Payload, &command)
			cmd := exec.Command("sh", "-c", command.Text) //nolint:gosec // it comes from the test
			cmd.Stdin, cmd.Stdout, cmd.Stderr = channel, channel, channel.Stderr()
			status := []byte{0, 0, 0, 0}
			if cmd.Run() != nil {
				status[3] = 1
			}
			_, _ = channel.SendRequest("exit-status", false, status)
			_ = channel.Close()
		}
	}
}

func newSSHKey(t *testing.T, passphrase string) (file string, public ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "key")
	write(t, file, pem.EncodeToMemory(block))
	return file, signer.PublicKey()
}

// Over SSH the key of the host must be one that is known.
func TestSSH(t *testing.T) {
	remote := newRemote(t)
	key, public := newSSHKey(t, "")
	address, host := newShell(t, public)
	_, otherHost := newSSHKey(t, "")
	otherKey, _ := newSSHKey(t, "")
	locked, _ := newSSHKey(t, "hunter2")
	known := func(key ssh.PublicKey) string {
		file := filepath.Join(t.TempDir(), "known_hosts")
		name, port, _ := net.SplitHostPort(address)
		write(t, file, fmt.Appendf(nil, "[%s]:%s %s", name, port, ssh.MarshalAuthorizedKey(key)))
		return file
	}
	settings := func(key, known string) string {
		return fmt.Sprintf("name: mirror\nurl: ssh://git@%s%s\nssh_key_file: %s\nknown_hosts_file: %s\ntimeout: 30s", address, remote, key, known)
	}
	l := newLog(t, "log.example/a")
	a := open(t, settings(key, known(host)))
	r := anchored(t, a, l.at(1, "x"))
	anchored(t, a, l.at(2, "x"))
	if at, err := a.Check(t.Context(), l.at(1, "x"), r); err != nil || !at.Equal(noon) {
		t.Errorf("%v, %v", at, err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	write(t, garbage, []byte("hunter2"))
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, nil)
	for name, tc := range map[string]struct {
		settings string
		kind     taffrail.Kind
	}{
		"another host":       {settings(key, known(otherHost)), taffrail.KindDenied},
		"an unknown host":    {settings(key, empty), taffrail.KindDenied},
		"no known hosts":     {settings(key, "/nowhere"), taffrail.KindDenied},
		"another key":        {settings(otherKey, known(host)), taffrail.KindDenied},
		"no key":             {settings("/nowhere", known(host)), taffrail.KindDenied},
		"a key that is none": {settings(garbage, known(host)), taffrail.KindInvalid},
		"a locked key":       {settings(locked, known(host)), taffrail.KindInvalid},
	} {
		_, err := open(t, tc.settings).Anchor(t.Context(), l.at(3, "x"))
		var corrupt *audit.CorruptError
		if taffrail.KindOf(err) != tc.kind || errors.As(err, &corrupt) || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, kind %s", name, err, taffrail.KindOf(err))
		}
	}
}

// Whoever waits for the turn may give up.
func TestTurnIsGivenUp(t *testing.T) {
	a := open(t, "name: mirror\nurl: /nowhere\ntimeout: 1ms")
	a.(*anchor).turn <- struct{}{}
	started := time.Now()
	if _, err := a.Anchor(t.Context(), newLog(t, "log.example/a").at(1, "x")); taffrail.KindOf(err) != taffrail.KindUnavailable || time.Since(started) > 10*time.Second {
		t.Errorf("error is %v", err)
	}
}

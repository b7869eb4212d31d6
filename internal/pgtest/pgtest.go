//go:build unix

// Package pgtest runs Postgres servers for tests, each of its own, and stops and starts them as a test wants.
package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// User and Password are those of the superuser of each server.
const (
	User     = "captain"
	Password = "keel-haul-7"
)

// A Server is one that runs.
type Server struct {
	Port     int
	bin, dir string
	settings []string
	process  *exec.Cmd
	ended    chan struct{}
	made     int // databases
}

// Start runs a server until the test ends. It skips the test, and says so, where the programs of Postgres are not installed. Settings are
// those of postgresql.conf, such as "fsync=off".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		t.Skip("SKIPPED: the programs of Postgres are not installed (Debian: postgresql)")
	}
	s := &Server{bin: found[len(found)-1], dir: folder(t), settings: settings}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil { //nolint:gosec // the server's user must read it, and it opens nothing else
		t.Fatal(err)
	}
	initdb := s.command(t, "initdb", "-D", s.data(), "-U", User, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-locale", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	t.Cleanup(func() {
		if s.process != nil {
			s.Stop(t)
		}
	})
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(t testing.TB, name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), arguments...)
	cmd.Dir = "/"
	cmd.SysProcAttr = unprivileged(t)
	return cmd
}

// Run starts the server again, on the same port, after a Stop, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	arguments := []string{"-D", s.data(), "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir}
	for _, setting := range s.settings {
		arguments = append(arguments, "-c", setting)
	}
	s.process = s.command(t, "postgres", arguments...)
	messages, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan struct{})
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready to accept") { // as a standby: read-only connections
			go func(process *exec.Cmd, ended chan struct{}) {
				for lines.Scan() { // so that the server never waits for us
				}
				_ = process.Wait()
				close(ended)
			}(s.process, s.ended)
			return
		}
		t.Log(lines.Text())
	}
	t.Fatal("Postgres did not start")
}

// Stop ends the server as quickly as it can do so properly, with all connections to it.
func (s *Server) Stop(t testing.TB) { s.end(t, syscall.SIGINT) }

// Crash ends the server as a loss of power would: what was not written is lost, and the next Run recovers.
func (s *Server) Crash(t testing.TB) { s.end(t, syscall.SIGQUIT) }

func (s *Server) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Errorf("stop Postgres: %v", err)
	}
	<-s.ended
	s.process = nil
}

// URL is the address of a database, for the superuser.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), Path: database}
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// Database makes an empty database, and gives its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	s.made++
	name := fmt.Sprintf("test%d", s.made)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

// unprivileged gives another user to run as where we are root, which Postgres refuses to be.
func unprivileged(t testing.TB) *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
		if errUser == nil && errGroup == nil {
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}
	}
	t.Skip("SKIPPED: Postgres does not run as root, and there is no user to run it as")
	return nil
}

// folder is short, since the path of a socket is limited, and belongs to whom the server runs as.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if attr := unprivileged(t); attr != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

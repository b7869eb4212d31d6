package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/taffrail-dev/taffrail/internal/store"
)

// postgresWriters has writers append to a log on Postgres, with the server's own settings: every commit is synced.
func postgresWriters(ctx context.Context, o options) error {
	server, err := startPostgres(ctx, o.dir)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Printf("\nSKIPPED: the programs of Postgres are not installed (Debian: postgresql)\n")
		return nil
	}
	if err != nil {
		return err
	}
	defer server.stop()
	leaf, err := sharedMill()
	if err != nil {
		return err
	}
	s, err := store.OpenPostgres(ctx, server.address, store.Create)
	if err != nil {
		return err
	}
	ours, err := openLedger(ctx, filepath.Join(o.dir, "postgres-log"), s)
	if err != nil {
		return err
	}
	sides := []*side{
		{name: "outbox, entries alone, until sequenced", do: ours.queuePlain},
		{name: "outbox, entries alone, each writer with 8 under way, until sequenced", do: ours.queuePlain, each: 8},
		{name: "outbox, drifts, until sequenced", do: ours.queue},
		{name: "outbox, drifts, each writer with 8 under way, until sequenced", do: ours.queue, each: 8},
		{name: "outbox, drifts, until signed", do: func(ctx context.Context, leaf []byte) error {
			return errors.Join(ours.queue(ctx, leaf), ours.sign(ctx))
		}},
		{name: "directly, the log alone, until sequenced", do: ours.commit},
		{name: "directly, drifts, until signed", do: ours.recordAndSign},
	}
	sequencing, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- s.Sequence(sequencing) }()
	err = byTurns(ctx, o, o.pgWriters, leaf, sides)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	fmt.Printf("\n%s, %d writers in one process that wait for their entries, by turns, %v a run\n\n| | entries/s |\n|---|---|\n", server.version, o.pgWriters, o.duration)
	for _, s := range sides {
		fmt.Printf("| %s | %.0f |\n", s.name, s.median())
	}
	return s.Close()
}

// postgres is a server that runs.
type postgres struct {
	address, version string
	process          *exec.Cmd
	messages         *bufio.Scanner
}

// startPostgres runs a server of its own. The error wraps [exec.ErrNotFound] where its programs are not installed.
func startPostgres(ctx context.Context, work string) (*postgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return nil, exec.ErrNotFound
	}
	bin := found[len(found)-1]
	attr, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(work, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if attr != nil { // the server must come to its folder, and own it
		err := errors.Join(os.Chmod(work, 0o711), os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid))) //nolint:gosec // its content is not secret
		if err != nil {
			return nil, err
		}
	}
	command := func(name string, arguments ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), arguments...)
		cmd.Dir, cmd.SysProcAttr = "/", attr
		return cmd
	}
	version, err := command("postgres", "--version").Output()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if said, err := command("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, said)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &postgres{
		address: fmt.Sprintf("postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", port), version: strings.TrimSpace(string(version)),
		process: command("postgres", "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
	}
	return p, p.start()
}

// start starts the server, and waits until it answers.
func (p *postgres) start() error {
	messages, err := p.process.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.process.Start(); err != nil {
		return err
	}
	p.messages = bufio.NewScanner(messages)
	for p.messages.Scan() {
		if strings.Contains(p.messages.Text(), "ready to accept connections") {
			go func() {
				for p.messages.Scan() { // so that the server never waits for us
				}
			}()
			return nil
		}
	}
	return fmt.Errorf("the server did not start: %w", p.process.Wait())
}

func (p *postgres) stop() {
	_ = p.process.Process.Signal(syscall.SIGINT)
	_ = p.process.Wait()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// unprivileged gives another user to run as where we are root, which Postgres refuses to be.
func unprivileged() (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
		if errUser == nil && errGroup == nil {
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return nil, errors.New("postgres does not run as root, and there is no user to run it as")
}

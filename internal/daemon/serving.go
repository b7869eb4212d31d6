package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// Serving is what a process does for others for as long as it runs, and cannot be asked of a server.
type Serving interface {
	// Serve keeps the log until ctx ends: see [Daemon.Serve].
	Serve(ctx context.Context) error
	// ReceiveEvents runs the receivers and readers of the operator's file until ctx ends. What fails is told and tried again. It calls taken after each
	// batch, and first of all if it began the log, and listening once for each receiver.
	ReceiveEvents(ctx context.Context, listening func(source, address string), taken func(source string, t EventsTaken)) error
	// Checkers check receipts of outside authorities, by kind: those of the configured anchors, and of time stamp authorities whose
	// certificates go back to those in a file, if one is named.
	Checkers(ctx context.Context, authorities string) (map[string]audit.Checker, error)
	// Published gives what others may read: the log, and the keys that sign it.
	Published() (audit.Storage, audit.Signer, error)

	// InitSigner makes guard state and key of a log that another process will keep, and ServeSigner signs for it on a socket.
	InitSigner(ctx context.Context, origin string) (LogInfo, error)
	// ServeSigner tells when it listens. Users are those that it signs for beside its own and root, by their numbers.
	ServeSigner(ctx context.Context, socket string, users []int, listening func()) error

	// InitWitness makes the key of a witness, and gives the public one. ServeWitness cosigns for the logs of a policy.
	InitWitness(name string) (vkey string, err error)
	ServeWitness(ctx context.Context, l net.Listener, logs []byte) error
}

var _ Serving = (*Daemon)(nil)

// Published implements [Serving].
func (d *Daemon) Published() (audit.Storage, audit.Signer, error) {
	l, err := d.current()
	if err != nil {
		return nil, nil, err
	}
	return l.store, l.signer, nil
}

// Checkers implements [Serving].
func (d *Daemon) Checkers(ctx context.Context, authorities string) (map[string]audit.Checker, error) {
	anchors, err := d.anchors(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]audit.Checker{}
	for _, a := range anchors {
		all[a.kind] = func(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
			return checkBy(ctx, anchors, cp, r)
		}
	}
	if authorities == "" {
		return all, nil
	}
	// Whoever names certificates believes these and no others, whatever is configured here, and however the log calls the authority.
	const name = "time stamp authority"
	settings := map[string]any{"name": name, "url": "https://localhost", "ca_file": authorities}
	authority, err := openPlugin[audit.Anchor](ctx, d, audit.KindTimestamp, settings)
	if err != nil {
		return nil, err
	}
	all[audit.KindTimestamp] = func(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
		r.Anchor = name
		return authority.Check(ctx, cp, r)
	}
	return all, nil
}

// checkBy has a receipt checked by an anchor of its kind: it holds if it holds for one of them.
func checkBy(ctx context.Context, anchors []namedAnchor, cp audit.Checkpoint, r audit.Receipt) (at time.Time, err error) {
	var failed []error
	for _, a := range anchors {
		if a.kind != r.Kind {
			continue
		}
		if at, err = a.Check(ctx, cp, r); err == nil {
			return at, nil
		}
		failed = append(failed, err)
	}
	return at, errors.Join(failed...)
}

// socketName is the plug-in by which another process has us sign.
const socketName = "socket"

// InitSigner implements [Serving].
func (d *Daemon) InitSigner(ctx context.Context, origin string) (LogInfo, error) {
	t, err := d.local(ctx)
	if err != nil {
		return LogInfo{}, err
	}
	if err := t.prepare(ctx, origin); err != nil {
		return LogInfo{}, boundary("begin signer", err)
	}
	defer t.close() //nolint:errcheck // nothing is under way
	_, keys, err := t.signer(ctx)
	if err != nil {
		return LogInfo{}, boundary("begin signer", err)
	}
	return d.infoOf(keys.Origin(), keys.Newest().VKey), nil
}

// local is the trust of a process that holds guard and key itself.
func (d *Daemon) local(ctx context.Context) (trust, error) {
	t, err := d.trust(ctx)
	if err == nil && t.remote != nil {
		err = &taffrail.Error{
			Op: "open signer", Kind: taffrail.KindInvalid, Err: errors.New("the configuration has another process sign"), Hint: "a signer has a --config-dir of its own, without `signer` in its configuration",
		}
	}
	return t, err
}

// ServeSigner implements [Serving].
func (d *Daemon) ServeSigner(ctx context.Context, socket string, users []int, listening func()) error {
	t, err := d.local(ctx)
	if err != nil {
		return err
	}
	defer t.close() //nolint:errcheck // nothing is under way
	signer, _, err := t.signer(ctx)
	if err != nil {
		return boundary("open signer", err)
	}
	server, err := openPlugin[audit.SignerServer](ctx, d, socketName, map[string]any{"path": socket, "uids": users})
	if err != nil {
		return err
	}
	l, err := server.Listen(ctx)
	if err != nil {
		return boundary("serve signer", err)
	}
	listening()
	return boundary("serve signer", server.Serve(ctx, l, signer, t.keyring))
}

// witnessKey is the file with the key of a witness, in the folder of the keys.
const witnessKey = "witness.key"

// InitWitness implements [Serving]. If we stop in the middle, there is a key or there is none.
func (d *Daemon) InitWitness(name string) (vkey string, err error) {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:])
	skey, vkey, err := audit.GenerateCosigner(name, seed)
	if err != nil {
		return "", &taffrail.Error{Op: "begin witness", Kind: taffrail.KindInvalid, Err: err, Hint: "name it like a host and a path, such as witness.example.org/1"}
	}
	path := filepath.Join(d.options.ConfigDir, witnessKey)
	if err := os.MkdirAll(d.options.ConfigDir, 0o700); err != nil {
		return "", witnessError(path, err)
	}
	f, err := os.CreateTemp(d.options.ConfigDir, witnessKey+".*.tmp") // for the owner alone
	if err != nil {
		return "", witnessError(path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a second name of the key at most, and the key is there then
	_, err = f.WriteString(skey + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path) // not in the place of one that is there
	}
	if err != nil {
		return "", witnessError(path, err)
	}
	return vkey, nil
}

func witnessError(path string, err error) error {
	e := &taffrail.Error{Op: "key of the witness " + path, Kind: taffrail.KindUnavailable, Err: err, Hint: "the folder of the keys must be yours"}
	switch {
	case errors.Is(err, fs.ErrExist):
		e.Kind, e.Hint = taffrail.KindConflict, "there is a witness already, and it keeps its key"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "begin one: `taffrail witness init`"
	case errors.Is(err, fs.ErrPermission):
		e.Kind = taffrail.KindDenied
	}
	return e
}

// cosigner reads the key of the witness, which nobody else may be able to read.
func (d *Daemon) cosigner() (*audit.Cosigner, error) {
	path := filepath.Join(d.options.ConfigDir, witnessKey)
	info, err := os.Stat(path)
	if err != nil {
		return nil, witnessError(path, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &taffrail.Error{Op: "read " + path, Kind: taffrail.KindDenied, Err: fmt.Errorf("its mode is %04o, so that others than its owner have access", mode), Hint: "chmod 600 " + path}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, witnessError(path, err)
	}
	c, err := audit.NewCosigner(strings.TrimSpace(string(text)), d.options.Now)
	if err != nil {
		return nil, &taffrail.Error{Op: "read " + path, Kind: taffrail.KindCorrupt, Err: err, Hint: "bring the file back from where it was kept"}
	}
	return c, nil
}

// ServeWitness implements [Serving]. What it saw of each log is kept by a guard of its own, below the folder of the guard's state.
func (d *Daemon) ServeWitness(ctx context.Context, l net.Listener, logs []byte) error {
	c, err := d.cosigner()
	if err != nil {
		return err
	}
	server, err := openPlugin[audit.WitnessServer](ctx, d, witnessName, nil)
	if err != nil {
		return err
	}
	if err := server.Check(logs); err != nil {
		return &taffrail.Error{Op: "read logs", Kind: taffrail.KindInvalid, Err: err, Hint: "`taffrail log policy` of each log prints its part: a line `log VKEY` for each key"}
	}
	met := &acquaintance{path: filepath.Join(d.options.ConfigDir, witnessLogs)}
	return boundary("serve witness", server.Serve(ctx, l, audit.WitnessSetup{Logs: logs, Signer: c, Guard: func(origin string) (audit.Guard, error) {
		sum := sha256.Sum256([]byte(origin))
		g, err := openPlugin[audit.Guard](ctx, d, trustName, map[string]any{"folder": filepath.Join(d.options.StateDir, "witness", hex.EncodeToString(sum[:]))})
		if err != nil {
			return nil, err
		}
		return &memory{g, origin, met}, nil
	}}))
}

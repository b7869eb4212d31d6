package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// trustName is the plug-in that holds guard and keys as long as no configuration names another.
const trustName = "file"

// An openLog is a log that may be appended to.
type openLog struct {
	store    database
	log      *audit.Log
	signer   audit.Signer
	control  audit.KeyControl
	origin   string
	key      string // public, as text; the one that was the newest when it was opened
	readOnly bool   // nothing can be written: it is shown as it was signed last

	trust   trust
	claim   string // names this process in what it does, once it has done something
	release func()
	acts    int
}

// close ends what the log holds.
func (l *openLog) close() error {
	if l.release != nil {
		l.release()
	}
	return errors.Join(l.store.Close(), l.trust.close())
}

// trust is what stands outside the log's database: guard and keys of this process, or a signer in another one that has its own.
type trust struct {
	guard   audit.Guard
	keyring audit.Keyring
	remote  audit.RemoteSigner
}

// Who signs, by default, and who remembers.
func (d *Daemon) trust(ctx context.Context) (t trust, err error) {
	in := d.options.Installation
	if in.Signer != nil {
		t.remote, err = openSection[audit.RemoteSigner](ctx, d, *in.Signer)
		return t, err
	}
	if in.Guard != nil {
		t.guard, err = d.configuredGuard(ctx)
	} else {
		t.guard, err = openPlugin[audit.Guard](ctx, d, trustName, map[string]any{"folder": d.options.StateDir})
	}
	if err != nil {
		return t, err
	}
	t.keyring, err = openPlugin[audit.Keyring](ctx, d, trustName, map[string]any{"folder": d.options.ConfigDir})
	return t, err
}

// configuredGuard opens the guard that the operator chose, which is told where the log is: it must not be there.
func (d *Daemon) configuredGuard(ctx context.Context) (audit.Guard, error) {
	in := d.options.Installation
	env := d.env(nil)
	if in.Store != nil {
		var err error
		if env.LogDatabase, err = in.Store.Address(); err != nil {
			return nil, err
		}
	}
	return plug.Open[audit.Guard](ctx, d.options.Plugins, in.Guard.Plugin, env, plug.Settings{File: in.Name(), YAML: in.Guard.YAML})
}

// bare is the signer, whatever state it is in.
func (t trust) bare() audit.Signer {
	if t.remote != nil {
		return t.remote
	}
	return audit.NewSigner(t.keyring, t.guard)
}

// close ends the connections that guard and signer hold.
func (t trust) close() error {
	var errs []error
	for _, held := range []any{t.guard, t.keyring, t.remote} {
		errs = append(errs, closeOf(held))
	}
	return errors.Join(errs...)
}

// closeOf closes what can be closed.
func closeOf(held any) error {
	if c, ok := held.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// control is who makes and ends keys.
func (t trust) control() audit.KeyControl {
	if t.remote != nil {
		return t.remote
	}
	return t.keyring
}

func openSection[R any](ctx context.Context, d *Daemon, s config.Section) (R, error) {
	return plug.Open[R](ctx, d.options.Plugins, s.Plugin, d.env(nil), plug.Settings{File: d.options.Installation.Name(), YAML: s.YAML})
}

func (d *Daemon) sealer(ctx context.Context) (taffrail.Sealer, error) {
	return openPlugin[taffrail.Sealer](ctx, d, trustName, map[string]any{"folder": d.options.ConfigDir, "create": true})
}

func openPlugin[R any](ctx context.Context, d *Daemon, name string, settings map[string]any) (R, error) {
	text, err := yaml.Marshal(settings)
	if err != nil {
		var none R
		return none, err
	}
	return plug.Open[R](ctx, d.options.Plugins, name, d.env(nil), plug.Settings{File: "defaults", YAML: text})
}

func (d *Daemon) env(sealer taffrail.Sealer) plug.Env {
	return plug.Env{Logger: d.options.Logger, Now: d.options.Now, Sealer: sealer}
}

// signer puts key and guard together. [audit.ErrNoLog] says that there are neither, or that a log was only just begun.
func (t trust) signer(ctx context.Context) (audit.Signer, audit.Keys, error) {
	var none audit.Keys
	if t.remote != nil {
		return t.remoteSigner(ctx)
	}
	head, headErr := t.guard.Load(ctx)
	if headErr != nil && !errors.Is(headErr, audit.ErrNoHead) {
		return nil, none, headErr
	}
	ring, err := t.keyring.Load(ctx)
	switch {
	case err == nil && headErr != nil:
		return nil, none, &taffrail.Error{
			Op: "open log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("there is a signing key of log %s, and the guard state is missing", ring.Keys().Origin()),
			Hint: "bring the guard state back from where it was kept; to begin another log, move the signing key away first",
		}
	case errors.Is(err, audit.ErrNoKey) && head.Size > 0:
		return nil, none, &taffrail.Error{
			Op: "open log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("the guard knows a log %s of %d entries, and its signing key is missing", head.Origin, head.Size),
			Hint: "bring the key back from where it was kept",
		}
	case errors.Is(err, audit.ErrNoKey):
		return nil, none, audit.ErrNoLog
	case err != nil:
		return nil, none, err
	}
	return audit.NewSigner(t.keyring, t.guard), ring.Keys(), nil
}

func (t trust) remoteSigner(ctx context.Context) (audit.Signer, audit.Keys, error) {
	_, err := t.remote.Head(ctx)
	if errors.Is(err, audit.ErrNoHead) {
		return nil, audit.Keys{}, audit.ErrNoLog
	}
	if err != nil {
		return nil, audit.Keys{}, err
	}
	keys, err := t.remote.Keys(ctx)
	return t.remote, keys, err
}

// open opens the log that is there.
func (d *Daemon) open(ctx context.Context) (_ *openLog, err error) {
	t, err := d.trust(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	signer, keys, err := t.signer(ctx)
	if errors.Is(err, audit.ErrNoLog) {
		return nil, d.refuseOrphan(ctx)
	}
	if err != nil {
		return nil, err
	}
	s, err := d.openStore(ctx, d.options.DataDir, store.Write)
	readOnly := false
	if taffrail.KindOf(err) == taffrail.KindDenied { // what is there can still be read
		d.options.Logger.Warn("the log can be read, and not written", "error", err)
		s, err = d.openStore(ctx, d.options.DataDir, store.ReadOnly)
		readOnly = true
	}
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		return nil, withoutStore(ctx, signer)
	}
	if err != nil {
		return nil, err
	}
	l, err := audit.Open(ctx, s, signer)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	o := t.opened(s, l, signer, keys)
	o.readOnly = readOnly
	if !readOnly {
		err = d.settleIntents(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

func (t trust) opened(s database, l *audit.Log, signer audit.Signer, keys audit.Keys) *openLog {
	return &openLog{store: s, log: l, signer: signer, control: t.control(), trust: t, origin: keys.Origin(), key: keys.Newest().VKey}
}

// refuseOrphan answers [audit.ErrNoLog], unless there is a database that neither guard nor key belong to.
func (d *Daemon) refuseOrphan(ctx context.Context) error {
	s, err := d.openStore(ctx, d.options.DataDir, store.ReadOnly)
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		return audit.ErrNoLog
	}
	if err != nil {
		return err
	}
	var size int64
	err = s.Read(ctx, func(tx *store.Tx) (err error) { size, err = tx.Size(); return err })
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if size == 0 {
		return audit.ErrNoLog // a beginning that was cut short
	}
	return &taffrail.Error{
		Op: "open log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("there is a log of %d entries in %s, and guard state and signing key are missing", size, d.options.DataDir),
		Hint: "name the folders that belong to this log, or bring guard state and key back from where they were kept",
	}
}

// withoutStore says what it means that there is no database: nothing, if the guard knows no entry.
func withoutStore(ctx context.Context, signer audit.Signer) error {
	head, err := signer.Head(ctx)
	if err == nil && head.Size == 0 {
		return audit.ErrNoLog
	}
	if err == nil {
		_, err = audit.Open(ctx, emptyLog{}, signer)
	}
	return err
}

// begin begins a log, or goes on with a beginning that was cut short. Of several who do so at once one does each step, and
// the others find it done.
//
// The guard's state comes first, with the log's name and no entry; then the key of that name; then the database; then
// the first entry. If we stop anywhere in between, the guard knows of no entry, so nothing can have been lost, and the next
// start goes on. A key without guard state, on the other hand, is a guard that was taken away.
func (d *Daemon) begin(ctx context.Context, r InitRequest) (*openLog, error) {
	prior, err := parsePrior(r.Prior)
	if err != nil {
		return nil, err
	}
	t, err := d.trust(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.prepare(ctx, r.Origin); err != nil {
		return nil, err
	}
	signer, keys, err := t.signer(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.openStore(ctx, d.options.DataDir, store.Create)
	if err != nil {
		return nil, err
	}
	l, err := audit.Open(ctx, s, signer)
	if err == nil {
		err = d.firstEntry(ctx, s, taffrail.LogStarted{Origin: keys.Origin(), Key: keys.Newest().VKey, Prior: prior})
	}
	if err == nil {
		_, err = l.Sign(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return t.opened(s, l, signer, keys), nil
}

// prepare makes guard state and key of a log that is about to begin. A signer in another process has made its own.
func (t trust) prepare(ctx context.Context, origin string) error {
	if t.remote == nil {
		head, err := t.claim(ctx, origin)
		if err == nil {
			_, err = t.keyring.Create(ctx, head.Origin)
		}
		if errors.Is(err, audit.ErrExists) {
			return nil
		}
		return err
	}
	head, err := t.remote.Head(ctx)
	if errors.Is(err, audit.ErrNoHead) {
		return &taffrail.Error{Op: "begin log", Kind: taffrail.KindNotFound, Err: errors.New("the signer has made no key yet"), Hint: "begin it there: `taffrail signer init`"}
	}
	if err == nil && origin != "" && origin != head.Origin {
		err = fmt.Errorf("%w: the signer signs for log %s", audit.ErrExists, head.Origin)
	}
	return err
}

// parsePrior reads the last checkpoint of an earlier log, as origin,size,root.
func parsePrior(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	parts := strings.Split(text, ",")
	_, err := audit.ParseCheckpoint([]byte(strings.Join(parts, "\n") + "\n"))
	if err != nil || len(parts) != 3 {
		return "", &taffrail.Error{
			Op: "begin log", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%.200q is no checkpoint", text), Hint: "write the first three lines of a checkpoint of the earlier log with commas between them: origin,size,root",
		}
	}
	return text, nil
}

// claim gives a log its name, in the guard's state.
func (t trust) claim(ctx context.Context, origin string) (audit.Head, error) {
	if ring, err := t.keyring.Load(ctx); err == nil {
		head, err := t.guard.Load(ctx)
		if errors.Is(err, audit.ErrNoHead) {
			_, _, err = t.signer(ctx) // says what is wrong
		}
		if err == nil && head.Origin != ring.Keys().Origin() {
			err = fmt.Errorf("%w: the key is of log %s", audit.ErrExists, ring.Keys().Origin())
		}
		return head, err
	}
	if origin == "" {
		origin = "taffrail.local/" + randomHex(8)
	}
	head := audit.Head{Origin: origin, Root: audit.EmptyRoot()}
	err := t.guard.Swap(ctx, audit.Head{}, head)
	if !errors.Is(err, audit.ErrConflict) {
		return head, err
	}
	// Another process was first, or an earlier one was cut short. Before there is a key, what they wrote must be durable.
	if head, err = t.guard.Load(ctx); err != nil || head.Size > 0 {
		return head, err
	}
	err = t.guard.Swap(ctx, head, head)
	if errors.Is(err, audit.ErrConflict) {
		return t.guard.Load(ctx) // it has grown, and its key is made
	}
	return head, err
}

// firstEntry says in the log which log it is.
func (d *Daemon) firstEntry(ctx context.Context, s database, started taffrail.LogStarted) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		if size, err := tx.Size(); err != nil || size > 0 {
			return err
		}
		_, err := tx.Append(d.entry(started, entryContext{outcome: taffrail.OutcomeStarted}))
		return err
	})
}

// InitLog implements [Queries].
func (d *Daemon) InitLog(ctx context.Context, r InitRequest) (LogInfo, error) {
	if _, err := d.current(); err == nil {
		return LogInfo{}, boundary("begin log", audit.ErrExists)
	}
	if _, err := d.ensure(ctx, r); err != nil {
		return LogInfo{}, err
	}
	l, err := d.current()
	if err != nil {
		return LogInfo{}, err
	}
	return d.infoOf(l.origin, l.key), nil
}

// ensure gives the open log, and begins one where there is none.
func (d *Daemon) ensure(ctx context.Context, r InitRequest) (began bool, err error) {
	if _, err := d.current(); err == nil {
		return false, nil
	}
	l, err := d.begin(ctx, r)
	if err != nil {
		return false, boundary("begin log", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = l
	return true, nil
}

// infoOf says which log this is, and where its parts are.
func (d *Daemon) infoOf(origin, key string) LogInfo {
	in := d.options.Installation
	info := LogInfo{Origin: origin, Key: key, Data: d.options.DataDir, Guard: d.options.StateDir, Keys: d.options.ConfigDir}
	if in.Store != nil {
		info.Data = "Postgres, as " + in.Name() + " says"
	}
	if in.Guard != nil {
		info.Guard = in.Guard.Plugin + ", as " + in.Name() + " says"
	}
	if in.Signer != nil {
		info.Guard = "with the signer"
		info.Keys = in.Signer.Plugin + ", as " + in.Name() + " says"
	}
	return info
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

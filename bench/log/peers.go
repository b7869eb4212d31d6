package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
	_ "modernc.org/sqlite" // the driver, which is ours, too
)

// quietPeers keeps Tessera from telling what it does.
func quietPeers() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// plain is the least that anybody does who stores a row for good and remembers, in another file, that it is there.
type plain struct {
	db     *sql.DB
	insert *sql.Stmt
	mark   *os.File
	state  []byte
}

// openPlain opens a table with the settings of our store, and a file of as many bytes as the guard's state has.
func openPlain(dir string) (*plain, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "plain.sqlite")+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE entry (idx INTEGER PRIMARY KEY, body BLOB NOT NULL)"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	p := &plain{db: db, state: make([]byte, 140)}
	if p.insert, err = db.Prepare("INSERT INTO entry (body) VALUES (?)"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if p.mark, err = os.Create(filepath.Join(dir, "mark")); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return p, p.remember()
}

func (p *plain) append(leaf []byte) error {
	if _, err := p.insert.Exec(leaf); err != nil {
		return err
	}
	return p.remember()
}

// remember writes in place, and syncs.
func (p *plain) remember() error {
	if _, err := p.mark.WriteAt(p.state, 0); err != nil {
		return err
	}
	return p.mark.Sync()
}

func (p *plain) Close() error { return errors.Join(p.insert.Close(), p.db.Close(), p.mark.Close()) }

// batching is how Tessera collects entries.
type batching struct {
	size uint
	age  time.Duration
}

func (b batching) String() string { return fmt.Sprintf("batches of %d or %v", b.size, b.age) }

// tess is Tessera's POSIX log.
type tess struct {
	add      func(context.Context, *tessera.Entry) tessera.IndexFuture
	awaiter  *tessera.PublicationAwaiter
	shutdown func(context.Context) error
	cancel   context.CancelFunc
}

// tesseraInterval is the shortest time between checkpoints that its POSIX log allows, and tesseraPoll how often it is looked for one.
const (
	tesseraInterval = 100 * time.Millisecond
	tesseraPoll     = time.Millisecond
)

// openTessera opens a log with settings that favour it: checkpoints as often as it allows, no pushback, no collection of garbage, no index
// against duplicates, which ours does not have either.
func openTessera(ctx context.Context, dir string, b batching) (*tess, error) {
	skey, _, err := note.GenerateKey(nil, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithCheckpointInterval(tesseraInterval).WithBatching(b.size, b.age).
		WithPushback(1<<20).WithGarbageCollectionInterval(0))
	if err != nil {
		cancel()
		return nil, err
	}
	return &tess{appender.Add, tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, tesseraPoll), shutdown, cancel}, nil
}

// integrate returns when an entry is in the tree, durably. No checkpoint covers it yet.
func (t *tess) integrate(ctx context.Context, leaf []byte) error {
	_, err := t.add(ctx, tessera.NewEntry(leaf))()
	return err
}

// publish returns when a checkpoint covers an entry.
func (t *tess) publish(ctx context.Context, leaf []byte) error {
	_, _, err := t.awaiter.Await(ctx, t.add(ctx, tessera.NewEntry(leaf)))
	return err
}

func (t *tess) Close(ctx context.Context) error {
	err := t.shutdown(ctx)
	t.cancel()
	return err
}

package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// ErrBusy says that another process is publishing into the folder.
var ErrBusy = errors.New("another process is publishing into this folder")

// Options say how a folder is kept.
type Options struct {
	Whole       bool // look at every file again, write what is missing, and refuse what differs; else only what is new
	DropPartial bool // remove partial tiles whose full one is there
	DropPruned  bool // remove bundles of entries that the log has pruned
}

// A Result says what was done to a folder.
type Result struct {
	Head    audit.Head // of the checkpoint that stands there now
	Written int        // files
	Removed int        // bundles of pruned entries, and tiles of which there were partial ones
}

// Folder writes what the newest checkpoint covers, which one of the keys must have signed, into a folder, which it makes if need be. What stands there from before is left as it
// is, so that only what is new since is written. Several may be called at once: all but one get [ErrBusy].
//
// A folder that holds another log, or a checkpoint that the log's newest does not continue, or a file that is not what the log holds, is
// refused with a [*audit.CorruptError], and so is a log whose tiles do not lead to its signed root. Nothing is ever overwritten but the
// checkpoint. Files that are not of a log are no concern.
//
// It can be stopped anywhere, and goes on at the next call:
//
//  1. Bundles and tiles are written, each under another name first, and then renamed. If we stop here, the old checkpoint stands, all that
//     it needs is there, and what is there beyond it is whole and is not written again.
//  2. The folders are synced. If we stop here: as before.
//  3. Partial tiles whose full ones are there by now are removed, if asked for. If we stop here, whoever has an old checkpoint takes the
//     full ones (C2SP tlog-tiles, "Partial Tiles"), and the next call removes the rest.
//  4. The checkpoint takes the place of the old one. If we stop after this, the folder is complete.
//  5. Pruned bundles are removed, if asked for. If we stop here, the next call removes the rest.
func Folder(ctx context.Context, s audit.Storage, keys Keys, dir string, o Options) (Result, error) {
	return publishTo(ctx, s, keys, dir, o, nil)
}

func publishTo(ctx context.Context, s audit.Storage, keys Keys, dir string, o Options, at steps) (Result, error) {
	f := folder{storage: s, o: o, files: files{steps: at, unsynced: map[string]bool{}}}
	known, err := keys(ctx)
	if err == nil {
		f.keys = known
		err = f.publish(ctx, dir)
	}
	if err != nil {
		return f.result, fmt.Errorf("publish log to %s: %w", dir, err)
	}
	return f.result, nil
}

type folder struct {
	files
	storage audit.Storage
	keys    audit.Keys
	o       Options
	cp      audit.Checkpoint // that is to stand there
	held    audit.Head       // that stands there; zero if none
	pruned  int64
	result  Result
}

func (f *folder) publish(ctx context.Context, dir string) error {
	unlock, err := f.open(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := f.storage.View(ctx, f.settle); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.tiles, f.syncAll, f.dropPartial, f.checkpoint, f.dropPruned} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open opens the folder and locks it for this process. The lock ends with the process.
func (f *folder) open(dir string) (unlock func(), err error) {
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	if f.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	lock, err := f.root.Open(".")
	if err != nil {
		return nil, errors.Join(err, f.root.Close())
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close(), f.root.Close())
	}
	return func() {
		_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) // a process that is just being started has the descriptor, too
		_, _ = lock.Close(), f.root.Close()
	}, nil
}

// settle finds out what is to stand in the folder, and whether it continues what stands there.
func (f *folder) settle(r audit.Reader) (err error) {
	if f.cp, err = newest(r, f.keys); err != nil {
		return err
	}
	f.result.Head = f.cp.Head
	if f.pruned, err = r.Pruned(); err != nil {
		return err
	}
	text, err := f.read("checkpoint", maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if origin, _, _ := strings.Cut(string(text), "\n"); origin != f.cp.Origin {
		return contradiction(nil, "the folder holds log %.80q, and this one is %q", origin, f.cp.Origin)
	}
	_, err = f.keys.Open(text)
	if err != nil && !errors.Is(err, audit.ErrKeyRange) { // what a key signed that was revoked since must be continued all the same
		return contradiction(err, "the checkpoint in the folder is not one that this log signed")
	}
	head, _, _ := bytes.Cut(text, []byte("\n\n"))
	if f.held, err = audit.ParseCheckpoint(append(head, '\n')); err != nil {
		return err
	}
	return f.continues(r)
}

// continues finds the root that stands there in the tree that is to stand there.
func (f *folder) continues(r audit.Reader) error {
	held, next := f.held, f.cp.Head
	switch {
	case held.Size > next.Size:
		return contradiction(nil, "the folder has a checkpoint of %d entries, and the newest of the log is of %d", held.Size, next.Size)
	case held.Size == 0: // anything grows out of the empty tree
		return nil
	}
	tiles := storedTiles{r: r, cp: f.cp, data: map[place][]byte{}}
	root, err := tlog.TreeHash(held.Size, tiles.tied())
	if err != nil {
		return tiles.explain(err)
	}
	if root != held.Root {
		return contradiction(nil, "the tree of %d entries does not contain the one of %d whose checkpoint stands in the folder", next.Size, held.Size)
	}
	return nil
}

func contradiction(err error, format string, args ...any) error {
	return &audit.CorruptError{
		Part: audit.PartCheckpoints, What: fmt.Sprintf(format, args...), Err: err,
		Hint: "one of the two is another log, or was set back or edited: keep both as evidence, and publish to another folder meanwhile",
	}
}

// tiles writes the tiles of the tree, and its entries, from the leaves up, as many at a time as one tile above covers. What is signed does not
// change, so that it need not all be one snapshot.
func (f *folder) tiles(ctx context.Context) error {
	var next []audit.Tile
	flush := func() error {
		some := next
		next = nil
		return f.storage.View(ctx, func(r audit.Reader) error { return f.some(ctx, r, some) })
	}
	err := audit.Tiles(f.cp.Size, func(t audit.Tile) error {
		if f.old(t) {
			return nil
		}
		if next = append(next, t); len(next) < audit.TileWidth {
			return nil
		}
		return flush()
	})
	if err != nil || len(next) == 0 {
		return err
	}
	return flush()
}

// old says whether a tile was written before the checkpoint that stands there.
func (f *folder) old(t audit.Tile) bool { return !f.o.Whole && covered(t, f.held.Size) }

// some writes tiles of hashes, and with those of leaves the entries.
func (f *folder) some(ctx context.Context, r audit.Reader, tiles []audit.Tile) error {
	hashes, err := hashTiles(r, f.cp, tiles)
	if err != nil {
		return err
	}
	pruned, err := r.Pruned()
	if err != nil {
		return err
	}
	for _, t := range tiles {
		if err := ctx.Err(); err != nil {
			return err
		}
		data := hashes[place{t.Level, t.N}]
		if e := audit.Entries(t.N, t.Width); t.Level == 0 && t.N >= pruned/audit.TileWidth {
			entries, err := bundle(r, e, data)
			if err == nil {
				err = f.put(e, entries)
			}
			if err != nil {
				return err
			}
		}
		if err := f.put(t, data); err != nil {
			return err
		}
	}
	return nil
}

// put writes a tile, unless it is there already.
func (f *folder) put(t audit.Tile, data []byte) error {
	name := t.Path()
	f.touch(name) // also of one that is there: whoever wrote it may not have come to the sync
	there, err := f.read(name, int64(len(data)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.result.Written++
		return f.write(name, data)
	case err != nil:
		return err
	case !bytes.Equal(there, data):
		part := audit.PartHashes
		if t.Level < 0 {
			part = audit.PartEntries
		}
		return &audit.CorruptError{
			Part: part, What: fmt.Sprintf("%s in the folder is not what the log holds, which leads to the signed root", name),
			Hint: "the folder was changed, or holds another log: keep it as evidence, and publish to another one",
		}
	}
	return nil
}

// checkpoint puts the new checkpoint in the place of the old one, also where it only has more signatures.
func (f *folder) checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.touch("checkpoint")
	there, err := f.read("checkpoint", maxCheckpoint)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !bytes.Equal(there, f.cp.Note) {
		f.result.Written++
		if err := f.write("checkpoint", f.cp.Note); err != nil {
			return err
		}
	}
	return f.syncAll(ctx)
}

// dropPartial removes the partial tiles at the places where full ones were written.
func (f *folder) dropPartial(ctx context.Context) error {
	if !f.o.DropPartial {
		return nil
	}
	return audit.Tiles(f.cp.Size, func(t audit.Tile) error {
		if t.Width < audit.TileWidth || f.old(t) {
			return ctx.Err()
		}
		err := f.remove(t.Path() + ".p")
		if err == nil && t.Level == 0 {
			err = f.remove(audit.Entries(t.N, t.Width).Path() + ".p")
		}
		return err
	})
}

// dropPruned removes the bundles of pruned entries. They are looked for from the last one down, until one is not there, and removed from
// the first one up, so that those which are left by one call are found by the next.
func (f *folder) dropPruned(ctx context.Context) error {
	if !f.o.DropPruned {
		return nil
	}
	var found []string
	for n := f.pruned/audit.TileWidth - 1; n >= 0; n-- {
		name := audit.Entries(n, audit.TileWidth).Path()
		if _, err := f.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		found = append(found, name)
	}
	for _, name := range slices.Backward(found) {
		if err := errors.Join(ctx.Err(), f.remove(name), f.remove(name+".p")); err != nil {
			return err
		}
	}
	return f.syncAll(ctx)
}

// remove removes a file or folder that may not be there.
func (f *folder) remove(name string) error {
	if _, err := f.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := f.steps.at("remove", name); err != nil {
		return err
	}
	f.touch(name)
	f.result.Removed++
	return f.root.RemoveAll(name)
}

package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A guard is an [audit.Guard] in the file guard.json. A lock beside it makes compare and swap one step for all processes
// of the machine; whoever only reads needs no lock, because one of the two slots is always whole.
type guard struct {
	folder string
	steps  steps

	lock   folderLock
	file   keptFile // of whoever has the lock, as what follows
	synced synced
	known  knownSlots
}

// synced is what one handle knows to be durable, because it has synced it itself. The zero value is nothing.
type synced struct {
	file   identity
	record record
}

const guardHint = "bring guard.json back from where it was kept; it must never be written by hand"

// guardMode are the mode bits that guard.json must not have.
const guardMode fs.FileMode = 0o022

func (g *guard) path() string { return filepath.Join(g.folder, "guard.json") }

// Load implements [audit.Guard].
func (g *guard) Load(ctx context.Context) (audit.Head, error) {
	h, err := g.load(ctx)
	return h, failed("load guard state", err)
}

// load looks twice before it says that neither slot holds: another process may have filled both, one after the other, while we read.
func (g *guard) load(ctx context.Context) (audit.Head, error) {
	var before []byte
	for {
		if err := ctx.Err(); err != nil {
			return audit.Head{}, err
		}
		text, err := read(g.path(), guardMode, syscall.O_NOFOLLOW)
		if err != nil {
			return audit.Head{}, g.unread(err)
		}
		r, err := parseGuard(text)
		if err == nil {
			return r.head, nil
		}
		if bytes.Equal(text, before) {
			return audit.Head{}, g.corrupt(err)
		}
		before = text
	}
}

func (g *guard) corrupt(err error) error {
	return corrupt("load guard state", g.path(), guardHint, err)
}

// unread says why there is nothing to read.
func (g *guard) unread(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &taffrail.Error{
			Op: "load guard state", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: %w", g.path(), audit.ErrNoHead),
			Hint: "if there was a log, bring guard.json back from where it was kept",
		}
	case errors.Is(err, syscall.ELOOP): // what is put in the place of a link leaves the file behind that it pointed to
		return &taffrail.Error{
			Op: "load guard state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s is a link", g.path()), Hint: "link the folder, not the file",
		}
	}
	return err
}

// Swap implements [audit.Guard].
func (g *guard) Swap(ctx context.Context, old, new audit.Head) error {
	if _, err := audit.FormatCheckpoint(new); err != nil {
		return &taffrail.Error{Op: "swap guard state", Kind: taffrail.KindInternal, Err: err}
	}
	err := ctx.Err()
	if err == nil {
		err = acquire(ctx, func() (bool, error) { return g.lock.try(filepath.Join(g.folder, "guard.lock")) })
	}
	if err == nil {
		err = g.swap(old, new)
		g.lock.unlock()
	}
	return failed("swap guard state", err)
}

// swap is called under the lock.
func (g *guard) swap(old, new audit.Head) error {
	f, is, err := g.file.get(g.path(), func() (*os.File, facts, error) { return open(g.path(), guardMode, os.O_RDWR|syscall.O_NOFOLLOW) })
	if err == nil {
		err = ours(g.path(), is.mode, guardMode)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if old != (audit.Head{}) {
			return g.conflict(audit.Head{}, old)
		}
		return g.lay(record{new, 1})
	}
	if err != nil {
		return g.unread(err)
	}
	held, err := g.held(f, is)
	switch {
	case err != nil:
		return err
	case held.head != old:
		return g.conflict(held.head, old)
	case held.sequence == 0 || is.links > 1: // copies by hard links, as some programs make them, would change along with it
		return g.lay(record{new, held.sequence + 1})
	}
	if err := g.settle(f, is.id, held, old == new); err != nil || old == new {
		return err
	}
	return g.put(f, is.id, record{new, held.sequence + 1})
}

func (g *guard) held(f *os.File, is facts) (record, error) {
	text, err := content(f, is)
	if err != nil {
		return record{}, err
	}
	r, err := parseSlots(text, g.known.parse)
	if err != nil {
		return record{}, g.corrupt(err)
	}
	return r, nil
}

func (g *guard) conflict(held, old audit.Head) error {
	return &taffrail.Error{
		Op: "swap guard state", Kind: taffrail.KindConflict,
		Err: fmt.Errorf("%s: size %d is held, not %d: %w", g.path(), held.Size, old.Size, audit.ErrConflict),
	}
}

// lay puts a new file in the place of what is there: none, one of the first version, or one that has other names.
func (g *guard) lay(r record) error {
	text, err := formatGuard(r)
	if err != nil {
		return err
	}
	if err := replace(g.path(), text, g.steps); err != nil {
		return err
	}
	if f, is, err := open(g.path(), guardMode, os.O_RDONLY|syscall.O_NOFOLLOW); err == nil { // if not, it is only written once more
		g.synced = synced{is.id, r}
		_ = f.Close() // nothing was written by it
	}
	return nil
}

// settle makes sure that what is held is durable, before the other slot is touched. Whoever wrote it may not have come to that, or may
// have been told that it failed, after which only what is written again is sure to reach the disk. The same bytes in the same place
// cannot tear. If we stop anywhere here, the slot is as it was.
func (g *guard) settle(f *os.File, file identity, held record, again bool) error {
	if !again && g.synced == (synced{file, held}) {
		return nil
	}
	if err := syncFolder(g.folder, g.steps); err != nil {
		return err
	}
	return g.put(f, file, held)
}

// put writes a record into its slot. If we stop before it is done, the slot is torn or as it was, and the other one is whole and durable. If
// we stop after it, before it is synced, either may be there once the power is back: that is decided by the time it returns nil.
func (g *guard) put(f *os.File, file identity, r record) error {
	text, err := formatSlot(r)
	if err != nil {
		return err
	}
	if err := g.steps.at("write slot"); err != nil {
		return err
	}
	if _, err := f.WriteAt(text, r.place()); err != nil {
		return err
	}
	if err := g.steps.at("sync slot"); err != nil {
		return err
	}
	if err := syncData(f); err != nil {
		return fmt.Errorf("sync %s: %w", g.path(), err)
	}
	g.synced = synced{file, r}
	g.known.add(text, r)
	return nil
}

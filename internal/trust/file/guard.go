package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A guard is an [audit.Guard] in the file guard.json. A lock beside it makes compare and swap one step for all processes
// of the machine; whoever only reads needs no lock, because the file is replaced as a whole.
type guard struct {
	folder string
	steps  steps
}

// guardForm is the file: this object on one line, in this order.
type guardForm struct {
	Version int       `json:"version"`
	Origin  string    `json:"origin"`
	Size    int64     `json:"size"`
	Root    tlog.Hash `json:"root"` // base64
}

const guardVersion = 1

const guardHint = "bring guard.json back from where it was kept; it must never be written by hand"

func (g *guard) path() string { return filepath.Join(g.folder, "guard.json") }

// Load implements [audit.Guard].
func (g *guard) Load(ctx context.Context) (audit.Head, error) {
	h, err := g.load(ctx)
	return h, failed("load guard state", err)
}

func (g *guard) load(ctx context.Context) (audit.Head, error) {
	if err := ctx.Err(); err != nil {
		return audit.Head{}, err
	}
	// What is renamed over a link takes the link's place, and leaves the file it pointed to behind.
	text, err := read(g.path(), 0o022, syscall.O_NOFOLLOW)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return audit.Head{}, &taffrail.Error{
			Op: "load guard state", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: %w", g.path(), audit.ErrNoHead),
			Hint: "if there was a log, bring guard.json back from where it was kept",
		}
	case errors.Is(err, syscall.ELOOP):
		return audit.Head{}, &taffrail.Error{
			Op: "load guard state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s is a link", g.path()), Hint: "link the folder, not the file",
		}
	case err != nil:
		return audit.Head{}, err
	}
	h, err := parseGuard(text)
	if err != nil {
		return audit.Head{}, corrupt("load guard state", g.path(), guardHint, err)
	}
	return h, nil
}

// Swap implements [audit.Guard].
func (g *guard) Swap(ctx context.Context, old, new audit.Head) error {
	text, err := formatGuard(new)
	if err != nil {
		return &taffrail.Error{Op: "swap guard state", Kind: taffrail.KindInternal, Err: err}
	}
	err = locked(ctx, filepath.Join(g.folder, "guard.lock"), func() error {
		held, err := g.load(ctx)
		if err != nil && !errors.Is(err, audit.ErrNoHead) {
			return err
		}
		if held != old {
			return &taffrail.Error{
				Op: "swap guard state", Kind: taffrail.KindConflict,
				Err: fmt.Errorf("%s: size %d is held, not %d: %w", g.path(), held.Size, old.Size, audit.ErrConflict),
			}
		}
		if old == new { // whoever wrote it may not have come to this last step
			return syncFolder(g.folder, g.steps)
		}
		return replace(g.path(), text, g.steps)
	})
	return failed("swap guard state", err)
}

func formatGuard(h audit.Head) ([]byte, error) {
	if _, err := audit.FormatCheckpoint(h); err != nil {
		return nil, fmt.Errorf("guard state: %w", err)
	}
	text, err := json.Marshal(guardForm{Version: guardVersion, Origin: h.Origin, Size: h.Size, Root: h.Root})
	return append(text, '\n'), err
}

// parseGuard is the inverse of formatGuard, and accepts nothing that formatGuard would write otherwise.
func parseGuard(text []byte) (audit.Head, error) {
	var f guardForm
	if err := json.Unmarshal(text, &f); err != nil {
		return audit.Head{}, err
	}
	if f.Version != guardVersion {
		return audit.Head{}, fmt.Errorf("version is %d, want %d", f.Version, guardVersion)
	}
	h := audit.Head{Origin: f.Origin, Size: f.Size, Root: f.Root}
	again, err := formatGuard(h)
	if err != nil {
		return audit.Head{}, err
	}
	if !bytes.Equal(again, text) {
		return audit.Head{}, errors.New("it was not written by this program")
	}
	return h, nil
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// witnessLogs is the file beside a witness's key that names the logs it has cosigned, one on each line.
const witnessLogs = "witness.logs"

// An acquaintance is which logs a witness has cosigned. It is kept with the key, in another folder than what the witness remembers of each:
// a memory that is gone must not be taken for a log that is new, whose history may begin anywhere.
type acquaintance struct {
	path string
	mu   sync.Mutex
}

// knows says whether a log was cosigned before.
func (a *acquaintance) knows(origin string) (bool, error) {
	text, err := os.ReadFile(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, witnessError(a.path, err)
	}
	return slices.Contains(strings.Split(string(text), "\n"), origin), nil
}

// meet takes a log up, durably. A line that a stop has cut short is no log's name, and stays.
func (a *acquaintance) meet(origin string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, err := a.knows(origin); known || err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return witnessError(a.path, err)
	}
	_, err = f.WriteString("\n" + origin + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(a.path))
	}
	if err != nil {
		return witnessError(a.path, err)
	}
	return nil
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// A memory is what a witness cosigned last of one log. It is never empty for a log that the witness is acquainted with.
type memory struct {
	audit.Guard
	origin string
	met    *acquaintance
}

// Load implements [audit.Guard].
func (m *memory) Load(ctx context.Context) (audit.Head, error) {
	head, err := m.Guard.Load(ctx)
	if errors.Is(err, audit.ErrNoHead) {
		known, unread := m.met.knows(m.origin)
		if unread != nil {
			return audit.Head{}, unread
		}
		if !known {
			return audit.Head{}, err
		}
		if head, err = m.Guard.Load(ctx); errors.Is(err, audit.ErrNoHead) { // nobody else has taken it up meanwhile
			return audit.Head{}, m.lost()
		}
	}
	if err != nil {
		return audit.Head{}, err
	}
	return head, m.met.meet(m.origin)
}

// Swap implements [audit.Guard]. If we stop between the two steps, nothing was cosigned yet, and the next request has the log taken up.
func (m *memory) Swap(ctx context.Context, old, new audit.Head) error {
	if err := m.Guard.Swap(ctx, old, new); err != nil {
		return err
	}
	return m.met.meet(m.origin)
}

func (m *memory) lost() error {
	return &taffrail.Error{
		Op: "load what was cosigned last", Kind: taffrail.KindCorrupt,
		Err:  fmt.Errorf("log %s was cosigned, as %s says, and the memory of it is gone", m.origin, m.met.path),
		Hint: "bring the state folder back; if it is lost, begin another witness under another name, with folders of its own: this one can vouch for nothing any more",
	}
}

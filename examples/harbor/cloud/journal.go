package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

const journalFormat = "harbor.journal/1"

// A telling is what is told of a change: a record for the trail, and the truth.
type telling struct {
	Record trail.Record  `json:"record"`
	Truth  []trail.Truth `json:"truth"`
}

// A line is one change of the journal: objects as they are after it, null for
// those that are gone.
type line struct {
	Counters map[string]int64   `json:"counters,omitempty"`
	Objects  map[string]*object `json:"objects"`
	Telling  *telling           `json:"telling,omitempty"`
}

// head is the first line of a journal.
type head struct {
	Format string `json:"format"`
	Number int64  `json:"number"`
}

// A journal is a file of changes beside the cloud's file, FILE.journal. Each
// line is on disk before its change is answered. A line that does not end was not
// answered, and is taken off when the journal is opened.
type journal struct {
	path   string // of the cloud's file
	number int64
	size   int64 // 0: it is not begun
	base   int64 // size of the cloud's file
	last   *telling
}

// small is the size up to which a journal is never written anew.
const small = 1 << 20

func (j *journal) file() string { return j.path + ".journal" }

// openJournal replays the journal that goes with the file, if there is one.
func openJournal(path string, number int64, replay func(line) error) (*journal, error) {
	j := &journal{path: path, number: number}
	if info, err := os.Stat(path); err == nil {
		j.base = info.Size()
	}
	content, err := os.ReadFile(j.file())
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := j.read(content, replay); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", j.file(), err)
	}
	return j, nil
}

func (j *journal) read(content []byte, replay func(line) error) error {
	first, rest, whole := bytes.Cut(content, []byte("\n"))
	if !whole {
		return nil // its beginning did not end: nothing was kept in it
	}
	var h head
	if err := api.Decode(bytes.NewReader(first), &h); err != nil {
		return err
	}
	switch {
	case h.Format != journalFormat:
		return fmt.Errorf("format is %q, want %q", h.Format, journalFormat)
	case h.Number > j.number:
		return fmt.Errorf("it goes with a later file than the one that is there (%d, and the file has %d)", h.Number, j.number)
	case h.Number < j.number:
		return nil // the file has it all
	}
	j.size = int64(len(first)) + 1
	for text := range bytes.Lines(rest) {
		if !bytes.HasSuffix(text, []byte("\n")) {
			return nil // the next line is written over it
		}
		var l line
		if err := api.Decode(bytes.NewReader(text), &l); err != nil {
			return fmt.Errorf("at byte %d: %w", j.size, err)
		}
		if err := replay(l); err != nil {
			return fmt.Errorf("at byte %d: %w", j.size, err)
		}
		if l.Telling != nil {
			j.last = l.Telling
		}
		j.size += int64(len(text))
	}
	return nil
}

// begin makes an empty journal.
func (j *journal) begin(number int64) error {
	content, err := json.Marshal(head{journalFormat, number})
	if err != nil {
		return err
	}
	content = append(content, '\n')
	if err := WriteFileAtomic(j.file(), content); err != nil {
		return err
	}
	j.number, j.size = number, int64(len(content))
	if info, err := os.Stat(j.path); err == nil {
		j.base = info.Size()
	}
	return nil
}

// end removes a journal that the file has all of.
func (j *journal) end() error {
	j.size = 0
	return os.Remove(j.file())
}

// append puts a line on disk. The file is opened anew each time, so that a folder
// that is gone is noticed, and truncated, so that half a line of a write that did
// not work is no part of it.
func (j *journal) append(l line) error {
	content, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if j.size == 0 {
		if err := j.begin(j.number); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(j.file(), os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	content = append(content, '\n')
	err = f.Truncate(j.size)
	if err == nil {
		_, err = f.WriteAt(content, j.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	j.size += int64(len(content))
	return nil
}

// grown tells whether it takes as much room as the file would.
func (j *journal) grown() bool { return j.size > small && j.size > j.base }

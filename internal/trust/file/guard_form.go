package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A record is one state of the guard. Their sequence numbers go up by one, from 1; 0 stands for a file of the first version, which had none.
type record struct {
	head     audit.Head
	sequence int64
}

// slotSize is that of the blocks in which file systems and disks write: what tears in one slot leaves the other alone.
const slotSize = 4096

// guardForm is a line: this object, in this order.
type guardForm struct {
	Version  int       `json:"version"`
	Sequence int64     `json:"sequence,omitempty"` // not in version 1
	Origin   string    `json:"origin"`
	Size     int64     `json:"size"`
	Root     tlog.Hash `json:"root"` // base64
}

const (
	guardVersion      = 2
	firstGuardVersion = 1 // the line alone
)

// place is where in the file the slot of a record begins.
func (r record) place() int64 { return r.sequence % 2 * slotSize }

func (r record) line(version int) ([]byte, error) {
	if _, err := audit.FormatCheckpoint(r.head); err != nil {
		return nil, fmt.Errorf("guard state: %w", err)
	}
	return json.Marshal(guardForm{Version: version, Sequence: r.sequence, Origin: r.head.Origin, Size: r.head.Size, Root: r.head.Root})
}

// formatSlot gives a record's slot: the line, with the sum over what stands before it as the last member, and spaces up to the newline.
func formatSlot(r record) ([]byte, error) {
	line, err := r.line(guardVersion)
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("}"))
	line = fmt.Appendf(line, `,"sum":"%x"}`, sha256.Sum256(line))
	if len(line) >= slotSize {
		return nil, &taffrail.Error{
			Op: "format guard state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("the name of the log has %d bytes, which is too long", len(r.head.Origin)),
			Hint: "begin the log under a shorter name",
		}
	}
	return pad(line), nil
}

// blank is the slot of no line.
var blank = append(bytes.Repeat([]byte{' '}, slotSize-1), '\n')

// pad gives the slot of a line.
func pad(line []byte) []byte {
	slot := bytes.Clone(blank)
	copy(slot, line)
	return slot
}

// formatGuard gives a file that holds a record, and nothing in the other slot.
func formatGuard(r record) ([]byte, error) {
	slot, err := formatSlot(r)
	text := append(pad(nil), pad(nil)...)
	copy(text[r.place():], slot)
	return text, err
}

// parseGuard gives the newest record that a file holds. A slot that holds none is what a stop in the midst of writing leaves; if neither
// holds one, that is no such stop.
func parseGuard(text []byte) (record, error) { return parseSlots(text, parseSlot) }

// parseSlots is parseGuard, with parseSlot or what gives the same.
func parseSlots(text []byte, parse func([]byte) (record, error)) (record, error) {
	if len(text) != 2*slotSize {
		return parseFirst(text)
	}
	even, err0 := parse(text[:slotSize])
	odd, err1 := parse(text[slotSize:])
	switch {
	case err0 != nil && err1 != nil:
		return record{}, fmt.Errorf("neither slot holds a state: %w; %w", err0, err1)
	case err0 == nil && even.sequence%2 != 0 || err1 == nil && odd.sequence%2 != 1:
		return record{}, errors.New("the slots have changed places")
	case err0 != nil:
		return odd, nil
	case err1 != nil:
		return even, nil
	case even.sequence == odd.sequence+1:
		return even, nil
	case odd.sequence == even.sequence+1:
		return odd, nil
	}
	return record{}, fmt.Errorf("states %d and %d do not follow each other", even.sequence, odd.sequence)
}

// parseSlot is the inverse of formatSlot, and accepts nothing that formatSlot would write otherwise.
func parseSlot(text []byte) (record, error) {
	line := bytes.TrimRight(text, " \n")
	at := bytes.LastIndex(line, []byte(`,"sum":"`))
	if at < 0 {
		return record{}, errors.New("it has no sum")
	}
	if sum := sha256.Sum256(line[:at]); string(line[at:]) != `,"sum":"`+hex.EncodeToString(sum[:])+`"}` {
		return record{}, errors.New("its sum is another")
	}
	r, err := parseLine(append(bytes.Clone(line[:at]), '}'), guardVersion)
	if err == nil && r.sequence < 1 {
		err = fmt.Errorf("its sequence number is %d", r.sequence)
	}
	if err != nil {
		return record{}, err
	}
	return r, same(text, r, formatSlot)
}

// formatFirst gives the file of the first version.
func formatFirst(r record) ([]byte, error) {
	line, err := r.line(firstGuardVersion)
	return append(line, '\n'), err
}

// parseFirst is the inverse of formatFirst, and accepts nothing that formatFirst would write otherwise.
func parseFirst(text []byte) (record, error) {
	r, err := parseLine(text, firstGuardVersion)
	if err == nil && r.sequence != 0 {
		err = errors.New("it has a sequence number, and is no slot")
	}
	if err != nil {
		return record{}, err
	}
	return r, same(text, r, formatFirst)
}

// knownSlots are the slots that came last, by their place, and what they hold: whoever swaps again and again meets its own.
type knownSlots [2]struct {
	text   []byte
	record record
}

// parse is parseSlot.
func (k *knownSlots) parse(text []byte) (record, error) {
	for _, one := range k {
		if one.text != nil && bytes.Equal(one.text, text) {
			return one.record, nil
		}
	}
	r, err := parseSlot(text)
	if err == nil {
		k.add(bytes.Clone(text), r)
	}
	return r, err
}

func (k *knownSlots) add(text []byte, r record) {
	one := &k[r.sequence%2]
	one.text, one.record = text, r
}

func parseLine(text []byte, version int) (record, error) {
	var f guardForm
	if err := json.Unmarshal(text, &f); err != nil {
		return record{}, err
	}
	if f.Version != version {
		return record{}, fmt.Errorf("version is %d, want %d", f.Version, version)
	}
	return record{audit.Head{Origin: f.Origin, Size: f.Size, Root: f.Root}, f.Sequence}, nil
}

// same says whether a text is the one that its record is written as.
func same(text []byte, r record, format func(record) ([]byte, error)) error {
	again, err := format(r)
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("it was not written by this program")
	}
	return err
}

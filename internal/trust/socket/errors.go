package socket

import (
	"errors"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// sentinels are the errors that callers tell apart, by the names under which they travel.
var sentinels = map[string]error{
	"no_log": audit.ErrNoLog, "exists": audit.ErrExists, "no_head": audit.ErrNoHead, "conflict": audit.ErrConflict, "missing": audit.ErrMissing,
	"too_large": audit.ErrTooLarge, "no_key": audit.ErrNoKey, "key_range": audit.ErrKeyRange,
	"pruned": audit.ErrPruned,
}

// An errorForm is an error as it travels: what callers look at, and its text.
type errorForm struct {
	Text    string       `json:"text"`
	Is      []string     `json:"is,omitempty"`
	Corrupt *corruptForm `json:"corrupt,omitempty"`
	Kinded  *kindForm    `json:"kinded,omitempty"`
}

type corruptForm struct {
	Part  audit.Part `json:"part"`
	What  string     `json:"what"`
	From  int64      `json:"from"`
	To    int64      `json:"to"`
	Hint  string     `json:"hint,omitempty"`
	Cause string     `json:"cause,omitempty"`
}

// kindForm is the first [taffrail.Error] of a chain.
type kindForm struct {
	Op   string        `json:"op,omitempty"`
	Kind taffrail.Kind `json:"kind"`
	Hint string        `json:"hint,omitempty"`
	Text string        `json:"text"` // of its cause
}

// maxText is as much of an error as travels.
const maxText = 4 << 10

func cut(text string) string {
	if len(text) > maxText {
		return text[:maxText] + "..."
	}
	return text
}

// formOfError gives nil for no error.
func formOfError(err error) *errorForm {
	if err == nil {
		return nil
	}
	f := &errorForm{Text: cut(err.Error())}
	for _, name := range slices.Sorted(maps.Keys(sentinels)) {
		if errors.Is(err, sentinels[name]) {
			f.Is = append(f.Is, name)
		}
	}
	var c *audit.CorruptError
	if errors.As(err, &c) {
		f.Corrupt = &corruptForm{Part: c.Part, What: cut(c.What), From: c.From, To: c.To, Hint: cut(c.Hint)}
		if c.Err != nil {
			f.Corrupt.Cause = cut(c.Err.Error())
		}
	}
	var k *taffrail.Error
	if errors.As(err, &k) {
		f.Kinded = &kindForm{Op: cut(k.Op), Kind: taffrail.KindOf(err), Hint: cut(taffrail.HintOf(err))}
		if k.Err != nil {
			f.Kinded.Text = cut(k.Err.Error())
		}
	}
	return f
}

// err is the inverse, as far as [errors.Is], [errors.As], kind, hint and text go. A name that is not known is passed over: what has the
// text of an error is an error.
func (f *errorForm) err() error {
	if f == nil {
		return nil
	}
	var causes []error
	for _, name := range f.Is {
		if known, ok := sentinels[name]; ok {
			causes = append(causes, known)
		}
	}
	if f.Corrupt != nil {
		causes = append(causes, f.Corrupt.err())
	}
	if f.Kinded != nil {
		inner := &told{f.Kinded.Text, causes}
		causes = []error{&taffrail.Error{Op: f.Kinded.Op, Kind: f.Kinded.Kind, Hint: f.Kinded.Hint, Err: inner}}
	}
	return &told{f.Text, causes}
}

func (f *corruptForm) err() *audit.CorruptError {
	c := &audit.CorruptError{Part: f.Part, What: f.What, From: f.From, To: f.To, Hint: f.Hint}
	if f.Cause != "" {
		c.Err = errors.New(f.Cause)
	}
	return c
}

// told is an error of the other process.
type told struct {
	text   string
	causes []error
}

func (t *told) Error() string { return t.text }

// Unwrap gives what callers look for.
func (t *told) Unwrap() []error { return t.causes }

package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate"
	"github.com/taffrail-dev/taffrail/internal/correlate/whodunit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Cases is a text of cases to be answered, one a line.
type Cases struct {
	Name   string // for error messages: the file
	Text   io.Reader
	Models [][]byte // files of models beside those that are built in
	// Unread is called for each record that could not be decoded, with file, line and why.
	Unread func(line string)
}

// maxCase bounds the length of one case.
const maxCase = 256 << 20

// Attribute implements [Queries].
func (d *Daemon) Attribute(ctx context.Context, cases Cases, emit func(whodunit.Answer) error) error {
	models, err := correlate.LoadModels(cases.Models...)
	if err != nil {
		return &taffrail.Error{Op: "read models", Kind: taffrail.KindInvalid, Err: err, Hint: "each file is JSON like the one that is built in: internal/correlate/models.json"}
	}
	a := &attributing{cases: cases, models: models, readers: d.caseReaders(ctx), emit: emit, records: map[string]correlate.Record{}}
	lines := bufio.NewScanner(cases.Text)
	lines.Buffer(make([]byte, 1<<16), maxCase)
	n := 0
	for lines.Scan() {
		n++
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := a.take(bytes.Clone(lines.Bytes()), fmt.Sprintf("%s:%d", cases.Name, n)); err != nil {
			return errors.Join(a.answerWaiting(), err)
		}
	}
	if err := lines.Err(); err != nil {
		return &taffrail.Error{Op: "read cases", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s:%d: %w", cases.Name, n+1, err), Hint: "a case is one line of at most 256 MiB"}
	}
	return a.answerWaiting()
}

// attributing answers cases. What logs have shown over many cases says how sure the answers to each can be: so the first of them wait until the records
// are made up, which then hold for all that come after. Nothing of a case is kept beyond its answer.
type attributing struct {
	cases   Cases
	models  *correlate.Models
	readers whodunit.Readers
	emit    func(whodunit.Answer) error

	records map[string]correlate.Record // by the sources of a case
	waiting []waitingCase
	size    int // of them, in bytes
	made    bool
}

// A waitingCase is one that was read, and where it stands.
type waitingCase struct {
	line  []byte
	where string
}

// maxWaiting bounds the cases that wait, in bytes: many thousands of most.
const maxWaiting = 64 << 20

// take answers a case, or has it wait.
func (a *attributing) take(line []byte, where string) error {
	c, err := a.parse(line, where)
	if err != nil {
		return err
	}
	for _, why := range c.Unread {
		a.cases.Unread(where + ": " + why)
	}
	if a.made {
		return a.answer(c)
	}
	logs := strings.Join(c.Sources, "\n")
	r := a.records[logs]
	r.Add(correlate.Attribute(c.Question, a.models))
	a.records[logs] = r
	a.waiting, a.size = append(a.waiting, waitingCase{line, where}), a.size+len(line)
	if a.size < maxWaiting {
		return nil
	}
	return a.answerWaiting()
}

func (a *attributing) parse(line []byte, where string) (whodunit.Case, error) {
	c, err := whodunit.Parse(line, a.readers)
	if err != nil {
		err = &taffrail.Error{Op: "read cases", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: %w", where, err),
			Hint: "a case is one JSON object on one line, in the format " + whodunit.Format + ": see docs/reference/whodunit.md"}
	}
	return c, err
}

// answerWaiting answers those that wait, in their order.
func (a *attributing) answerWaiting() error {
	waiting := a.waiting
	a.made, a.waiting = true, nil
	for _, w := range waiting {
		c, err := a.parse(w.line, w.where)
		if err != nil {
			return err
		}
		if err := a.answer(c); err != nil {
			return err
		}
	}
	return nil
}

func (a *attributing) answer(c whodunit.Case) error {
	c.Question.Record = a.records[strings.Join(c.Sources, "\n")]
	for _, cause := range correlate.Attribute(c.Question, a.models) {
		if err := a.emit(whodunit.AnswerOf(c.ID, cause)); err != nil {
			return err
		}
	}
	return nil
}

// caseReaders gives decoders that are opened when they are first needed, and a key for this run alone: what is sealed with it is compared and
// never kept.
func (d *Daemon) caseReaders(ctx context.Context) whodunit.Readers {
	sealer := newPassingSealer()
	env := plug.Env{Logger: d.options.Logger, Now: d.options.Now, Sealer: sealer}
	opened := map[string]taffrail.Decoder{}
	return whodunit.Readers{Sealer: sealer, Decode: func(source string, record []byte) (taffrail.Event, error) {
		decoder, ok := opened[source]
		if !ok {
			var err error
			if decoder, err = plug.Open[taffrail.Decoder](ctx, d.options.Plugins, source, env, plug.Settings{}); err != nil {
				return taffrail.Event{}, fmt.Errorf("%w: %w; %s", whodunit.ErrUnknownSource, err, taffrail.HintOf(err))
			}
			opened[source] = decoder
		}
		return decoder.Decode(record)
	}}
}

// A passingSealer seals with a key that is gone with the process.
type passingSealer struct {
	key [32]byte
	id  string
}

func newPassingSealer() *passingSealer {
	s := &passingSealer{}
	_, _ = rand.Read(s.key[:]) // never fails
	sum := sha256.Sum256(s.key[:])
	s.id = fmt.Sprintf("%x", sum[:4])
	return s
}

// Seal implements [taffrail.Sealer].
func (s *passingSealer) Seal(v taffrail.Value) taffrail.Value {
	if v.IsNull() || v.IsUnknown() || v.Shape() == taffrail.ShapeSecret {
		return v
	}
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write(taffrail.SealInput(v))
	return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:%s:%x", s.id, mac.Sum(nil))))
}

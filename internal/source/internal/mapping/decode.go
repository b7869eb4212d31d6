package mapping

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// Decode implements [taffrail.Decoder]. What was delivered is rewritten as it would be kept before anything is read in it, so that it says the
// same as what was kept.
func (d *Decoder) Decode(record []byte) (taffrail.Event, error) {
	kept, err := d.rules.Rewrite(nil, record, sealing.Either)
	if err != nil {
		return taffrail.Event{}, d.refused(err)
	}
	e, err := d.event(kept)
	if err != nil {
		return taffrail.Event{}, d.refused(err)
	}
	e.Digest = sha256.Sum256(record)
	return e, nil
}

// Keep implements [taffrail.Keeper].
func (d *Decoder) Keep(record []byte) (taffrail.Kept, error) {
	kept, err := d.rules.Rewrite(nil, record, sealing.Delivered)
	if err != nil {
		return taffrail.Kept{}, d.refused(err)
	}
	e, err := d.event(kept)
	if err != nil {
		return taffrail.Kept{}, d.refused(err)
	}
	return taffrail.Kept{Record: kept, Digest: sha256.Sum256(record), EventHead: taffrail.HeadOf(e)}, nil
}

func (d *Decoder) refused(err error) error {
	return &taffrail.Error{Op: "decode " + d.source + " record", Kind: taffrail.KindInvalid, Err: err, Hint: d.hint}
}

// event reads a record without secrets.
func (d *Decoder) event(kept []byte) (taffrail.Event, error) {
	plain, err := taffrail.FromJSON(kept)
	if err != nil {
		return taffrail.Event{}, errors.New("it cannot be read as JSON of a sane depth and size")
	}
	document := opened(plain, 0)
	if document.Shape() != taffrail.ShapeObject {
		return taffrail.Event{}, errors.New("it is no JSON object")
	}
	at, err := d.timeOf(document)
	if err != nil {
		return taffrail.Event{}, err
	}
	e := taffrail.Event{
		ID: d.idOf(document), Source: d.source, Time: at, Action: d.action.one(document), Actor: d.actor(document), Error: d.failureOf(document),
		Refs: d.refsOf(document), Request: d.before.without(document), Response: d.response.value(document),
		Account: d.account.one(document), Region: d.region.one(document), Address: d.address.one(document), UserAgent: d.userAgent.one(document),
	}
	if e.Action == "" {
		return taffrail.Event{}, fmt.Errorf("there is no action at %s", d.config.Action)
	}
	if d.request != nil {
		e.Request = d.request.value(document)
	}
	e.Read = isTrue(d.read.value(document)) || slices.ContainsFunc(d.config.ReadActions, func(p string) bool { ok, _ := path.Match(p, e.Action); return ok })
	if after := d.after.value(document); after.Shape() == taffrail.ShapeObject && e.Changes() {
		e.State = &taffrail.Snapshot{Object: after, Partial: true} // nobody says that it is the whole
	}
	return e, nil
}

// maxDocument bounds how deep documents in documents are followed.
const maxDocument = 40

// opened gives a value with its secrets as such, and with texts that are JSON documents opened.
func opened(v taffrail.Value, depth int) taffrail.Value {
	switch v.Shape() {
	case taffrail.ShapeString:
		return openedText(v, depth)
	case taffrail.ShapeList:
		elems := make([]taffrail.Value, 0, v.Len())
		for e := range v.Elems() {
			elems = append(elems, opened(e, depth))
		}
		return taffrail.List(elems...)
	case taffrail.ShapeObject:
		fields := make(map[string]taffrail.Value, v.Len())
		for name, field := range v.Fields() {
			fields[name] = opened(field, depth)
		}
		return taffrail.Object(fields)
	}
	return v
}

func openedText(v taffrail.Value, depth int) taffrail.Value {
	if secret, ok := taffrail.ParseSealedText(v.Text()); ok {
		return secret
	}
	if depth == maxDocument {
		return v
	}
	if text, ok := sealing.Document([]byte(v.Text())); ok {
		if document, err := taffrail.FromJSON(text); err == nil {
			return opened(document, depth+1)
		}
	}
	return v
}

// idOf is the id in the record, or the digest of what it says: of that without secrets, so that it is the same for what is kept, and without the
// time at which it came, so that it is the same when it comes again.
func (d *Decoder) idOf(document taffrail.Value) taffrail.EventID {
	if id := d.id.one(document); id != "" {
		return taffrail.EventID(id)
	}
	return taffrail.EventID(fmt.Sprintf("sha256:%x", sha256.Sum256(cut(document, received).AppendCanonical(nil))))
}

func (d *Decoder) timeOf(document taffrail.Value) (time.Time, error) {
	for _, c := range d.time {
		for _, v := range (selector{c}).values(document) {
			if at, ok := parseTime(textOf(v)); ok {
				return at, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("there is no time at %s", d.config.Time)
}

// epochs are the units of numbers of ten digits and more, by how large the numbers of this century are in them.
var epochs = []struct {
	below int64
	unit  time.Duration
}{{1e11, time.Second}, {1e14, time.Millisecond}, {1e17, time.Microsecond}, {1<<63 - 1, time.Nanosecond}}

// parseTime reads a time of RFC 3339, or a number, which may have a fraction.
func parseTime(text string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC(), at.Year() > 0
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, false
	}
	unit := epochs[slices.IndexFunc(epochs, func(e struct {
		below int64
		unit  time.Duration
	}) bool {
		return n <= e.below
	})].unit
	perSecond := int64(time.Second / unit)
	at := time.Unix(n/perSecond, n%perSecond*int64(unit))
	if fraction != "" && unit == time.Second {
		nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil || nanos < 0 {
			return time.Time{}, false
		}
		at = at.Add(time.Duration(nanos))
	}
	return at.UTC(), true
}

// maxRefs bounds the names in one event.
const maxRefs = 1000

func (d *Decoder) refsOf(document taffrail.Value) (refs []string) {
	for _, s := range d.refs {
		for _, v := range s.values(document) {
			if text := textOf(v); text != "" && len(refs) < maxRefs && !slices.Contains(refs, text) {
				refs = append(refs, text)
			}
		}
	}
	return refs
}

// failureOf is why it failed.
func (d *Decoder) failureOf(document taffrail.Value) string {
	v := d.failure.value(document)
	text := textOf(v)
	if slices.ContainsFunc(d.config.Succeeded, func(good string) bool { return strings.EqualFold(good, text) }) {
		return ""
	}
	switch v.Shape() {
	case taffrail.ShapeUnknown, taffrail.ShapeNull:
		return ""
	case taffrail.ShapeBool:
		if !v.Truth() {
			return ""
		}
		return "failed"
	case taffrail.ShapeNumber:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < 400 {
			return ""
		}
		return "status " + text
	case taffrail.ShapeString:
		return text
	}
	if v.Len() == 0 && v.Shape() != taffrail.ShapeSecret {
		return ""
	}
	return "failed"
}

func isTrue(v taffrail.Value) bool { return v.Truth() || strings.EqualFold(v.Text(), "true") }

func (d *Decoder) actor(document taffrail.Value) taffrail.Actor {
	a := taffrail.Actor{ID: d.actorID.one(document), Name: d.actorName.one(document), Key: d.actorKey.one(document), Chain: []taffrail.Link{}}
	if a.ID == "" {
		a.ID = "unknown"
	}
	if a.Name == "" {
		a.Name = a.ID
	}
	said := d.actorClass.one(document)
	a.Class = taffrail.ActorClass(said)
	if mapped, ok := d.config.Actor.Classes[said]; ok {
		a.Class = mapped
	}
	a.Features = []string{"the mapping says so"}
	if a.Class == "" || !slices.Contains(taffrail.ActorClasses(), a.Class) {
		a.Class, a.Features = taffrail.ActorUnknown, []string{"nothing in the record says"}
	}
	return a
}

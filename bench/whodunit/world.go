package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

func bytesOf(v any) io.Reader { return bytes.NewReader([]byte(text(v))) }

func sortedKeys(v m) []string { return slices.Sorted(maps.Keys(v)) }

// A story records what happens to one resource: each call is made, and the resource is read again after it, so that the truth is what the API
// did and not what anyone thinks that it does.
type story struct {
	r       *rand.Rand
	now     time.Time
	n       int
	prefix  string
	records []m
	writers map[string]writer // path -> who wrote it last, with effect
	state   map[string]string
}

type writer struct {
	event, actor string
	person       bool
}

// dial is how bad the log of a corpus is.
type dial struct {
	missing, failed, redacted, tied float64
	calm                            float64 // the share of calls without effect that nobody makes
	late, skewed                    bool
}

// mark tells states of the log apart in the names of cases.
func (d dial) mark() string {
	switch {
	case d.calm > 0:
		return "-calm"
	case d.redacted > 0:
		return "-dim"
	}
	return ""
}

// tellAWS makes one case of a kind.
func tellAWS(ctx context.Context, e *emulator, k kind, seed int, d dial) (item, error) {
	r := rand.New(rand.NewPCG(uint64(seed), uint64(len(k.name))*7919+uint64(k.name[4])))
	s := &subject{e: e, name: fmt.Sprintf("w%d%s", seed, shortKind(k.name)), more: map[string]string{}}
	if err := k.create(ctx, s); err != nil {
		return item{}, err
	}
	tale := &story{r: r, now: time.Date(2026, 1, 1, r.IntN(24), r.IntN(60), 0, 0, time.UTC), prefix: fmt.Sprintf("e-%s-%d-", shortKind(k.name), seed), writers: map[string]writer{}}
	for range r.IntN(4) { // what happened before the first reading is the business of none
		if _, err := e.do(ctx, pick(r, k.calls...)(r, s)); err != nil {
			continue
		}
	}
	before, err := k.read(ctx, s)
	if err != nil {
		return item{}, err
	}
	before = exact(before)
	tale.state = flat(before, k.sets)
	first := maps.Clone(tale.state)
	start := tale.now
	tale.now = tale.now.Add(time.Duration(1+r.IntN(60)) * time.Second)
	after := before
	for range 1 + r.IntN(12) {
		if after, err = tale.act(ctx, e, k, s, d, after); err != nil {
			return item{}, err
		}
	}
	c := whodunitCase{Format: "taffrail.whodunit/1", ID: fmt.Sprintf("aws-%s-%d-%02.0f%s", k.name, seed, d.missing*100, d.mark()), Window: window{start, tale.now}, Now: tale.now.Add(time.Hour)}
	res := resource{Address: k.name + ".it", Type: k.name, IDs: s.ids, Before: before, After: exact(after), Sets: k.sets}
	if res.Sets == nil {
		res.Sets = []string{}
	}
	c.Resources = []resource{res}
	kept, present := tale.lose(d)
	c.Events = []events{{"cloudtrail", kept}}
	it := item{c: c, corpus: "aws", seed: seed, missing: d.missing}
	for _, key := range changed(first, tale.state) {
		it.labels = append(it.labels, tale.label(c.ID, res.Address, key, k.name, present))
	}
	return it, nil
}

// shortKind is a type's name as a part of a name that every API takes.
func shortKind(name string) string {
	return strings.ReplaceAll(strings.TrimPrefix(name, "aws_"), "_", "")
}

func (t *story) label(id, address, key, kind string, present map[string]bool) label {
	w := t.writers[key]
	l := labelOf(id, address, key)
	l.Event, l.Actor, l.Person, l.Kind = w.event, w.actor, w.person, kind
	l.Present = present[w.event]
	return l
}

// act makes one call, at times one that is refused, and notes who changed what.
func (t *story) act(ctx context.Context, e *emulator, k kind, s *subject, d dial, was m) (m, error) {
	c, h := pick(t.r, k.calls...)(t.r, s), pick(t.r, hands()...)
	t.n++
	id := fmt.Sprintf("%s%03d", t.prefix, t.r.IntN(1000)*100+t.n)
	if t.r.Float64() >= d.tied {
		t.now = t.now.Add(time.Duration(1+t.r.IntN(120)) * time.Second)
	}
	if t.r.Float64() < d.failed {
		t.records = append(t.records, record(c, h, id, t.now, "AccessDenied", nil))
		return was, nil
	}
	answer, err := e.do(ctx, c)
	if err != nil {
		t.records = append(t.records, record(c, h, id, t.now, "InvalidRequest", nil))
		return was, nil //nolint:nilerr // a refusal is a part of the story
	}
	told := record(c, h, id, t.now, "", answer)
	if t.r.Float64() < d.redacted {
		told["requestParameters"] = nil
		for _, id := range s.ids {
			if strings.HasPrefix(id, "arn:") {
				told["resources"] = l{m{"ARN": id, "accountId": account}}
			}
		}
	}
	now, err := k.read(ctx, s)
	if err != nil {
		return nil, err
	}
	if vain := !t.note(flat(exact(now), k.sets), writer{id, h.id, h.person}); vain && d.calm > 0 && t.r.Float64() < d.calm {
		return now, nil // it left nothing behind
	}
	t.records = append(t.records, told)
	return now, nil
}

// note says whether anything has changed.
func (t *story) note(now map[string]string, w writer) bool {
	keys := changed(t.state, now)
	for _, key := range keys {
		t.writers[key] = w
	}
	t.state = now
	return len(keys) > 0
}

// lose drops events, and shuffles what is left a little, as delivery does.
func (t *story) lose(d dial) (kept []m, present map[string]bool) {
	present = map[string]bool{}
	kept = []m{}
	for _, r := range t.records {
		if t.r.Float64() >= d.missing {
			kept = append(kept, r)
			present[str(r["eventID"])] = true
		}
	}
	for i := 1; i < len(kept); i++ {
		if t.r.Float64() < 0.22 {
			kept[i-1], kept[i] = kept[i], kept[i-1]
		}
	}
	return kept, present
}

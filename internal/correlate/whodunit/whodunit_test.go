package whodunit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate"
)

// A plainSealer marks what it has sealed.
type plainSealer struct{}

func (plainSealer) Seal(v taffrail.Value) taffrail.Value {
	if v.IsNull() || v.IsUnknown() {
		return v
	}
	return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:00000000:%064d", len(taffrail.SealInput(v)))))
}

var readers = Readers{Sealer: plainSealer{}, Decode: func(source string, record []byte) (taffrail.Event, error) {
	var r struct{ ID string }
	if source != "test" {
		return taffrail.Event{}, fmt.Errorf("%q: %w", source, ErrUnknownSource)
	}
	if err := json.Unmarshal(record, &r); err != nil || r.ID == "" {
		return taffrail.Event{}, errors.New("no id")
	}
	return taffrail.Event{ID: taffrail.EventID(r.ID), Source: source}, nil
}}

// caseOf is a case with one resource.
func caseOf(resource, more string) []byte {
	return []byte(`{"format":"taffrail.whodunit/1","id":"c","window":{"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:10:00Z"},"resources":[` + resource + `]` + more + `}`)
}

// changesOf are the changes of a resource: path, element, word.
func changesOf(t *testing.T, resource string) (got []string) {
	t.Helper()
	c, err := Parse(caseOf(resource, ""), readers)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range c.Question.Resources[0].Changes {
		a := AnswerOf("c", taffrail.Cause{Change: change})
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Path, a.Change, a.Element)))
	}
	return got
}

func TestChanges(t *testing.T) {
	for _, tc := range []struct {
		name, resource string
		want           []string
	}{
		{"attributes", `{"before":{"a":1,"b":"x","c":true},"after":{"a":2,"b":"x","c":false}}`, []string{"a changed", "c changed"}},
		{"numbers as they mean", `{"before":{"a":1},"after":{"a":1.0}}`, nil},
		{"keys of a map", `{"before":{"tags":{"a":"1","b":"2"}},"after":{"tags":{"a":"1","c":"3"}}}`, []string{"tags.b changed", "tags.c changed"}},
		{"nothing and an empty map", `{"before":{"tags":{}},"after":{"tags":null}}`, nil},
		{"a map where there was none", `{"before":{},"after":{"tags":{"a":"1"}}}`, []string{"tags.a changed"}},
		{"a set that is said to be one", `{"sets":["x"],"before":{"x":["a","b"]},"after":{"x":["b","c"]}}`, []string{`x removed "a"`, `x added "c"`}},
		{"a set in another order", `{"sets":["x"],"before":{"x":["a","b"]},"after":{"x":["b","a"]}}`, nil},
		{"lists of objects where nothing is said", `{"before":{"x":[{"p":1}]},"after":{"x":[{"p":2}]}}`, []string{`x removed {"p":1}`, `x added {"p":2}`}},
		{"lists of objects that are no sets", `{"sets":[],"before":{"x":[{"p":1}]},"after":{"x":[{"p":2}]}}`, []string{"x.0.p changed"}},
		{"elements whose lists are in another order", `{"before":{"x":[{"p":[1,2]}]},"after":{"x":[{"p":[2,1]}]}}`, nil},
		{"a list in another order", `{"sets":[],"before":{"x":[1,2]},"after":{"x":[2,1]}}`, []string{"x.0 changed", "x.1 changed"}},
		{"a list of another length", `{"sets":[],"before":{"x":[1,2]},"after":{"x":[1]}}`, []string{"x changed"}},
		{"a document written in another way", `{"before":{"p":"{\"a\":1,\"b\":2}"},"after":{"p":"{ \"b\":2, \"a\":1 }"}}`, nil},
		{"deleted", `{"before":{"a":1},"after":null}`, []string{"deleted"}},
		{"a list of Kubernetes that merges", `{"before":{"kind":"D","metadata":{"resourceVersion":"1"},"spec":{"containers":[{"name":"c","env":[{"name":"LOG","value":"a"}]}]}},"after":{"kind":"D","metadata":{"resourceVersion":"2"},"spec":{"containers":[{"name":"c","env":[{"name":"LOG","value":"b"}]}]}}}`, []string{"spec.containers[name=c].env[name=LOG].value changed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, changesOf(t, tc.resource)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSensitiveValuesAreSealed(t *testing.T) {
	c, err := Parse(caseOf(`{"sensitive":["db.0.password"],"before":{"db":[{"password":"hunter2","name":"x"}]},"after":{"db":[{"password":"hunter22","name":"x"}]}}`, ""), readers)
	if err != nil {
		t.Fatal(err)
	}
	secret := `{"before":{"kind":"Secret","metadata":{},"data":{"p":"aHVudGVyMg=="}},"after":{"kind":"Secret","metadata":{},"data":{"p":"aHVudGVyMjIyMjI="}}}`
	d, err := Parse(caseOf(secret, ""), readers)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []correlate.Question{c.Question, d.Question} {
		for _, change := range q.Resources[0].Changes {
			text, _ := json.Marshal(AnswerOf("c", taffrail.Cause{Change: change}))
			if strings.Contains(string(text), "hunter") || strings.Contains(string(text), "aHVudGVy") || strings.Contains(fmt.Sprint(q.Resources[0]), "hunter2") {
				t.Errorf("the secret comes out: %s", text)
			}
		}
	}
	if len(c.Question.Resources[0].Changes) == 0 || len(d.Question.Resources[0].Changes) == 0 {
		t.Error("a change of a secret is not seen")
	}
}

// A record that cannot be read is told, is no stop, and counts as a gap.
func TestUnreadRecords(t *testing.T) {
	c, err := Parse(caseOf(`{"before":{},"after":{}}`, `,"events":[{"source":"test","records":[{"id":"1"},{},{"id":"2"}]}]`), readers)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Question.Events) != 2 || len(c.Unread) != 1 || !strings.Contains(c.Unread[0], "record 1 of test") {
		t.Errorf("%d events, unread %q", len(c.Question.Events), c.Unread)
	}
	if len(c.Question.Health) != 1 || len(c.Question.Health[0].Gaps) != 1 {
		t.Errorf("no gap: %+v", c.Question.Health)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"no JSON": "{", "another format": `{"format":"taffrail.whodunit/2","id":"c"}`, "no id": `{"format":"taffrail.whodunit/1"}`, "no window": `{"format":"taffrail.whodunit/1","id":"c"}`,
		"a window that ends first":  `{"format":"taffrail.whodunit/1","id":"c","window":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}}`,
		"a resource that is a list": string(caseOf(`{"before":[],"after":{}}`, "")), "a source that is not known": string(caseOf(`{"before":{},"after":{}}`, `,"events":[{"source":"smoke","records":[{}]}]`)),
	} {
		if _, err := Parse([]byte(line), readers); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStampsAndHealth(t *testing.T) {
	c, err := Parse(caseOf(`{"before":{"metadata":{"resourceVersion":"7","generation":2}},"after":{"metadata":{"resourceVersion":"9","generation":3}}}`,
		`,"log_health":[{"source":"test","complete_until":"2026-01-01T00:05:00Z","gaps":[{"start":"2026-01-01T00:01:00Z","end":"2026-01-01T00:02:00Z"}]}]`), readers)
	if err != nil {
		t.Fatal(err)
	}
	s, h := c.Question.Resources[0], c.Question.Health[0]
	if s.BeforeStamp != (taffrail.Stamp{Version: 7, Generation: 2}) || s.AfterStamp.Version != 9 || h.CompleteUntil.Minute() != 5 || len(h.Gaps) != 1 {
		t.Errorf("%+v %+v", s, h)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(caseOf(`{"ids":["a"],"sets":["x"],"before":{"x":[{"a":[1]}],"kind":"K","metadata":{}},"after":{"x":null}}`, `,"events":[{"source":"test","records":[{"id":"1"}]}]`))
	f.Add(caseOf(`{"before":{"kind":"K","metadata":{},"env":[{"name":"a"},{"name":"b"}]},"after":{"kind":"K","metadata":{},"env":[{"name":"b"},{"name":"b"}]}}`, ""))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := Parse(line, readers)
		if err != nil {
			return
		}
		for _, r := range c.Question.Resources {
			for _, change := range r.Changes {
				if _, err := json.Marshal(AnswerOf(c.ID, taffrail.Cause{Change: change})); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

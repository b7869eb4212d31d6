package chaos

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// notes are trail and truth in memory.
type notes struct {
	records []trail.Record
	lines   []trail.Truth
}

func (n *notes) Append(r trail.Record, _ bool) error { n.records = append(n.records, r); return nil }
func (n *notes) LastChange() string                  { return "" }
func (n *notes) Count() uint64                       { return 0 }
func (n *notes) Flush() error                        { return nil }

type truth struct{ *notes }

func (t truth) Append(lines []trail.Truth) error { t.lines = append(t.lines, lines...); return nil }
func (t truth) Last() string                     { return "" }

// play has a cloud of made-up objects, and chaos in it.
func play(t *testing.T, seed uint64) (before, after []api.Object, n *notes, tally Tally) {
	t.Helper()
	n = &notes{}
	d := identity.Practice()
	c, err := cloud.Open(cloud.Options{Clock: cloud.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Second), Seed: "chaos", Directory: &d, Trail: n, Truth: truth{n}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	t.Cleanup(func() { srv.Close(); _ = c.Close() })
	if err := c.Populate(100); err != nil {
		t.Fatal(err)
	}
	plain, err := client.New(srv.URL, client.Options{Operator: true})
	if err != nil {
		t.Fatal(err)
	}
	list := func() []api.Object {
		key, err := plain.Login(t.Context(), "user:dana")
		if err != nil {
			t.Fatal(err)
		}
		all, err := plain.As(key).List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before = list()
	if tally, err = Act(t.Context(), plain, Options{Seed: seed, Count: 150, Clock: true}); err != nil {
		t.Fatal(err)
	}
	return before, list(), n, tally
}

// What the truth log says, carried out on what there was, is what there is: it tells every change, and no other.
func TestTheTruthIsWhole(t *testing.T) {
	before, after, n, tally := play(t, 1)
	if tally.Done < 40 || tally.Refused < 10 || tally.InVain < 10 {
		t.Errorf("%+v", tally)
	}
	things := map[string]map[string]any{}
	for _, o := range before {
		things[o.ID] = o.Attributes
	}
	failed := map[string]bool{}
	for _, r := range n.records {
		failed[r.EventID] = r.ErrorCode != "" || r.ReadOnly
	}
	for _, line := range n.lines {
		if failed[line.Event] {
			t.Errorf("what was refused, or only reads, changed something: %+v", line)
		}
		if things[line.ID] != nil {
			carryOut(t, things[line.ID], line)
		}
	}
	for _, o := range after {
		if diff := cmp.Diff(alike(o.Attributes), alike(things[o.ID])); diff != "" {
			t.Errorf("%s %s (-cloud +truth):\n%s", o.Type, o.ID, diff)
		}
	}
}

// carryOut makes the change of a line.
func carryOut(t *testing.T, attributes map[string]any, line trail.Truth) {
	t.Helper()
	path := strings.SplitN(line.Path, ".", 2)
	if line.Element != nil {
		list, _ := attributes[path[0]].([]any)
		if line.After == nil {
			had := len(list)
			list = slices.DeleteFunc(list, func(e any) bool { return api.Equal(e, line.Element) })
			if len(list) != had-1 {
				t.Errorf("%+v: it was not there", line)
			}
		} else {
			list = append(list, line.Element)
		}
		put(attributes, path[0], list, len(list) == 0)
		return
	}
	into := attributes
	if len(path) == 2 {
		inner, _ := attributes[path[0]].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		attributes[path[0]], into = inner, inner
		defer func() {
			if len(inner) == 0 {
				delete(attributes, path[0])
			}
		}()
	}
	if !strings.HasPrefix(fmt.Sprint(line.After), "secret ") && !api.Equal(into[path[len(path)-1]], line.Before) {
		t.Errorf("%+v: it was %v before", line, into[path[len(path)-1]])
	}
	put(into, path[len(path)-1], line.After, line.After == nil)
}

func put(into map[string]any, name string, v any, gone bool) {
	if gone {
		delete(into, name)
		return
	}
	into[name] = v
}

// alike leaves out secrets and what moves by itself, and puts sets into one order.
func alike(attributes map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range attributes {
		if list, ok := v.([]any); ok {
			v = slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(encoded(a), encoded(b)) })
		}
		if !slices.Contains([]string{"password", "password_set", "etag", "updated_at"}, name) {
			out[name] = v
		}
	}
	return out
}

func encoded(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// One seed makes one history, and another seed another.
func TestOneSeedMakesOneChaos(t *testing.T) {
	_, _, first, _ := play(t, 1)
	_, _, second, _ := play(t, 1)
	_, _, other, _ := play(t, 2)
	if diff := cmp.Diff(encoded(first.lines), encoded(second.lines)); diff != "" {
		t.Errorf("two of one seed differ:\n%s", diff)
	}
	if len(first.records) != len(second.records) || encoded(first.lines) == encoded(other.lines) {
		t.Error("two seeds make one chaos")
	}
}

// Everything that chaos sets is an attribute that some action is about.
func TestValuesAreOfActions(t *testing.T) {
	for kind, all := range values {
		for name, some := range all {
			if !slices.ContainsFunc(action.Kinds[kind].Actions, func(a action.Action) bool { return slices.Contains(a.Attributes, name) }) || len(some) < 2 {
				t.Errorf("%s.%s is of no action, or has one value", kind, name)
			}
		}
	}
	for kind := range action.Kinds {
		if len(values[kind]) == 0 {
			t.Errorf("nothing is ever done to a %s", kind)
		}
	}
}

func TestActSaysWhatIsWrong(t *testing.T) {
	c, err := cloud.Open(cloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	t.Cleanup(func() { srv.Close(); _ = c.Close() })
	plain, err := client.New(srv.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Act(t.Context(), plain, Options{Count: 1}); err == nil || !strings.Contains(err.Error(), "--principals") {
		t.Errorf("a cloud that knows nobody: %v", err)
	}
}

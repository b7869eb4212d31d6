package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
)

type fields = map[string]taffrail.Value

var (
	object = taffrail.Object
	text   = taffrail.String
	null   = taffrail.Null()
)

func secret(kid, digest string) taffrail.Value {
	return taffrail.Secret(taffrail.SecretDigest("hmac:" + strings.Repeat(kid, 8) + ":" + strings.Repeat(digest, 64)))
}

func handle(t *testing.T, path string, how taffrail.Treatment) taffrail.Handling {
	t.Helper()
	p, err := taffrail.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return taffrail.Handling{Path: p, Treatment: how, Why: "because"}
}

// lines renders changes for comparison: class, path, before, after.
func lines(changes []taffrail.Change) []string {
	all := []string{}
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s %s: %s -> %s", c.Class, c.Path, c.Before.AppendCanonical(nil), c.After.AppendCanonical(nil)))
	}
	return all
}

func TestDiff(t *testing.T) {
	rule := func(port int64, note string) taffrail.Value {
		return object(fields{"port": taffrail.Int(port), "note": text(note)})
	}
	for _, tc := range []struct {
		name          string
		before, after taffrail.Value
		handling      []taffrail.Handling
		want          []string
	}{
		{"the same", object(fields{"a": text("x")}), object(fields{"a": text("x")}), nil, []string{}},
		{"an attribute", object(fields{"a": text("x")}), object(fields{"a": text("y")}), nil, []string{`drift a: "x" -> "y"`}},
		{"null, empty and unset are three", object(fields{"a": null, "b": text("")}), object(fields{"a": text(""), "b": null}), nil,
			[]string{`drift a: null -> ""`, `drift b: "" -> null`}},
		{"unless the type cannot tell them apart", object(fields{"a": null, "b": text(""), "c": taffrail.List()}), object(fields{"a": text(""), "b": taffrail.Bool(false), "c": null}),
			[]taffrail.Handling{{Treatment: taffrail.EmptyIsNull}}, []string{`equivalent a: null -> ""`, `equivalent b: "" -> false`, `equivalent c: [] -> null`}},
		{"but a key or an element that came or went", object(fields{"m": taffrail.Map(fields{"a": text("b")}), "s": taffrail.Set(taffrail.Int(1))}),
			object(fields{"m": taffrail.Map(fields{"a": text("b"), "owner": text("")}), "s": taffrail.Set(taffrail.Int(1), taffrail.Int(0))}),
			[]taffrail.Handling{{Treatment: taffrail.EmptyIsNull}}, []string{`drift m["owner"]: null -> ""`, `drift s{{"num":"0"}}: null -> {"num":"0"}`}},
		{"which hides no real change", object(fields{"a": null}), object(fields{"a": text("x")}), []taffrail.Handling{{Treatment: taffrail.EmptyIsNull}}, []string{`drift a: null -> "x"`}},
		{"a number and its text", object(fields{"a": taffrail.Int(1)}), object(fields{"a": text("1")}), nil, []string{`drift a: {"num":"1"} -> "1"`}},
		{"keys of a map", object(fields{"m": taffrail.Map(fields{"x": text("1"), "gone": text("2")})}), object(fields{"m": taffrail.Map(fields{"x": text("3"), "new": text("4")})}), nil,
			[]string{`drift m["gone"]: "2" -> null`, `drift m["new"]: null -> "4"`, `drift m["x"]: "1" -> "3"`}},
		{"a key without value is not an absent key", taffrail.Map(fields{"x": null}), taffrail.Map(fields{}), nil, []string{`drift : {"map":{"x":null}} -> {"map":{}}`}},
		{"a list counts its order", taffrail.List(text("a"), text("b")), taffrail.List(text("b"), text("a")), nil, []string{`drift [0]: "a" -> "b"`, `drift [1]: "b" -> "a"`}},
		{"a list that grew", taffrail.List(text("a")), taffrail.List(text("z"), text("a")), nil, []string{`drift : ["a"] -> ["z","a"]`}},
		{"a set tells what it lost and gained", object(fields{"s": taffrail.Set(rule(22, ""), rule(443, ""))}), object(fields{"s": taffrail.Set(rule(443, ""), rule(80, ""))}), nil,
			[]string{`drift s{{"obj":{"note":"","port":{"num":"22"}}}}: {"obj":{"note":"","port":{"num":"22"}}} -> null`,
				`drift s{{"obj":{"note":"","port":{"num":"80"}}}}: null -> {"obj":{"note":"","port":{"num":"80"}}}`}},
		{"a volatile part of an element of a set", object(fields{"s": taffrail.Set(rule(22, "old"))}), object(fields{"s": taffrail.Set(rule(22, "new"))}),
			[]taffrail.Handling{handle(t, "s[*].note", taffrail.Volatile)}, []string{`volatile s{{"obj":{"note":"old","port":{"num":"22"}}}}.note: "old" -> "new"`}},
		{"volatile and suppressed are kept apart", object(fields{"a": text("1"), "b": text("1"), "c": text("1")}), object(fields{"a": text("2"), "b": text("2"), "c": text("2")}),
			[]taffrail.Handling{handle(t, "a", taffrail.Volatile), handle(t, "b", taffrail.Suppressed)}, []string{`volatile a: "1" -> "2"`, `suppressed b: "1" -> "2"`, `drift c: "1" -> "2"`}},
		{"JSON text by its meaning", object(fields{"a": text(`{"x":[1,2.0],"y":null}`), "b": text(`{"x":9007199254740993}`), "c": text(`{"x":1}`), "d": text("1")}),
			object(fields{"a": text("{ \"y\": null,\n \"x\": [1.0, 2] }"), "b": text(`{"x":9007199254740992}`), "c": text(`{"x":1} `), "d": text("1.0")}), nil,
			[]string{`equivalent a: "{\"x\":[1,2.0],\"y\":null}" -> "{ \"y\": null,\n \"x\": [1.0, 2] }"`, `drift b: "{\"x\":9007199254740993}" -> "{\"x\":9007199254740992}"`,
				`equivalent c: "{\"x\":1}" -> "{\"x\":1} "`, `drift d: "1" -> "1.0"`}},
		{"JSON text in a set", taffrail.Set(text(`{"x":1}`)), taffrail.Set(text(`{ "x":1 }`)), nil, []string{`equivalent {"{\"x\":1}"}: "{\"x\":1}" -> "{ \"x\":1 }"`}},
		{"JSON text that says a name twice is text", object(fields{"a": text(`{"x":1,"x":2}`)}), object(fields{"a": text(`{"x":2}`)}), nil, []string{`drift a: "{\"x\":1,\"x\":2}" -> "{\"x\":2}"`}},
		{"secrets by their digests", object(fields{"p": secret("a", "1"), "q": secret("a", "1"), "r": secret("a", "1")}), object(fields{"p": secret("a", "1"), "q": secret("a", "2"), "r": null}), nil,
			[]string{"drift q: " + string(secret("a", "1").AppendCanonical(nil)) + " -> " + string(secret("a", "2").AppendCanonical(nil)), "drift r: " + string(secret("a", "1").AppendCanonical(nil)) + " -> null"}},
		{"secrets of two keys prove nothing", taffrail.List(secret("a", "1")), taffrail.List(secret("b", "1")), nil,
			[]string{"unverifiable [0]: " + string(secret("a", "1").AppendCanonical(nil)) + " -> " + string(secret("b", "1").AppendCanonical(nil))}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(detect.Diff(tc.before, tc.after, tc.handling))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCompareStatus(t *testing.T) {
	bucket := func(name string) taffrail.Value {
		return object(fields{"name": text(name), "etag": text(name), "w": null})
	}
	gap := &taffrail.Gap{Address: "a.b", Reason: taffrail.ReasonDenied, Detail: "403"}
	for _, tc := range []struct {
		name    string
		o       taffrail.Observation
		status  taffrail.Status
		pending bool
		reason  taffrail.Reason
	}{
		{"nothing was said", taffrail.Observation{}, taffrail.NotChecked, false, taffrail.ReasonError},
		{"the live side was not read", taffrail.Observation{Recorded: bucket("a")}, taffrail.NotChecked, false, taffrail.ReasonError},
		{"the recorded side was not read", taffrail.Observation{Live: bucket("a")}, taffrail.NotChecked, false, taffrail.ReasonError},
		{"in sync", taffrail.Observation{Recorded: bucket("a"), Live: bucket("a")}, taffrail.InSync, false, ""},
		{"modified", taffrail.Observation{Recorded: bucket("a"), Live: bucket("b")}, taffrail.Modified, false, ""},
		{"only volatile", taffrail.Observation{Recorded: bucket("a"), Live: bucket("b"), Handling: []taffrail.Handling{{Treatment: taffrail.Volatile}}}, taffrail.InSync, false, ""},
		{"only write-only", taffrail.Observation{Recorded: bucket("a"), Live: bucket("b"), Handling: []taffrail.Handling{{Treatment: taffrail.WriteOnly}}}, taffrail.InSync, false, ""},
		{"deleted", taffrail.Observation{Recorded: bucket("a"), Live: null}, taffrail.Deleted, false, ""},
		{"unmanaged", taffrail.Observation{Recorded: null, Live: bucket("a")}, taffrail.Unmanaged, false, ""},
		{"nowhere", taffrail.Observation{Recorded: null, Live: null}, taffrail.InSync, false, ""},
		{"the code wants more", taffrail.Observation{Desired: bucket("c"), Recorded: bucket("a"), Live: bucket("a")}, taffrail.InSync, true, ""},
		{"pending and modified at once", taffrail.Observation{Desired: bucket("c"), Recorded: bucket("a"), Live: bucket("b")}, taffrail.Modified, true, ""},
		{"an attribute that nobody knows", taffrail.Observation{Recorded: bucket("a"), Live: object(fields{"name": taffrail.Unknown(), "etag": text("a"), "w": null})}, taffrail.NotChecked, false, taffrail.ReasonError},
		{"a drift beside it is still one", taffrail.Observation{Recorded: bucket("a"), Live: object(fields{"name": taffrail.Unknown(), "etag": text("b"), "w": null})}, taffrail.Modified, false, ""},
		{"a gap wins over everything", taffrail.Observation{Recorded: bucket("a"), Live: null, Gap: gap}, taffrail.NotChecked, false, taffrail.ReasonDenied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.At = time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("x", 3600))
			f := detect.Compare(tc.o)
			var reason taffrail.Reason
			if f.Gap != nil {
				reason = f.Gap.Reason
			}
			if f.Status != tc.status || f.Pending != tc.pending || reason != tc.reason {
				t.Errorf("status %s, pending %v, reason %q", f.Status, f.Pending, reason)
			}
			if f.Changes == nil || f.ObservedAt.Location() != time.UTC {
				t.Errorf("changes %v at %v", f.Changes, f.ObservedAt)
			}
		})
	}
}

func TestTrap12_AGapIsNeverADeletion(t *testing.T) {
	for _, reason := range taffrail.Reasons() {
		o := taffrail.Observation{Recorded: object(fields{"a": text("x")}), Live: null, Gap: &taffrail.Gap{Reason: reason}}
		if got := detect.Compare(o).Status; got != taffrail.NotChecked {
			t.Errorf("%s is taken for %s", reason, got)
		}
	}
}

func TestTrap20_OrderCountsInListsAlone(t *testing.T) {
	a, b := text("a"), text("b")
	if changes := detect.Diff(taffrail.Set(a, b), taffrail.Set(b, a), nil); len(changes) > 0 {
		t.Errorf("a set: %v", lines(changes))
	}
	if changes := detect.Diff(taffrail.List(a, b), taffrail.List(b, a), nil); len(changes) != 2 {
		t.Errorf("a list: %v", lines(changes))
	}
	pair := func(x, y taffrail.Value) taffrail.Value { return object(fields{"in": taffrail.Set(x, y)}) }
	if changes := detect.Diff(taffrail.Set(pair(a, b), a), taffrail.Set(a, pair(b, a)), nil); len(changes) > 0 {
		t.Errorf("a set in a set: %v", lines(changes))
	}
}

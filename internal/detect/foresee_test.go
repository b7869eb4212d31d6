package detect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
)

func pattern(t *testing.T, text string) taffrail.Path {
	t.Helper()
	p, err := taffrail.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEffectOfTheNextApply(t *testing.T) {
	set := func(elems ...string) taffrail.Value {
		values := make([]taffrail.Value, len(elems))
		for i, e := range elems {
			values[i] = text(e)
		}
		return taffrail.Set(values...)
	}
	attr := func(v taffrail.Value) taffrail.Value { return object(fields{"a": v}) }
	for _, tc := range []struct {
		name                 string
		recorded, live, next taffrail.Value
		guessed, unset       string
		want                 []taffrail.Effect
	}{
		{"puts it back", text("x"), text("y"), text("x"), "", "", []taffrail.Effect{taffrail.EffectReverts}},
		{"leaves it", text("x"), text("y"), text("y"), "", "", []taffrail.Effect{taffrail.EffectKept}},
		{"makes something else of it", text("x"), text("y"), text("z"), "", "", []taffrail.Effect{taffrail.EffectUnknown}},
		{"is known at the apply alone", text("x"), text("y"), taffrail.Unknown(), "", "", []taffrail.Effect{taffrail.EffectUnknown}},
		{"puts it back if the code sets it", text("x"), text("y"), text("x"), "a", "", []taffrail.Effect{taffrail.EffectIfConfigured}},
		{"leaves what the code does not set", text("x"), text("y"), text("x"), "", "a", []taffrail.Effect{taffrail.EffectKept}},
		{"takes an element out", set("1"), set("1", "2"), set("1"), "", "", []taffrail.Effect{taffrail.EffectReverts}},
		{"puts one back and leaves another", set("1"), set("2"), set("1", "2"), "", "", []taffrail.Effect{taffrail.EffectReverts, taffrail.EffectKept}},
		{"sets what is gone", text("x"), null, text("x"), "", "", []taffrail.Effect{taffrail.EffectReverts}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := taffrail.Observation{Recorded: attr(tc.recorded), Live: attr(tc.live), Next: attr(tc.next)}
			if tc.guessed != "" {
				o.Guessed = []taffrail.Path{pattern(t, tc.guessed)}
			}
			if tc.unset != "" {
				o.Unset = []taffrail.Path{pattern(t, tc.unset)}
			}
			f := detect.Compare(o)
			var got []taffrail.Effect
			for _, c := range f.Changes {
				got = append(got, c.Effect)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || f.Status != taffrail.Modified {
				t.Errorf("%s, %s", f.Status, diff)
			}
		})
	}
}

func TestNoEffectWithoutAPlan(t *testing.T) {
	f := detect.Compare(taffrail.Observation{Recorded: object(fields{"a": text("x")}), Live: object(fields{"a": text("y")})})
	if len(f.Changes) != 1 || f.Changes[0].Effect != "" {
		t.Errorf("%+v", f.Changes)
	}
}

func TestTrap22_SpellingsAreTheSameOnlyIfTheProviderSaysSo(t *testing.T) {
	for _, tc := range []struct {
		before, after string
		same          bool
	}{
		{"Example.COM.", "example.com", true},
		{"path/", "path", true},
		{"a\r\nb\r\n", "a\nb", true},
		{"60s", "1m", true},
		{"100m", "0.1", true},
		{"1.0", "1", true},
		{"2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", true},
		{"alpha", "beta", false},
		{"/", ".", false},
		{"60s", "61s", false},
		{"", "x", false},
	} {
		t.Run(tc.before+" "+tc.after, func(t *testing.T) {
			o := taffrail.Observation{Recorded: object(fields{"a": text(tc.before)}), Live: object(fields{"a": text(tc.after)})}
			want := map[bool]taffrail.Status{true: taffrail.InSync, false: taffrail.Modified}[tc.same]
			o.Next = o.Live
			if f := detect.Compare(o); f.Status != want {
				t.Errorf("the provider leaves it: %s", f.Status)
			}
			o.Next = o.Recorded
			if f := detect.Compare(o); f.Status != taffrail.Modified {
				t.Errorf("the provider puts it back: %s", f.Status)
			}
			o.Next, o.Unset = o.Live, []taffrail.Path{pattern(t, "a")}
			if f := detect.Compare(o); f.Status != taffrail.Modified {
				t.Errorf("the code does not set it, so that the provider was not asked: %s", f.Status)
			}
			o.Next, o.Unset = taffrail.Unknown(), nil
			if f := detect.Compare(o); f.Status != taffrail.Modified {
				t.Errorf("nobody was asked: %s", f.Status)
			}
		})
	}
}

func TestTrap21_PoliciesByMeaning(t *testing.T) {
	statement := func(body string) string { return `{"Version":"2012-10-17","Statement":[` + body + `]}` }
	for _, tc := range []struct {
		name, before, after string
		same                bool
	}{
		{"one value for a list of it", statement(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["*"]}`), statement(`{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}`), true},
		{"one statement for a list of it", `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, `{"Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"]}]}`, true},
		{"the order of actions", statement(`{"Effect":"Allow","Action":["a:B","a:C"],"Resource":"*"}`), statement(`{"Effect":"Allow","Action":["a:c","A:b"],"Resource":"*"}`), true},
		{"the order of statements", statement(`{"Effect":"Allow","Action":"a:B","Resource":"*"},{"Effect":"Deny","Action":"a:C","Resource":"*"}`),
			statement(`{"Effect":"Deny","Action":"a:C","Resource":"*"},{"Effect":"Allow","Action":"a:B","Resource":"*"}`), true},
		{"an account and its root", statement(`{"Effect":"Allow","Action":"a:B","Principal":{"AWS":"arn:aws:iam::123456789012:root"}}`),
			statement(`{"Effect":"Allow","Action":"a:B","Principal":{"AWS":["123456789012"]}}`), true},
		{"anyone", statement(`{"Effect":"Allow","Action":"a:B","Principal":"*"}`), statement(`{"Effect":"Allow","Action":"a:B","Principal":{"AWS":["*"]}}`), true},
		{"conditions", statement(`{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`),
			statement(`{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"Bool":{"aws:securetransport":[true]}}}`), true},
		{"a principal that was deleted", statement(`{"Effect":"Allow","Action":"a:B","Principal":{"AWS":"arn:aws:iam::123456789012:role/x"}}`),
			statement(`{"Effect":"Allow","Action":"a:B","Principal":{"AWS":"AROAEXAMPLEID"}}`), false},
		{"another effect", statement(`{"Effect":"Allow","Action":"a:B","Resource":"*"}`), statement(`{"Effect":"Deny","Action":"a:B","Resource":"*"}`), false},
		{"a resource's case", statement(`{"Effect":"Allow","Action":"a:B","Resource":"x"}`), statement(`{"Effect":"Allow","Action":"a:B","Resource":"X"}`), false},
		{"a statement more", statement(`{"Effect":"Allow","Action":"a:B","Resource":"x"}`),
			statement(`{"Effect":"Allow","Action":"a:B","Resource":"x"},{"Effect":"Allow","Action":"*","Resource":"*"}`), false},
		{"one list of a document that is no policy", `{"Statement":["a","b"]}`, `{"Statement":["b","a"]}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			changes := detect.Diff(text(tc.before), text(tc.after), nil)
			want := map[bool]taffrail.Class{true: taffrail.ClassEquivalent, false: taffrail.ClassDrift}[tc.same]
			if len(changes) != 1 || changes[0].Class != want {
				t.Errorf("%v", lines(changes))
			}
		})
	}
}

func TestPinnedValue(t *testing.T) {
	recorded := object(fields{"s": taffrail.Set(text("a")), "o": object(fields{"x": text("1"), "y": null}), "n": taffrail.Int(1)})
	for _, tc := range []struct {
		name, path string
		pinned     taffrail.Value
		live       fields
		want       taffrail.Class
	}{
		{"the value", "n", taffrail.Int(2), fields{"n": taffrail.Int(2)}, taffrail.ClassSuppressed},
		{"another", "n", taffrail.Int(2), fields{"n": taffrail.Int(3)}, taffrail.ClassDrift},
		{"null", "n", null, fields{"n": null}, taffrail.ClassSuppressed},
		{"any", "n", taffrail.Unknown(), fields{"n": taffrail.Int(3)}, taffrail.ClassSuppressed},
		{"a set, written as a list", "s", taffrail.List(text("c"), text("b")), fields{"s": taffrail.Set(text("b"), text("c"))}, taffrail.ClassSuppressed},
		{"a set with one more", "s", taffrail.List(text("b")), fields{"s": taffrail.Set(text("b"), text("c"))}, taffrail.ClassDrift},
		{"an object, written as a map", "o", taffrail.Map(fields{"x": text("2")}), fields{"o": object(fields{"x": text("2"), "y": null})}, taffrail.ClassSuppressed},
		{"a part of an object", "o", taffrail.Map(fields{"x": text("2")}), fields{"o": object(fields{"x": text("2"), "y": text("3")})}, taffrail.ClassDrift},
	} {
		t.Run(tc.name, func(t *testing.T) {
			live := fields{}
			for name, v := range recorded.Fields() {
				live[name] = v
			}
			for name, v := range tc.live {
				live[name] = v
			}
			h := handle(t, tc.path, taffrail.Suppressed)
			h.Pinned = tc.pinned
			changes := detect.Diff(recorded, object(live), []taffrail.Handling{h})
			if len(changes) == 0 {
				t.Fatal("no change")
			}
			for _, c := range changes {
				if c.Class != tc.want {
					t.Errorf("%v", lines(changes))
				}
			}
		})
	}
}

func TestTrap1_PendingIsAnAxisOfItsOwn(t *testing.T) {
	a, b, c := object(fields{"a": text("a")}), object(fields{"a": text("b")}), object(fields{"a": text("c")})
	for _, tc := range []struct {
		name    string
		o       taffrail.Observation
		status  taffrail.Status
		pending bool
		wanted  int
	}{
		{"nothing", taffrail.Observation{Recorded: a, Live: a, Desired: a}, taffrail.InSync, false, 0},
		{"not asked", taffrail.Observation{Recorded: a, Live: a}, taffrail.InSync, false, 0},
		{"code alone", taffrail.Observation{Recorded: a, Live: a, Desired: b, Action: taffrail.ActionUpdate}, taffrail.InSync, true, 1},
		{"live alone", taffrail.Observation{Recorded: a, Live: b, Desired: a}, taffrail.Modified, false, 0},
		{"both", taffrail.Observation{Recorded: a, Live: b, Desired: c, Action: taffrail.ActionReplace}, taffrail.Modified, true, 1},
		{"to be made", taffrail.Observation{Recorded: null, Live: null, Desired: a, Action: taffrail.ActionCreate}, taffrail.InSync, true, 0},
		{"to be destroyed", taffrail.Observation{Recorded: a, Live: a, Desired: null, Action: taffrail.ActionDelete}, taffrail.InSync, true, 0},
		{"known at the apply alone", taffrail.Observation{Recorded: a, Live: a, Desired: object(fields{"a": taffrail.Unknown()}), Action: taffrail.ActionUpdate}, taffrail.InSync, true, 1},
		{"to be moved", taffrail.Observation{Recorded: a, Live: a, Desired: a, Action: taffrail.ActionMove}, taffrail.InSync, true, 0},
		{"and not read", taffrail.Observation{Recorded: a, Desired: b, Action: taffrail.ActionUpdate, Gap: &taffrail.Gap{Reason: taffrail.ReasonDenied}}, taffrail.NotChecked, true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := detect.Compare(tc.o)
			if f.Status != tc.status || f.Pending != tc.pending || len(f.Wanted) != tc.wanted {
				t.Errorf("%s, pending %v, %v", f.Status, f.Pending, lines(f.Wanted))
			}
		})
	}
}

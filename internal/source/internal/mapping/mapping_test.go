package mapping

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const forge = `{"id":"d-1","at":"2026-01-02T03:04:05.5+01:00","action":"edited","sender":{"login":"dana","kind":"User","key":"k-1"},"org":"acme",
"things":[{"arn":"arn:aws:s3:::a"},{"arn":"arn:aws:s3:::b"},{"name":"c"}],"changes":{"before":{"acl":"private"},"after":{"acl":"public"}},"status":200,
"labels":{"app.kubernetes.io/name":"web"},"detail":"{\"deep\":{\"x\":\"y\"}}","password":"hunter2hunter2"}`

var full = Config{
	ID: "id", Time: "nothing | at", Action: "=forge:${action}", Actor: Actor{ID: "sender.login", Class: "sender.kind", Classes: map[string]taffrail.ActorClass{"User": taffrail.ActorPerson}, Key: "sender.key"},
	Refs: []string{"things.*.arn", "things.2.name", `labels."app.kubernetes.io/name"`, "detail.deep.x", "nothing"}, Error: "status", Before: "changes.before", After: "changes.after", Response: "changes.after", Account: "org",
}

func decoder(t *testing.T, c Config) *Decoder {
	t.Helper()
	d, err := New("test", plugtest.MarkingSealer(), c, "a hint")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func event(t *testing.T, c Config, raw string) taffrail.Event {
	t.Helper()
	e, err := decoder(t, c).Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestContract(t *testing.T) {
	c := plugtest.DecoderCase{
		Open: func(t *testing.T, sealer taffrail.Sealer) taffrail.Decoder {
			d, err := New("test", sealer, full, "a hint")
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		Records: [][]byte{[]byte(forge)}, WithSecret: []byte(forge), Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

func TestDecode(t *testing.T) {
	e := event(t, full, forge)
	if e.ID != "d-1" || e.Source != "test" || e.Action != "forge:edited" || e.Account != "acme" || e.Error != "" || e.Read || !e.Changes() {
		t.Errorf("got %+v", e)
	}
	if want := time.Date(2026, 1, 2, 2, 4, 5, 5e8, time.UTC); !e.Time.Equal(want) {
		t.Errorf("time %v", e.Time)
	}
	if a := e.Actor; a.ID != "dana" || a.Name != "dana" || a.Class != taffrail.ActorPerson || a.Key != "k-1" {
		t.Errorf("actor %+v", a)
	}
	if diff := cmp.Diff([]string{"arn:aws:s3:::a", "arn:aws:s3:::b", "c", "web", "y"}, e.Refs); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(e.Request.AppendCanonical(nil), []byte("private")) {
		t.Error("the state before looks like something that was asked for")
	}
	if e.State == nil || !e.State.Partial || string(e.State.Object.AppendJSON(nil)) != `{"acl":"public"}` || !e.State.Asserts.IsUnknown() {
		t.Errorf("state %+v", e.State)
	}
	if secret, _ := e.Request.Field("password"); secret.Shape() != taffrail.ShapeSecret {
		t.Errorf("password %s", secret.AppendJSON(nil))
	}
}

func TestFailures(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "", `false`: "", `""`: "", `0`: "", `200`: "", `399`: "", `"Success"`: "", `[]`: "", `{}`: "",
		`true`: "failed", `403`: "status 403", `"AccessDenied"`: "AccessDenied", `{"code":1}`: "failed", `1e400`: "status 1e400",
	} {
		c := full
		c.Succeeded = []string{"success"}
		e := event(t, c, strings.Replace(forge, `"status":200`, `"status":`+text, 1))
		if e.Error != want || e.Changes() != (want == "") || (e.State != nil) != e.Changes() {
			t.Errorf("%s: %q, state %v", text, e.Error, e.State)
		}
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		`1767323045`: at, `"1767323045"`: at, `1767323045.25`: at.Add(250 * time.Millisecond), `1767323045000`: at, `1767323045000000`: at, `1767323045000000000`: at,
		`"2026-01-02T03:04:05Z"`: at, `0`: {}, `-5`: {}, `"yesterday"`: {}, `1e300`: {}, `true`: {}, `1767323045.-5`: {},
	} {
		e, err := decoder(t, full).Decode([]byte(strings.Replace(forge, `"2026-01-02T03:04:05.5+01:00"`, text, 1)))
		if want.IsZero() && taffrail.KindOf(err) != taffrail.KindInvalid || !want.IsZero() && (err != nil || !e.Time.Equal(want)) {
			t.Errorf("%s: %v %v", text, e.Time, err)
		}
	}
}

func TestReads(t *testing.T) {
	for _, tc := range []struct {
		read    string
		actions []string
		want    bool
	}{{"", nil, false}, {"=true", nil, true}, {"=false", nil, false}, {"", []string{"*:edi*"}, true}, {"", []string{"*:get"}, false}} {
		c := full
		c.Read, c.ReadActions = tc.read, tc.actions
		if e := event(t, c, forge); e.Read != tc.want {
			t.Errorf("%v: %v", tc, e.Read)
		}
	}
}

// Without an id, records that say the same are one event, whatever their form, and whenever they came.
func TestDigestAsID(t *testing.T) {
	c := full
	c.ID = ""
	id := event(t, c, forge).ID
	spaced := strings.Replace(strings.ReplaceAll(forge, ":{", ": {"), `"id":"d-1",`, "", 1)
	spaced = strings.TrimSuffix(spaced, "}") + `, "id" : "d-1"}`
	stamped := string(Stamp([]byte(forge), Delivery{Received: time.Unix(1e9, 0).UTC()}))
	for name, raw := range map[string]string{"another form": spaced, "redelivered": stamped, "redelivered later": string(Stamp([]byte(forge), Delivery{Received: time.Unix(2e9, 0).UTC()}))} {
		got := event(t, c, raw).ID
		if name == "another form" && got != id {
			t.Errorf("%s: %s, want %s", name, got, id)
		}
		if name == "redelivered later" && got != event(t, c, stamped).ID {
			t.Errorf("%s: another id", name)
		}
	}
	for _, other := range []string{strings.Replace(forge, "edited", "edite", 1), strings.Replace(forge, "hunter2hunter2", "hunter3hunter3", 1)} {
		if event(t, c, other).ID == id {
			t.Error("two records have one id")
		}
	}
	if !strings.HasPrefix(string(id), "sha256:") || len(id) != 71 {
		t.Errorf("id %s", id)
	}
}

func TestStamp(t *testing.T) {
	d := Delivery{Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Headers: map[string]string{"X-Event": "push"}}
	const member = `"taffrail":{"received":"2026-01-02T03:04:05Z","headers":{"X-Event":"push"}}`
	for raw, want := range map[string]string{
		`{"a":1}`: `{"a":1,` + member + `}`, `{ }`: `{` + member + `}`, `[1]`: `[1]`, `{`: `{`, ``: ``,
		`{"taffrail":{"received":"1999-01-01T00:00:00Z"}}`: `{"taffrail":{"received":"1999-01-01T00:00:00Z"},` + member + `}`,
	} {
		if diff := cmp.Diff(want, string(Stamp([]byte(raw), d))); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
	if got := Stamp([]byte(" {\n} \n"), d); string(got) != `{`+member+`}` {
		t.Errorf("with white space around it: %s", got)
	}
	e := event(t, Config{Time: "taffrail.received", Action: "taffrail.headers.X-Event"}, string(Stamp([]byte(`{"taffrail":{"received":"1999-01-01T00:00:00Z"}}`), d)))
	if e.Time.Year() != 2026 || e.Action != "push" {
		t.Errorf("a sender has put a time of its own in the place of ours: %v", e.Time)
	}
}

// Lines for people give secrets away without a field that is called so.
func TestLines(t *testing.T) {
	c := Config{Time: "t", Action: "=a"}
	for line, hidden := range map[string]bool{
		"user dana logged in from 192.0.2.1":                          false,
		"the password of dana was changed":                            false,
		"password reset for dana":                                     false,
		"login user=dana password=hunter2":                            true,
		`set Password: \"hunter2\" for dana`:                          true,
		"GET /x Authorization: Bearer abcdefgh12345678":               true,
		"cloned with ghp_abcdefghijklmnop1234 by dana":                true,
		"connected to postgres://dana:hunter2@db.example/x":           true,
		"api_key = 12345678 used":                                     true,
		`env was {\"a\":\"b\"} and then token xoxb-123456789012-abcd`: true,
	} {
		e := event(t, c, `{"t":1767323045,"message":"`+line+`"}`)
		message, _ := e.Request.Field("message")
		if (message.Shape() == taffrail.ShapeSecret) != hidden {
			t.Errorf("%s: %s", line, message.AppendJSON(nil))
		}
	}
	// Each look reads the whole object, so after some of them no more is looked at: all is a secret.
	many := `{"t":1767323045` + strings.Repeat(`,"msg":"x"`, maxLines+2) + `}`
	kept, err := decoder(t, c).Keep([]byte(many))
	if n := bytes.Count(kept.Record, []byte(`"x"`)); err != nil || n != maxLines {
		t.Errorf("%d lines were looked at: %v", n, err)
	}
}

func TestConfigIsStrict(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no time":           func(c *Config) { c.Time = "" },
		"no action":         func(c *Config) { c.Action = "" },
		"an empty step":     func(c *Config) { c.ID = "a..b" },
		"a dot at the end":  func(c *Config) { c.ID = "a." },
		"an open quote":     func(c *Config) { c.ID = `a."b` },
		"no dot":            func(c *Config) { c.ID = `"a"b` },
		"a space":           func(c *Config) { c.ID = "a b" },
		"an open place":     func(c *Config) { c.ID = "=x${a" },
		"an empty place":    func(c *Config) { c.ID = "=x${}" },
		"nothing after |":   func(c *Config) { c.ID = "a | " },
		"an empty ref":      func(c *Config) { c.Refs = []string{""} },
		"no class":          func(c *Config) { c.Actor.Classes = map[string]taffrail.ActorClass{"User": "human"} },
		"no pattern":        func(c *Config) { c.ReadActions = []string{"[a"} },
		"too many steps":    func(c *Config) { c.ID = strings.Repeat("a.", maxSteps) + "a" },
		"a star in a quote": func(c *Config) { c.ID = `"*"` },
	} {
		c := full
		change(&c)
		if _, err := New("test", plugtest.MarkingSealer(), c, ""); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var c Config
	if err := yaml.UnmarshalWithOptions([]byte("acton: x\n"), &c, yaml.Strict()); err == nil {
		t.Error("a key that there is not is taken")
	}
	if _, err := New("test", nil, full, ""); taffrail.KindOf(err) != taffrail.KindInternal {
		t.Errorf("without a sealer: %v", err)
	}
}

func TestOr(t *testing.T) {
	mine, theirs := Config{ID: "a", Actor: Actor{ID: "b"}}, Config{ID: "x", Time: "y", Refs: []string{"z"}, Actor: Actor{ID: "x", Name: "n"}}
	want := Config{ID: "a", Time: "y", Refs: []string{"z"}, Actor: Actor{ID: "b", Name: "n"}}
	if diff := cmp.Diff(want, mine.Or(theirs)); diff != "" {
		t.Error(diff)
	}
}

func FuzzKeep(f *testing.F) {
	f.Add([]byte(forge))
	f.Add([]byte(`{"at":1767323045,"action":"a","x":"{\"password\":\"y\",\"z\":[\"{}\"]}"}`))
	d, err := New("test", plugtest.MarkingSealer(), full, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept, err := d.Keep(raw)
		if err == nil {
			err = plugtest.SameEvent(d, raw, kept)
		}
		if err != nil && taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Error(err)
		}
	})
}

func FuzzSelector(f *testing.F) {
	f.Add("a.b | =x${c.\"d.e\"}")
	f.Add("a.*.0")
	document := taffrail.Object(map[string]taffrail.Value{"a": taffrail.List(taffrail.Object(map[string]taffrail.Value{"b": taffrail.Int(1)}))})
	f.Fuzz(func(_ *testing.T, text string) {
		if s, err := parseSelector(text); err == nil {
			s.values(document)
			s.without(document)
		}
	})
}

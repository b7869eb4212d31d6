package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// noon is the time of the store and of the anchor.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newVault(t *testing.T) *store {
	s := newStore(t)
	s.now = func() time.Time { return noon }
	return s
}

// A scribe signs checkpoints of a log.
type scribe struct {
	t   *testing.T
	key note.Signer
}

func newScribe(t *testing.T, origin string) scribe {
	key, _ := audittest.Key(t, origin)
	return scribe{t, key}
}

func (s scribe) sign(h audit.Head) audit.Checkpoint {
	s.t.Helper()
	text, err := audit.FormatCheckpoint(h)
	if err != nil {
		s.t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return audit.Checkpoint{Head: h, Note: msg}
}

func mustAnchor(t *testing.T, a audit.Anchor, cp audit.Checkpoint) audit.Receipt {
	t.Helper()
	r, err := a.Anchor(t.Context(), cp)
	if err != nil {
		t.Fatalf("anchor: %v", err)
	}
	return r
}

func TestAnchor(t *testing.T) {
	s := newVault(t)
	a := s.anchor(t, AnchorConfig{Prefix: "taffrail/"})
	cp := newScribe(t, origin).sign(headAt(7))
	r := mustAnchor(t, a, cp)
	const key = "taffrail/taffrail.local%252Ftest/7.note" // the path of a URL, in which a percent sign is escaped
	v := s.newest(key)
	if v == nil || !bytes.Equal(v.body, cp.Note) || v.mode != "COMPLIANCE" || !v.until.Equal(noon.AddDate(0, 0, 30)) {
		t.Fatalf("the store has %+v", v)
	}
	want := fmt.Sprintf(`{"bucket":"trust","key":"taffrail/taffrail.local%%2Ftest/7.note","version":"v1","mode":"COMPLIANCE","until":"2026-03-31T12:00:00Z","etag":%q,"sha256":`, v.tag())
	if r.Size != 7 || r.Kind != "s3" || r.Anchor != "vault" || !r.At.Equal(noon) || !strings.HasPrefix(string(r.Data), want) {
		t.Errorf("receipt is %+v, %s, want %s", r, r.Data, want)
	}
	if at, err := a.Check(t.Context(), cp, r); err != nil || !at.Equal(noon) {
		t.Errorf("check: %v, %v", at, err)
	}
	again := mustAnchor(t, a, cp)
	if string(again.Data) != string(r.Data) || !again.At.Equal(r.At) || len(s.versions[key]) != 1 {
		t.Errorf("shown again it is %+v", again)
	}
	// With a cosignature it is still the same checkpoint.
	longer := cp
	longer.Note = append(bytes.Clone(cp.Note), []byte("— witness.example AAAAAAAA\n")...)
	if again := mustAnchor(t, a, longer); string(again.Data) != string(r.Data) || len(s.versions[key]) != 1 {
		t.Errorf("cosigned it is %+v", again)
	}
	if _, err := a.Check(t.Context(), longer, r); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestAnchorMoto(t *testing.T) {
	url := moto(t)
	makeBucket(t, url, "trust", true)
	makeBucket(t, url, "loose", false)
	open := func(bucket string) *anchor {
		a, err := openAnchor(t.Context(), plug.Env{Now: time.Now}, AnchorConfig{
			Name: "moto", Bucket: bucket, Days: 3, Region: "us-east-1", Endpoint: url, PathStyle: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, cp := open("trust"), newScribe(t, origin).sign(headAt(7))
	r := mustAnchor(t, a, cp)
	if again := mustAnchor(t, a, cp); string(again.Data) != string(r.Data) {
		t.Errorf("shown again it is %+v", again)
	}
	at, err := a.Check(t.Context(), cp, r)
	if err != nil || time.Since(at) > time.Hour || !at.Equal(r.At) {
		t.Errorf("check: %v, %v", at, err)
	}
	said, err := parseReceipt(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.name, Key: &said.Key, VersionId: &said.Version})
	if code(err) != "AccessDenied" {
		t.Errorf("it could be deleted: %v", err)
	}
	if _, err := open("loose").Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
		t.Errorf("without Object Lock: %v", err)
	}
}

// TestAnchorRefusesABucketWithoutLock: however it is that nothing is retained.
func TestAnchorRefusesABucketWithoutLock(t *testing.T) {
	for name, loosen := range map[string]func(*store){
		"says so":     func(s *store) { s.noLock = true },
		"ignores it":  func(s *store) { s.ignoresLock = true },
		"no versions": func(s *store) { s.unversioned = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newVault(t)
			loosen(s)
			_, err := s.anchor(t, AnchorConfig{}).Anchor(t.Context(), newScribe(t, origin).sign(headAt(7)))
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) != lockHint {
				t.Errorf("anchor: %v", err)
			}
		})
	}
}

func TestAnchorModes(t *testing.T) {
	s := newVault(t)
	scribe := newScribe(t, origin)
	lax, strict := s.anchor(t, AnchorConfig{Mode: "governance"}), s.anchor(t, AnchorConfig{Mode: "compliance"})
	cp := scribe.sign(headAt(7))
	mustAnchor(t, lax, cp)
	if v := s.newest("taffrail.local%252Ftest/7.note"); v == nil || v.mode != "GOVERNANCE" {
		t.Errorf("the store has %+v", v)
	}
	if _, err := strict.Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("what an administrator may delete counts: %v", err)
	}
	next := scribe.sign(headAt(8))
	mustAnchor(t, strict, next)
	mustAnchor(t, lax, next)
}

// TestAnchorShowsASecondHistory: another root of the same size was anchored before.
func TestAnchorShowsASecondHistory(t *testing.T) {
	s := newVault(t)
	a, scribe := s.anchor(t, AnchorConfig{}), newScribe(t, origin)
	first := scribe.sign(headAt(7))
	r := mustAnchor(t, a, first)
	other := headAt(7)
	other.Root[0] ^= 1
	second := scribe.sign(other)
	_, anchored := a.Anchor(t.Context(), second)
	_, checked := a.Check(t.Context(), second, r)
	for _, err := range []error{anchored, checked} {
		wantCorrupt(t, err)
	}
	if _, err := a.Check(t.Context(), first, r); err != nil {
		t.Errorf("check: %v", err)
	}
}

func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	var c *audit.CorruptError
	if !errors.As(err, &c) || taffrail.KindOf(err) != taffrail.KindCorrupt || taffrail.HintOf(err) == "" || c.Part != audit.PartCheckpoints {
		t.Errorf("error is %v, want a corrupt one", err)
	}
}

// TestCheck changes what the store has, or what the receipt says.
func TestCheck(t *testing.T) {
	const key = "taffrail.local%252Ftest/7.note"
	edit := func(old, new string) func(*store, *audit.Checkpoint, *audit.Receipt) {
		return func(_ *store, _ *audit.Checkpoint, r *audit.Receipt) {
			r.Data = []byte(strings.Replace(string(r.Data), old, new, 1))
		}
	}
	change := func(f func(v *version)) func(*store, *audit.Checkpoint, *audit.Receipt) {
		return func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) { f(s.newest(key)) }
	}
	for name, test := range map[string]struct {
		change func(*store, *audit.Checkpoint, *audit.Receipt)
		kind   taffrail.Kind
	}{
		"body": {change(func(v *version) { v.body[len(v.body)-5] ^= 1 }), taffrail.KindCorrupt},
		"another note, and a receipt to match": {func(s *store, _ *audit.Checkpoint, r *audit.Receipt) {
			v := s.newest(key)
			before := sha256.Sum256(v.body)
			v.body = bytes.Replace(v.body, []byte("\n7\n"), []byte("\n6\n"), 1)
			r.Data = bytes.Replace(r.Data, fmt.Appendf(nil, "%x", before), fmt.Appendf(nil, "%x", sha256.Sum256(v.body)), 1)
		}, taffrail.KindCorrupt},
		"retention cut":           {change(func(v *version) { v.until = noon.AddDate(0, 0, 1) }), taffrail.KindCorrupt},
		"mode weakened":           {change(func(v *version) { v.mode = "GOVERNANCE" }), taffrail.KindCorrupt},
		"retention removed":       {change(func(v *version) { v.mode = "" }), taffrail.KindCorrupt},
		"retention extended":      {change(func(v *version) { v.until = noon.AddDate(1, 0, 0) }), ""},
		"deleted before its time": {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) { s.versions = nil }, taffrail.KindCorrupt},
		"written over": {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) {
			s.versions[key] = append(s.versions[key], &version{id: "v9", modified: noon})
		}, ""},
		"denied": {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) {
			s.hook = func(*http.Request) fault { return forbidden }
		}, taffrail.KindDenied},
		"other version":            {edit(`"v1"`, `"v2"`), taffrail.KindCorrupt},
		"other bucket":             {edit(`"trust"`, `"chest"`), taffrail.KindInvalid},
		"other digest":             {edit(`"sha256":"`, `"sha256":"0`), taffrail.KindCorrupt},
		"other size in the key":    {edit(`/7.note`, `/8.note`), taffrail.KindCorrupt},
		"other log in the key":     {edit(`taffrail.local%2Ftest`, `xtaffrail.local%2Ftest`), taffrail.KindCorrupt},
		"spelled otherwise":        {edit(`"bucket":`, `"bucket": `), taffrail.KindCorrupt},
		"more than a receipt":      {edit(`{`, `{"more":1,`), taffrail.KindCorrupt},
		"no receipt":               {edit(`{`, ``), taffrail.KindCorrupt},
		"other kind":               {func(_ *store, _ *audit.Checkpoint, r *audit.Receipt) { r.Kind = "git" }, taffrail.KindInvalid},
		"other anchor":             {func(_ *store, _ *audit.Checkpoint, r *audit.Receipt) { r.Anchor = "attic" }, taffrail.KindInvalid},
		"other size":               {func(_ *store, _ *audit.Checkpoint, r *audit.Receipt) { r.Size = 6 }, taffrail.KindCorrupt},
		"checkpoint of other size": {func(_ *store, cp *audit.Checkpoint, _ *audit.Receipt) { cp.Size = 8 }, taffrail.KindCorrupt},
		"nothing changed":          {func(*store, *audit.Checkpoint, *audit.Receipt) {}, ""},
		"deleted after its time":   {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) { later(s); s.versions = nil }, taffrail.KindNotFound},
		"not retained any more":    {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) { later(s); s.newest(key).mode = "" }, ""},
		"changed after its time":   {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) { later(s); s.newest(key).body[3] ^= 1 }, taffrail.KindCorrupt},
		"not reached": {func(s *store, _ *audit.Checkpoint, _ *audit.Receipt) {
			s.hook = func(*http.Request) fault { return errorBefore }
		}, taffrail.KindUnavailable},
		"receipt with other prefix": {edit(`"key":"`, `"key":"elsewhere/`), taffrail.KindCorrupt},
	} {
		for _, tells := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tells=%v", name, tells), func(t *testing.T) {
				s := newVault(t)
				s.tellsLock = tells
				a := s.anchor(t, AnchorConfig{})
				a.now = func() time.Time { return s.now() }
				cp := newScribe(t, origin).sign(headAt(7))
				r := mustAnchor(t, a, cp)
				test.change(s, &cp, &r)
				at, err := a.Check(t.Context(), cp, r)
				wantChecked(t, test.kind, at, err)
			})
		}
	}
}

func wantChecked(t *testing.T, kind taffrail.Kind, at time.Time, err error) {
	t.Helper()
	if kind == "" {
		if err != nil || !at.Equal(noon) {
			t.Errorf("check: %v, %v", at, err)
		}
		return
	}
	if err == nil || taffrail.KindOf(err) != kind || !at.IsZero() {
		t.Errorf("check: %v, %v, want kind %s", at, err, kind)
	}
	var c *audit.CorruptError
	if errors.As(err, &c) != (kind == taffrail.KindCorrupt) {
		t.Errorf("check: %v", err)
	}
}

func later(s *store) { s.now = func() time.Time { return noon.AddDate(0, 2, 0) } }

// TestAnchorFaults breaks the write, or stops beside it. Shown again, the checkpoint is anchored once.
func TestAnchorFaults(t *testing.T) {
	const key = "taffrail.local%2Ftest/7.note"
	stop := func(at string) func(*store, *anchor) {
		return func(_ *store, a *anchor) {
			a.steps = func(step string) error {
				if step == at {
					return audittest.ErrInjected
				}
				return nil
			}
		}
	}
	breaks := func(f ...fault) func(*store, *anchor) {
		return func(s *store, _ *anchor) { s.fail(key, f...) }
	}
	for name, test := range map[string]struct {
		arm      func(*store, *anchor)
		ok       bool
		versions int
	}{
		"stops before":       {stop("write"), false, 0},
		"stops after":        {stop("answer"), false, 1},
		"broken off before":  {breaks(dropBefore, none), true, 1},
		"broken off after":   {breaks(dropAfter), true, 1},
		"fails, carried out": {breaks(errorAfter), true, 1},
		"fails, always":      {breaks(errorBefore), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVault(t)
			a := s.anchor(t, AnchorConfig{})
			test.arm(s, a)
			cp := newScribe(t, origin).sign(headAt(7))
			_, err := a.Anchor(t.Context(), cp)
			if (err == nil) != test.ok {
				t.Errorf("anchor: %v", err)
			}
			const escaped = "taffrail.local%252Ftest/7.note"
			if n := len(s.versions[escaped]); n != test.versions {
				t.Errorf("there are %d versions, want %d", n, test.versions)
			}
			s.hook, a.steps = nil, nil
			r := mustAnchor(t, a, cp)
			if _, err := a.Check(t.Context(), cp, r); err != nil || len(s.versions[escaped]) != 1 {
				t.Errorf("check: %v, of %d versions", err, len(s.versions[escaped]))
			}
		})
	}
}

func TestAnchorCancelled(t *testing.T) {
	s := newVault(t)
	a, cp := s.anchor(t, AnchorConfig{}), newScribe(t, origin).sign(headAt(7))
	r := mustAnchor(t, a, cp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Anchor(ctx, cp); !errors.Is(err, context.Canceled) {
		t.Errorf("anchor: %v", err)
	}
	if _, err := a.Check(ctx, cp, r); !errors.Is(err, context.Canceled) {
		t.Errorf("check: %v", err)
	}
}

func TestAnchorRefusesAnotherNote(t *testing.T) {
	a, scribe := newVault(t).anchor(t, AnchorConfig{}), newScribe(t, origin)
	cp := scribe.sign(headAt(7))
	cp.Note = scribe.sign(headAt(8)).Note
	if _, err := a.Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInternal {
		t.Errorf("anchor: %v", err)
	}
}

func TestAnchorKey(t *testing.T) {
	for origin, want := range map[string]string{
		"a.example/b/c": "p/a.example%2Fb%2Fc/3.note", "..": "p/%2E%2E/3.note", ".": "p/%2E/3.note", "%2F": "p/%252F/3.note", "é": "p/%C3%A9/3.note",
	} {
		if got := (&anchor{prefix: "p"}).key(audit.Head{Origin: origin, Size: 3}); got != want {
			t.Errorf("key of %q is %q, want %q", origin, got, want)
		}
	}
}

func TestOpenAnchorRefuses(t *testing.T) {
	credentials(t)
	good := AnchorConfig{Name: "a", Bucket: "trust", Days: 1}
	for name, spoil := range map[string]func(*AnchorConfig){
		"name": func(c *AnchorConfig) { c.Name = "" }, "bucket": func(c *AnchorConfig) { c.Bucket = "" }, "days": func(c *AnchorConfig) { c.Days = 0 },
		"mode": func(c *AnchorConfig) { c.Mode = "COMPLIANCE" }, "prefix": func(c *AnchorConfig) { c.Prefix = "/a" }, "endpoint": func(c *AnchorConfig) { c.Endpoint = "http://a.example" },
	} {
		c := good
		spoil(&c)
		if _, err := openAnchor(t.Context(), plug.Env{Now: time.Now}, c); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openAnchor(t.Context(), plug.Env{Now: time.Now}, good); err != nil {
		t.Error(err)
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add([]byte(`{"bucket":"trust","key":"a/7.note","version":"v1","mode":"COMPLIANCE","until":"2026-03-31T12:00:00Z","etag":"","sha256":""}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseReceipt(text)
		if err != nil {
			return
		}
		if again, err := parseReceipt(text); err != nil || again != r {
			t.Fatalf("%q becomes %+v and %+v, %v", text, r, again, err)
		}
	})
}

// FuzzHeadOf: whatever a bucket holds, its text is that of the head that it gives.
func FuzzHeadOf(f *testing.F) {
	f.Add([]byte("taffrail.local/test\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a b\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := headOf(text)
		if err != nil {
			return
		}
		if again, err := audit.FormatCheckpoint(h); err != nil || !bytes.HasPrefix(text, append(again, '\n')) {
			t.Fatalf("%q becomes %+v, %v", text, h, err)
		}
	})
}

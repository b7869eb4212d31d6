package remote

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func config(attributes map[string]any, env map[string]string) Config {
	return Config{Type: "x", Attributes: attributes, Env: func(name string) string { return env[name] }, Dir: "/stack", Home: "/home/ann"}.WithDefaults()
}

func TestScrub(t *testing.T) {
	c := config(map[string]any{
		"access_key": "AKIDEXAMPLE", "bucket": "states", "headers": map[string]any{"X-Token": "glpat-1234"},
		"address":     "https://ann:pass%21word@host/x?sig=abcdef",
		"assume_role": []any{map[string]any{"role_arn": "arn:aws:iam::1:role/r"}},
		"conn_str":    "host=db password='top secret' user=ann",
	}, map[string]string{"TF_HTTP_PASSWORD": "from-the-environment", "AWS_SECRET_ACCESS_KEY": "abc"})
	for _, secret := range []string{"AKIDEXAMPLE", "glpat-1234", "pass%21word", "pass!word", "top secret", "from-the-environment", "abcdef"} {
		err := c.Scrub(Denied("the hint", "read states: the server says %s is wrong", secret))
		if strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "read states: the server says (secret) is wrong") {
			t.Errorf("%q stays: %v", secret, err)
		}
		if taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) != "the hint" {
			t.Errorf("kind or hint is lost: %v", err)
		}
	}
	harmless := fmt.Errorf("bucket states, role arn:aws:iam::1:role/r, abc: %w", os.ErrNotExist)
	if got := c.Scrub(harmless); !errors.Is(got, os.ErrNotExist) || got.Error() != harmless.Error() { // what is too short would take half the text with it
		t.Errorf("a text without secrets was changed: %v", got)
	}
	if c.Scrub(nil) != nil {
		t.Error("no error became one")
	}
}

func TestSettings(t *testing.T) {
	c := config(map[string]any{
		"text": "a", "number": 5.0, "yes": true, "list": []any{"a", "b"}, "nothing": nil, "empty": "", "map": map[string]any{"a": "b"},
		"block": []any{map[string]any{"inner": "x"}}, "left_out": []any{},
	}, map[string]string{"E1": "", "E2": "from env", "N": "7", "B": "true"})
	s := c.Settings()
	got := []any{
		s.String("text", "E2"), s.String("nothing", "E1", "E2"), s.String("empty", "E2"), s.String("block.inner"), s.String("number"), s.String("yes"),
		s.Int("number", 1), s.Int("absent", 1), s.Int("absent", 1, "N"), s.Bool("yes", false), s.Bool("absent", true), s.Bool("absent", false, "B"),
		s.List("list"), s.Map("map"), s.Has("block"), s.Has("nothing"), s.Has("left_out"), s.Path("~/a"), s.Path("b"), s.Path("/c"), s.Path(""),
	}
	want := []any{
		"a", "from env", "from env", "x", "5", "true", 5, 1, 7, true, true, true,
		[]string{"a", "b"}, map[string]string{"a": "b"}, true, false, false, "/home/ann/a", "/stack/b", "/c", "",
	}
	if diff := cmp.Diff(want, got); diff != "" || s.Err() != nil {
		t.Errorf("%v: %s", s.Err(), diff)
	}
	s.Required("first")
	s.Required("second")
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), `backend "x": first is missing`) {
		t.Errorf("the first mistake is told: %v", err)
	}
}

func TestWithin(t *testing.T) {
	dir := t.TempDir()
	stack, outside := filepath.Join(dir, "stack"), filepath.Join(dir, "outside")
	for _, folder := range []string{stack, outside} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(stack, "f"), filepath.Join(outside, "link")); err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: stack}
	for path, want := range map[string]bool{
		"f": true, "./f": true, "none": true, "../outside/f": false, filepath.Join(outside, "f"): false, filepath.Join(outside, "link"): true,
	} {
		if got := c.Within(path); got != want {
			t.Errorf("%s lies in the stack's folder: %v", path, got)
		}
	}
}

func TestLockString(t *testing.T) {
	for want, lock := range map[string]Lock{
		"unknown": {Unknown: true}, "not held": {}, "held": {Held: true},
		"held by ann@bridge for apply since 10:00": {Held: true, Who: "ann@bridge", Operation: "apply", Since: "10:00"},
	} {
		if got := lock.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUnreachedKeepsWhatIsKnown(t *testing.T) {
	told := Denied("h", "no")
	if got := Unreached("s", fmt.Errorf("wrapped: %w", told)); !errors.Is(got, told) {
		t.Errorf("got %v", got)
	}
}

func FuzzHeldBy(f *testing.F) {
	f.Add([]byte(`{"ID":"1","Who":"ann@bridge","Operation":"apply","Created":"2026-11-20T10:00:00Z"}`))
	f.Add([]byte(`{"Who":{}}`))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, info []byte) {
		lock := HeldBy(info)
		if !lock.Held || lock.Unknown || len(lock.String()) > 400 {
			t.Errorf("%q: %+v", info, lock)
		}
	})
}

func FuzzGunzip(f *testing.F) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte("a state"))
	_ = z.Close()
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:12])
	f.Add([]byte{})
	c := Config{Limit: 1 << 16}
	f.Fuzz(func(t *testing.T, packed []byte) {
		data, err := c.Gunzip("s", packed)
		if int64(len(data)) > c.Limit || err != nil && (data != nil || taffrail.KindOf(err) != taffrail.KindInvalid) {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	})
}

func FuzzPasswords(f *testing.F) {
	f.Add("postgres://ann:secret@host/db?password=x")
	f.Add("password='a b' sig=")
	f.Fuzz(func(t *testing.T, text string) {
		c := Config{Attributes: map[string]any{"a": text}, Env: func(string) string { return "" }}
		for _, p := range passwords(text) {
			if len(p) < 4 || strings.ContainsAny(p, "(secret)") { // too short to tell, or like what stands in its place
				continue
			}
			if got := c.Scrub(errors.New("the server says " + p)).Error(); strings.Contains(got, p) {
				t.Errorf("%q stays in %q", p, got)
			}
		}
	})
}

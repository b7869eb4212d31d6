package auditor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/auditor"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

const origin = "taffrail.local/test"

// A site is a log, and a folder of an auditor's.
type site struct {
	t       *testing.T
	dir     string
	storage *audittest.Memory
	log     *audit.Log
	ring    audit.Ring
	vkey    string
	offset  time.Duration
}

func newSite(t *testing.T, key string) *site {
	t.Helper()
	skey, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat(key, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir(), storage: audittest.NewMemory(), vkey: vkey}
	if s.ring, err = audittest.RingOf(vkey, signer); err != nil {
		t.Fatal(err)
	}
	if s.log, err = audit.Begin(t.Context(), s.storage, audit.NewSigner(s.ring, audittest.NewMemoryGuard())); err != nil {
		t.Fatal(err)
	}
	return s
}

// bundle grows the log to a size and exports all of it.
func (s *site) bundle(size int64) string { return s.part(0, size) }

// part grows the log to a size and exports it from an entry on.
func (s *site) part(first, size int64) string {
	s.t.Helper()
	err := s.storage.Write(s.t.Context(), func(w audit.Writer) error {
		from, err := w.Size()
		for i := from; i < size && err == nil; i++ {
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(s.offset + time.Duration(i)*time.Second)
			_, err = audit.Append(w, fmt.Appendf(nil, `{"counter":%d,"time":"%s","type":"t"}`, i, at.Format(time.RFC3339)))
		}
		return err
	})
	if err == nil {
		_, err = s.log.Sign(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := audit.WriteBundle(s.t.Context(), &b, s.storage, s.ring.Keys(), audit.BundleRequest{From: first, To: size}); err != nil {
		s.t.Fatal(err)
	}
	return s.file(fmt.Sprintf("bundle-%d-%d-%d.tar", first, size, s.offset), b.String())
}

func (s *site) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// verify gives the class of the answer, and the text.
func (s *site) verify(r auditor.Request) (int, string) {
	s.t.Helper()
	report, err := auditor.Verify(s.t.Context(), r, strings.NewReader(""))
	text := auditor.Text(report)
	if err != nil {
		text = err.Error()
	}
	return auditor.ExitStatus(report, err), text
}

func TestClasses(t *testing.T) {
	s, thief := newSite(t, "a"), newSite(t, "a")
	thief.offset = time.Hour
	policy := s.file("policy", "log "+s.vkey+"\nquorum none\n")
	_, w, err := audit.GenerateCosigner("w", [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	memory := filepath.Join(s.dir, "seen")
	first, older, forked := s.bundle(10), s.bundle(20), thief.bundle(30)
	past := thief.part(512, 600) // has no tile in which what is remembered ends
	for _, tc := range []struct {
		name    string
		request auditor.Request
		want    int
		says    string
	}{
		{"what is good", auditor.Request{Bundle: first, Policy: policy, Remember: memory}, auditor.ExitVerified, "Verified, SIGNED-ONLY"},
		{"and grew", auditor.Request{Bundle: older, Policy: policy, Remember: memory}, auditor.ExitVerified, "contains the one of 10 entries that is remembered"},
		{"an older copy", auditor.Request{Bundle: first, Policy: policy, Remember: memory}, auditor.ExitForged, "20 entries were remembered, and there are 10"},
		{"another history by a stolen key", auditor.Request{Bundle: forked, Policy: policy, Remember: memory}, auditor.ExitForged, "does not contain the one of 20 entries that was remembered"},
		{"and past what is remembered", auditor.Request{Bundle: past, Policy: policy, Remember: memory}, auditor.ExitUnlinked, "does not show whether the tree contains the one of 20 entries that was remembered"},
		{"and with no witness either", auditor.Request{Bundle: past, Policy: s.file("strict", "log "+s.vkey+"\nwitness w "+w+"\nquorum w\n"), Remember: memory}, auditor.ExitUnseen, "NOT VERIFIED"},
		{"which is not seen without a memory", auditor.Request{Bundle: forked, Policy: policy}, auditor.ExitVerified, "nothing was remembered"},
		{"another key", auditor.Request{Bundle: first, Policy: s.file("other", "log "+newSite(t, "b").vkey+"\nquorum none\n")}, auditor.ExitUnsigned, "NOT VERIFIED"},
		{"no witness", auditor.Request{Bundle: first, Policy: s.file("strict", "log "+s.vkey+"\nwitness w "+w+"\nquorum w\n")}, auditor.ExitUnseen, "asks for more witnesses than the 0 that cosigned"},
		{"no bundle", auditor.Request{Bundle: policy, Policy: policy}, auditor.ExitUnreadable, "read bundle"},
		{"no policy", auditor.Request{Bundle: first, Policy: first}, auditor.ExitUnreadable, "policy"},
		{"no file", auditor.Request{Bundle: filepath.Join(s.dir, "x"), Policy: policy}, auditor.ExitUnreadable, "no such file"},
		{"a memory that is none", auditor.Request{Bundle: first, Policy: policy, Remember: s.file("broken", "x")}, auditor.ExitUnreadable, "remembered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, _ := os.ReadFile(tc.request.Remember)
			status, text := s.verify(tc.request)
			if status != tc.want || !strings.Contains(text, tc.says) {
				t.Errorf("exit status %d, want %d\n%s", status, tc.want, text)
			}
			if after, _ := os.ReadFile(tc.request.Remember); tc.want != auditor.ExitVerified && !bytes.Equal(before, after) {
				t.Error("what did not verify is remembered")
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A meanwhile is a bundle; before more of it is read, something happens.
type meanwhile struct {
	io.Reader
	happens func()
}

func (m *meanwhile) Read(p []byte) (int, error) {
	m.happens()
	return m.Reader.Read(p)
}

// Two verifications at once: the one that ends last never takes back what the other has remembered.
func TestMemoryIsNotSetBack(t *testing.T) {
	s := newSite(t, "a")
	policy := s.file("policy", "log "+s.vkey+"\nquorum none\n")
	memory := filepath.Join(s.dir, "seen")
	first, second, middle := s.bundle(10), s.bundle(20), s.bundle(35)
	for _, before := range []string{"", first} {
		if before != "" {
			if err := os.Remove(memory); err != nil {
				t.Fatal(err)
			}
			s.verify(auditor.Request{Bundle: before, Policy: policy, Remember: memory})
		}
		data, err := os.ReadFile(middle)
		if err != nil {
			t.Fatal(err)
		}
		slow := &meanwhile{bytes.NewReader(data), sync.OnceFunc(func() { s.verify(auditor.Request{Bundle: s.bundle(60), Policy: policy, Remember: memory}) })}
		report, err := auditor.Verify(t.Context(), auditor.Request{Bundle: "-", Policy: policy, Remember: memory}, slow)
		if status := auditor.ExitStatus(report, err); status != auditor.ExitUnreadable || err == nil || !strings.Contains(err.Error(), "meanwhile") {
			t.Errorf("exit status %d: %v", status, err)
		}
		if status, text := s.verify(auditor.Request{Bundle: second, Policy: policy, Remember: memory}); status != auditor.ExitForged || !strings.Contains(text, "60 entries were remembered") {
			t.Errorf("exit status %d\n%s", status, text)
		}
	}
}

// TestAnchorsAreChecked has a receipt, and someone who can check it or not.
func TestAnchorsAreChecked(t *testing.T) {
	s := newSite(t, "a")
	s.bundle(10)
	var b bytes.Buffer
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	if _, err := audit.WriteBundle(t.Context(), &b, s.storage, s.ring.Keys(), audit.BundleRequest{
		To: 10, Receipts: []audit.Receipt{{Size: 10, Kind: "git", Anchor: "mirror", At: at, Data: []byte("x")}},
	}); err != nil {
		t.Fatal(err)
	}
	r := auditor.Request{Bundle: s.file("anchored.tar", b.String()), Policy: s.file("policy", "log "+s.vkey+"\nquorum none\n")}
	for _, tc := range []struct {
		check audit.Checker
		want  int
		says  string
	}{
		{nil, auditor.ExitVerified, "not checked: receipts of this kind are not checked here"},
		{func(context.Context, audit.Checkpoint, audit.Receipt) (time.Time, error) { return at, nil }, auditor.ExitVerified, "Verified, SIGNED-ONLY, ANCHORED(1)"},
		{func(context.Context, audit.Checkpoint, audit.Receipt) (time.Time, error) {
			return at, &audit.CorruptError{What: "the commit is gone"}
		}, auditor.ExitForged, "the commit is gone"},
	} {
		if r.Anchors = nil; tc.check != nil {
			r.Anchors = map[string]audit.Checker{"git": tc.check}
		}
		if status, text := s.verify(r); status != tc.want || !strings.Contains(text, tc.says) {
			t.Errorf("exit status %d, want %d and %q\n%s", status, tc.want, tc.says, text)
		}
	}
}

func TestTextIsFitForATerminal(t *testing.T) {
	text := auditor.Text(audit.BundleReport{Origin: "a\x1b[2Jb\u202e", Verdicts: []audit.Verdict{{Name: "x", Faults: []string{"c\rd"}}}})
	if strings.ContainsAny(text, "\x1b\r\u202e") {
		t.Errorf("%q", text)
	}
}

package audit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// An archive is a log of entries as a program writes them, under a key of its own, and an auditor's policy.
type archive struct {
	t       testing.TB
	storage *audittest.Memory
	guard   *audittest.MemoryGuard
	key     note.Signer
	ring    audit.Ring
	vkey    string
	log     *audit.Log
	clock   time.Time
	blobs   map[string][]byte
}

func newArchive(t testing.TB) *archive {
	t.Helper()
	skey, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat("0123456789abcdef", 4)), origin)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{
		t: t, storage: audittest.NewMemory(), guard: audittest.NewMemoryGuard(), vkey: vkey,
		clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), blobs: map[string][]byte{},
	}
	if a.key, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if a.ring, err = audittest.RingOf(vkey, a.key); err != nil {
		t.Fatal(err)
	}
	if a.log, err = audit.Begin(t.Context(), a.storage, audit.NewSigner(a.ring, a.guard)); err != nil {
		t.Fatal(err)
	}
	return a
}

// entry is the leaf of an index: every tenth names a payload, and more says what else is in it.
func (a *archive) entry(i int64, more string) []byte {
	ref := ""
	if i%10 == 0 {
		blob := fmt.Appendf(nil, "payload of %d", i)
		sum := sha256.Sum256(blob)
		digest := hex.EncodeToString(sum[:])
		a.blobs[digest] = blob
		ref = fmt.Sprintf(`"finding":{"sha256":"%s","size":%d},`, digest, len(blob))
	}
	at := a.clock.Add(time.Duration(i) * time.Second).Format(time.RFC3339Nano)
	leaf, err := audit.Canonical(fmt.Appendf(nil, `{%s%s"counter":%d,"nonce":"%032x","time":"%s","type":"test.thing","v":1}`, ref, more, i, i, at))
	if err != nil {
		a.t.Fatal(err)
	}
	return leaf
}

// grow appends entries up to a size, and signs.
func (a *archive) grow(size int64) audit.Checkpoint {
	a.t.Helper()
	err := a.storage.Write(a.t.Context(), func(w audit.Writer) error {
		for i, _ := w.Size(); i < size; i++ {
			if _, err := audit.Append(w, a.entry(i, "")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	cp, err := a.log.Sign(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return cp
}

// add appends an entry with more members, and does not sign.
func (a *archive) add(more string) {
	a.t.Helper()
	err := a.storage.Write(a.t.Context(), func(w audit.Writer) error {
		size, err := w.Size()
		if err == nil {
			_, err = audit.Append(w, a.entry(size, more))
		}
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// payloads names those of an entry.
func (a *archive) payloads(index int64, leaf []byte) ([]audit.Payload, error) {
	_, rest, ok := bytes.Cut(leaf, []byte(`"sha256":"`))
	if !ok {
		return nil, nil
	}
	return []audit.Payload{{Entry: index, SHA256: string(rest[:64])}}, nil
}

func (a *archive) blob(digest string) ([]byte, error) {
	if b, ok := a.blobs[digest]; ok {
		return b, nil
	}
	return nil, audit.ErrMissing
}

func (a *archive) export(req audit.BundleRequest) []byte {
	a.t.Helper()
	req.Payloads, req.Blob, req.Made, req.Program = a.payloads, a.blob, a.clock, "test"
	var b bytes.Buffer
	if _, err := audit.WriteBundle(a.t.Context(), &b, a.storage, a.ring.Keys(), req); err != nil {
		a.t.Fatal(err)
	}
	return b.Bytes()
}

func (a *archive) policy(more ...string) *audit.Policy {
	a.t.Helper()
	if len(more) == 0 {
		more = []string{"quorum none"}
	}
	p, err := audit.ParsePolicy([]byte("log " + a.vkey + "\n" + strings.Join(more, "\n") + "\n"))
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func verify(t testing.TB, bundle []byte, p *audit.Policy, remembered *audit.Head) audit.BundleReport {
	t.Helper()
	r, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), p, remembered, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func findings(r audit.BundleReport) map[string]audit.Finding {
	all := map[string]audit.Finding{}
	for _, v := range r.Verdicts {
		all[v.Name] = v.Finding
	}
	return all
}

func faults(r audit.BundleReport) string {
	var lines []string
	for _, v := range r.Verdicts {
		for _, f := range v.Faults {
			lines = append(lines, v.Name+": "+f)
		}
	}
	return strings.Join(lines, "\n")
}

func TestBundleOfARange(t *testing.T) {
	for _, size := range []int64{1, 2, 255, 256, 257, 600, 1024, 66000} {
		a := newArchive(t)
		cp := a.grow(size)
		ranges := [][2]int64{{0, size}, {size / 2, size}, {0, (size + 1) / 2}, {size - 1, size}}
		if size > 2000 {
			ranges = ranges[3:] // what is above is the same
		}
		for _, r := range ranges {
			got := verify(t, a.export(audit.BundleRequest{From: r[0], To: r[1]}), a.policy(), nil)
			if !got.OK() || got.Root != cp.Root.String() || got.Size != size || got.From > r[0] || got.To < r[1] {
				t.Fatalf("size %d, %v: %+v\n%s", size, r, got, faults(got))
			}
			want := map[string]audit.Finding{
				"signature": "ok", "quorum": "not_checked", "entries": "ok", "completeness": "ok", "consistency": "not_checked", "times": "ok", "intents": "ok",
				"payloads": "ok", "anchors": "not_checked",
			}
			if got.Payloads == 0 {
				want["payloads"] = "not_checked"
			}
			if diff := cmp.Diff(want, findings(got)); diff != "" {
				t.Errorf("size %d, %v: %s", size, r, diff)
			}
		}
	}
}

func TestBundleOfSingleEntriesProvesPresenceAlone(t *testing.T) {
	a := newArchive(t)
	a.grow(1000)
	got := verify(t, a.export(audit.BundleRequest{Single: []int64{999, 0, 500, 0}}), a.policy(), nil)
	if !got.OK() || got.Single != 3 || got.Payloads != 2 || findings(got)["completeness"] != audit.FindingNotChecked || findings(got)["entries"] != audit.FindingOK {
		t.Errorf("%+v", got)
	}
}

func TestBundleNeedsTheVerifiersOwnPolicy(t *testing.T) {
	a := newArchive(t)
	a.grow(300)
	bundle := a.export(audit.BundleRequest{To: 300, Policy: []byte("log " + a.vkey + "\nquorum none\n")})
	_, other, err := note.GenerateKey(strings.NewReader(strings.Repeat("fedcba9876543210", 4)), origin)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another key": "log " + other + "\nquorum none\n", "no log": "quorum none\n",
		"a key that ends before": "log " + a.vkey + "\n# taffrail:valid " + strings.Join(strings.Split(a.vkey, "+")[:2], "+") + " 0 300\nquorum none\n",
	} {
		p, err := audit.ParsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := verify(t, bundle, p, nil)
		if got.OK() || got.Signed != "UNSIGNED" || findings(got)["signature"] != audit.FindingFailed {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestBundleAgainstWhatIsRemembered(t *testing.T) {
	a := newArchive(t)
	var heads []audit.Head
	for _, size := range []int64{1, 100, 256, 400, 512, 700, 900} {
		heads = append(heads, a.grow(size).Head)
	}
	for _, r := range [][2]int64{{0, 900}, {300, 600}, {890, 900}} {
		for _, h := range heads {
			bundle := a.export(audit.BundleRequest{From: r[0], To: r[1], Since: h.Size})
			got := verify(t, bundle, a.policy(), &h)
			if !got.OK() || findings(got)["consistency"] != audit.FindingOK {
				t.Errorf("%v, remembered %d: %+v", r, h.Size, got.Verdicts)
			}
			forged := h
			forged.Root[5] ^= 1
			got = verify(t, bundle, a.policy(), &forged)
			if got.OK() || !strings.Contains(faults(got), fmt.Sprintf("does not contain the one of %d entries that was remembered", h.Size)) {
				t.Errorf("%v, another tree remembered at %d: %s", r, h.Size, faults(got))
			}
		}
	}
	future := audit.Head{Origin: origin, Size: 901, Root: heads[0].Root}
	if got := verify(t, a.export(audit.BundleRequest{To: 900}), a.policy(), &future); got.OK() || !strings.Contains(faults(got), "901 entries were remembered, and there are 900") {
		t.Errorf("an older copy: %s", faults(got))
	}
	other := heads[1]
	other.Origin = "taffrail.local/other"
	if got := verify(t, a.export(audit.BundleRequest{To: 900}), a.policy(), &other); got.OK() {
		t.Error("another log was remembered")
	}
	got := verify(t, a.export(audit.BundleRequest{From: 512, To: 900}), a.policy(), &heads[1])
	if got.OK() || !got.Unlinked || !strings.Contains(faults(got), "does not show whether the tree contains the one of 100 entries that was remembered") {
		t.Errorf("a size that the bundle does not cover: %+v", got.Verdicts)
	}
}

// files takes a bundle apart, and bundled puts one together.
func files(t testing.TB, bundle []byte) []*file {
	t.Helper()
	var all []*file
	for r := tar.NewReader(bytes.NewReader(bundle)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &file{*h, data})
	}
}

type file struct {
	tar.Header
	data []byte
}

func bundled(t testing.TB, all []*file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range all {
		f.Size = int64(len(f.data))
		if err := w.WriteHeader(&f.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// No bit of what matters can be changed without a fault, and none makes the verifier panic.
func TestBundleWithAFlippedBit(t *testing.T) {
	a := newArchive(t)
	a.grow(100)
	h := a.grow(600).Head
	a.grow(700)
	whole := a.export(audit.BundleRequest{From: 300, To: 600, Single: []int64{3, 10}, Since: 600})
	if got := verify(t, whole, a.policy(), &h); !got.OK() {
		t.Fatal(faults(got))
	}
	all := files(t, whole)
	for _, f := range all {
		if f.Name == "manifest.json" || f.Name == "keys/history.jsonl" {
			continue // proves nothing by itself, and has a test of its own
		}
		for at := 0; at < len(f.data); at += max(1, len(f.data)/10) {
			f.data[at] ^= 1
			got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, all)), a.policy(), &h, nil)
			if err == nil && got.OK() {
				t.Errorf("%s: byte %d was changed, and nobody noticed", f.Name, at)
			}
			f.data[at] ^= 1
		}
	}
}

func TestBundleWithoutAFile(t *testing.T) {
	a := newArchive(t)
	a.grow(100)
	h := a.grow(300).Head
	a.grow(700)
	whole := a.export(audit.BundleRequest{To: 700, Single: []int64{3}})
	for i := range files(t, whole) {
		all := files(t, whole)
		name := all[i].Name
		if strings.HasPrefix(name, "checkpoints/") || name == "keys/history.jsonl" {
			continue // the tree says as much
		}
		all = append(all[:i], all[i+1:]...)
		got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, all)), a.policy(), &h, nil)
		if err == nil && got.OK() {
			t.Errorf("%s is gone, and nobody noticed", name)
		}
	}
}

// An entry that is left out shows, whether the tile is made to fit or not.
func TestBundleWithADroppedEntry(t *testing.T) {
	a := newArchive(t)
	a.grow(700)
	all := files(t, a.export(audit.BundleRequest{To: 700}))
	for _, f := range all {
		if f.Name != "tile/entries/001" {
			continue
		}
		entries, err := audit.ParseEntries(f.data)
		if err != nil {
			t.Fatal(err)
		}
		f.data = append(f.data[:2+len(entries[0])], f.data[2*(2+len(entries[0])):]...)
	}
	got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, all)), a.policy(), nil, nil)
	if err == nil && got.OK() {
		t.Error("nobody noticed")
	}
	fake := files(t, a.export(audit.BundleRequest{To: 700}))
	for _, f := range fake {
		if f.Name == "tile/entries/001" {
			f.data = bytes.Replace(f.data, []byte("test.thing"), []byte("test.other"), 1)
		}
	}
	r := verify(t, bundled(t, fake), a.policy(), nil)
	if !strings.Contains(faults(r), "entries [256, 512): they are not those of the tree") {
		t.Error(faults(r))
	}
}

func TestBundleOfHostileArchives(t *testing.T) {
	a := newArchive(t)
	a.grow(20)
	good := func() []*file { return files(t, a.export(audit.BundleRequest{To: 20})) }
	plain := func(name string, data []byte) *file {
		return &file{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, data}
	}
	link := &file{tar.Header{Name: "tile/0/000.p/20", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil}
	for name, all := range map[string][]*file{
		"empty":               {},
		"a name that climbs":  append(good(), plain("../../etc/passwd", []byte("x"))),
		"an absolute name":    append(good(), plain("/tile/entries/000.p/20", nil)),
		"a link":              append(good()[:2], link),
		"no manifest":         good()[1:],
		"two manifests":       append(good()[:1], good()...),
		"entries twice":       append(good(), good()[len(good())-3:]...),
		"a manifest of zeros": {plain("manifest.json", make([]byte, 1000))},
		"an unknown file":     append(good(), plain("readme.txt", nil)),
		"a history twice":     append(good()[:3], good()[2:]...),
		"a tile twice":        append(good()[:4], good()[3:]...),
		"tiles before keys":   append(append(good()[:2], good()[3]), append([]*file{good()[2]}, good()[4:]...)...),
		"a policy too late":   append(good()[:4], append([]*file{plain("policy.informational.txt", nil)}, good()[4:]...)...),
		"a policy twice":      append(good()[:3], append([]*file{plain("policy.informational.txt", nil), plain("policy.informational.txt", nil)}, good()[3:]...)...),
		"a tile of no tree":   append(good()[:4], append([]*file{plain("tile/1/000.p/1", make([]byte, 32))}, good()[4:]...)...),
		"a tile above all":    append(good()[:4], append([]*file{plain("tile/63/000.p/1", make([]byte, 32))}, good()[4:]...)...),
		"a tile of before":    append(good()[:4], append([]*file{plain("tile/0/000.p/3", good()[3].data[:96])}, good()[4:]...)...),
		"a tile too late":     append(good(), good()[3]),
	} {
		var bad *audit.BundleError
		if _, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, all)), a.policy(), nil, nil); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What stands behind single entries, and what a receipt is called: a name that a person may copy into a shell is made of size, number and kind.
func TestBundleOfHostileNames(t *testing.T) {
	a := newArchive(t)
	cp := a.grow(20)
	bundle := a.export(audit.BundleRequest{To: 20, Single: []int64{3}, Receipts: []audit.Receipt{stamped(t, cp, cp.Note, a.clock)}})
	hostile := "anchors/20.0.rfc3161;touch hacked;"
	for name, change := range map[string]func([]*file) []*file{
		"entries behind single ones": func(all []*file) []*file {
			i := slices.IndexFunc(all, func(f *file) bool { return strings.HasPrefix(f.Name, "tile/entries/") })
			return slices.Insert(all, len(all)-1, all[i])
		},
		"a receipt": func(all []*file) []*file {
			for _, f := range all {
				if f.Name == "anchors/20.0.rfc3161" {
					f.Name = hostile
				}
				f.data = bytes.ReplaceAll(f.data, []byte(`"anchors/20.0.rfc3161"`), []byte(`"`+hostile+`"`))
			}
			return all
		},
		"a kind": func(all []*file) []*file {
			for _, f := range all {
				if f.Name == "anchors/20.0.rfc3161" {
					f.Name = hostile
				}
				f.data = bytes.ReplaceAll(f.data, []byte(`"anchors/20.0.rfc3161"`), []byte(`"`+hostile+`"`))
				f.data = bytes.ReplaceAll(f.data, []byte(`"kind": "rfc3161"`), []byte(`"kind": "rfc3161;touch hacked;"`))
			}
			return all
		},
	} {
		var bad *audit.BundleError
		got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, change(files(t, bundle)))), a.policy(), nil, nil)
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, %+v", name, err, got.Verdicts)
		}
	}
	if _, err := audit.WriteBundle(t.Context(), io.Discard, a.storage, a.ring.Keys(), audit.BundleRequest{To: 20, Receipts: []audit.Receipt{{Size: 20, Kind: "a b"}}}); err == nil {
		t.Error("a kind that is no word was written")
	}
}

// endless is a tar whose first file says that it is huge, and is.
type endless struct {
	head []byte
	read int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	if n == 0 {
		clear(p)
		n = len(p)
	}
	e.read += int64(n)
	return n, nil
}

func TestBundleOfTenGigabytesOfZeros(t *testing.T) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Size: 10 << 30, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	source := &endless{head: b.Bytes()}
	_, err := audit.VerifyBundle(t.Context(), source, newArchive(t).policy(), nil, nil)
	if err == nil || source.read > 1<<20 {
		t.Errorf("%d bytes were read: %v", source.read, err)
	}
}

func TestBundleIsCancelled(t *testing.T) {
	a := newArchive(t)
	a.grow(600)
	bundle := a.export(audit.BundleRequest{To: 600})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.VerifyBundle(ctx, bytes.NewReader(bundle), a.policy(), nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBundleOfIntents(t *testing.T) {
	a := newArchive(t)
	a.grow(10)
	a.add(`"outcome":"intended",`)
	a.add(`"intent":10,"outcome":"ok",`)
	size := a.grow(20).Size
	if got := verify(t, a.export(audit.BundleRequest{To: size}), a.policy(), nil); findings(got)["intents"] != audit.FindingOK {
		t.Errorf("%+v", got.Verdicts)
	}
	a.add(`"outcome":"intended",`)
	size = a.grow(22).Size
	if got := verify(t, a.export(audit.BundleRequest{To: size}), a.policy(), nil); !got.OK() || findings(got)["intents"] != audit.FindingNotChecked {
		t.Errorf("%+v", got.Verdicts)
	}
	a.add(`"intent":3,"outcome":"ok",`)
	size = a.grow(30).Size
	if got := verify(t, a.export(audit.BundleRequest{To: size}), a.policy(), nil); !strings.Contains(faults(got), "entry 22: it is the outcome of entry 3") {
		t.Error(faults(got))
	}
}

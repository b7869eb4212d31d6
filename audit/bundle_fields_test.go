package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// A diary is an archive some of whose entries have fields that stand outside.
type diary struct {
	*archive
	fields map[int64][]string // encoded disclosures, by entry
}

func newDiary(t testing.TB) *diary { return &diary{newArchive(t), map[int64][]string{}} }

// write appends an entry with two fields outside, and others to fill a tile.
func (d *diary) write(kind, more string) (index int64) {
	d.t.Helper()
	err := d.storage.Write(d.t.Context(), func(w audit.Writer) (err error) {
		if index, err = w.Size(); err != nil {
			return err
		}
		var digests []string
		for _, name := range []string{"by", "mail"} {
			text, err := audit.Disclosure{Salt: fmt.Sprintf("%022d", index), Name: name, Value: fmt.Sprintf(`"person %d"`, index)}.Text()
			if err != nil {
				return err
			}
			d.fields[index] = append(d.fields[index], text)
			digests = append(digests, audit.DisclosureDigest(text))
		}
		sd, err := json.Marshal(digests)
		if err != nil {
			return err
		}
		leaf := strings.Replace(string(d.entry(index, `"_sd":`+string(sd)+`,"_sd_alg":"sha-256",`+more)), "test.thing", kind, 1)
		_, err = audit.Append(w, []byte(leaf))
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return index
}

// lenient is the policy that asks for no witness, and knows all.
func (c *court) lenient() *audit.Policy {
	var lines []string
	for _, name := range []string{"x", "y", "z"} {
		lines = append(lines, "witness "+name+" "+c.vkeys[name])
	}
	return c.policy(append(lines, "quorum none")...)
}

func (d *diary) disclosures(index int64) ([]string, error) { return d.fields[index], nil }

func (d *diary) verdict(bundle []byte) (audit.BundleReport, string) {
	d.t.Helper()
	r, err := audit.VerifyBundle(d.t.Context(), bytes.NewReader(bundle), d.policy(), nil, nil)
	if err != nil {
		return r, err.Error()
	}
	return r, faults(r)
}

func TestBundleOfDisclosures(t *testing.T) {
	d := newDiary(t)
	d.grow(3)
	first := d.write("test.thing", "")
	d.grow(300)
	second := d.write("test.thing", "")
	third := d.write("test.thing", "")
	size := d.grow(400).Size
	d.fields[third] = d.fields[third][:1] // one was erased
	whole := d.export(audit.BundleRequest{To: size, Single: []int64{first, third}, Disclosures: d.disclosures})
	r, said := d.verdict(whole)
	if !r.OK() || r.Disclosed != 8 || r.WithheldFields != 2 || said != "" {
		t.Errorf("%d are disclosed, %d are withheld: %s", r.Disclosed, r.WithheldFields, said)
	}
	if r, said := d.verdict(d.export(audit.BundleRequest{To: size})); !r.OK() || r.Disclosed != 0 || r.WithheldFields != 6 {
		t.Errorf("none: %d are disclosed, %d are withheld: %s", r.Disclosed, r.WithheldFields, said)
	}
	change := func(index int64, to any) func([]*file) []*file {
		return func(all []*file) []*file {
			for _, f := range all {
				if f.Name == fmt.Sprintf("disclosures/%d.json", index) {
					f.data, _ = json.Marshal(to)
				}
			}
			return all
		}
	}
	name := fmt.Sprintf("disclosures/%d.json", first)
	at := func(all []*file) int {
		for i, f := range all {
			if f.Name == name {
				return i
			}
		}
		t.Fatal("there is none")
		return 0
	}
	forged, err := audit.Disclosure{Salt: fmt.Sprintf("%022d", first), Name: "by", Value: `"somebody else"`}.Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func([]*file) []*file
		says   string
	}{
		"of another entry": {change(first, d.fields[second]), "is not one of its own"},
		"of the next":      {change(second, d.fields[third]), "is not one of its own"},
		"another value":    {change(first, []string{forged, d.fields[first][1]}), `the disclosure of "by" is not one of its own`},
		"one doubled":      {change(first, []string{d.fields[first][0], d.fields[first][0]}), "stands there twice"},
		"one dropped":      {change(first, d.fields[first][:1]), "6 disclosures that hold, and there were 40 and 8"},
		"one that is none": {change(first, []string{"e30"}), "it is no array of salt, name and value"},
		"nothing":          {change(first, []string{}), "no JSON array"},
		"a file dropped":   {func(all []*file) []*file { i := at(all); return append(all[:i], all[i+1:]...) }, "hold, and there were"},
		"a file doubled":   {func(all []*file) []*file { i := at(all); return append(all[:i+1], all[i:]...) }, "stands there twice"},
		"a file moved": {func(all []*file) []*file {
			i := at(all)
			f := all[i]
			return append(append(all[:i:i], all[i+1:len(all)-1]...), f, all[len(all)-1])
		}, "its entry does not stand before it"},
		"without the totals": {func(all []*file) []*file { return all[:len(all)-1] }, "the end is missing"},
		"behind the totals":  {func(all []*file) []*file { return append(all, all[at(all)]) }, "behind the end"},
	} {
		all := tc.change(files(t, whole))
		if r, said := d.verdict(bundled(t, all)); r.OK() && !strings.Contains(said, "read bundle") || !strings.Contains(said, tc.says) {
			t.Errorf("%s: %q, want %q", name, said, tc.says)
		}
	}
}

func TestBundleOfRedactions(t *testing.T) {
	d := newDiary(t)
	entry := d.write("test.thing", "")
	d.grow(11) // entry 10 names a payload
	var payload string
	for digest := range d.blobs {
		if string(d.blobs[digest]) == "payload of 10" {
			payload = digest
		}
	}
	field := audit.DisclosureDigest(d.fields[entry][1])
	told := func(outcome string, body string) int64 {
		return d.write("log.redacted", `"body":`+body+`,"outcome":"`+outcome+`",`)
	}
	byField := told("ok", fmt.Sprintf(`{"entry":%d,"field":"mail","digest":"%s","reason":"r","basis":"b"}`, entry, field))
	byPayload := told("ok", fmt.Sprintf(`{"entry":10,"payload":"%s","reason":"r","basis":"b"}`, payload))
	failed := told("failed", fmt.Sprintf(`{"entry":%d,"digest":"%s"}`, entry, field))
	size := d.grow(600).Size
	d.fields[entry] = d.fields[entry][:1]
	delete(d.blobs, payload)
	for name, tc := range map[string]struct {
		redactions []audit.Redaction
		from       int64
		redacted   int
		says       string // empty: fine
	}{
		"as it is":                          {[]audit.Redaction{{Entry: entry, Digest: field, By: byField}, {Entry: 10, Payload: payload, By: byPayload}}, 0, 2, ""},
		"nothing is said":                   {nil, 0, 0, ""},
		"by an entry that tells of another": {[]audit.Redaction{{Entry: entry, Digest: field, By: byPayload}}, 0, 0, "tells nothing of the kind"},
		"by an entry about something else":  {[]audit.Redaction{{Entry: entry, Digest: field, By: 300}}, 0, 0, "tells nothing of the kind"},
		"by one that failed":                {[]audit.Redaction{{Entry: entry, Digest: field, By: failed}}, 0, 0, "tells nothing of the kind"},
		"of a field that it never had":      {[]audit.Redaction{{Entry: 5, Digest: field, By: byField}}, 0, 0, "which does not name it"},
		"of a payload that it never had":    {[]audit.Redaction{{Entry: entry, Payload: payload, By: byPayload}}, 0, 0, "which does not name it"},
		"before it was there":               {[]audit.Redaction{{Entry: 10, Payload: payload, By: 3}}, 0, 0, "makes no sense"},
		"of nothing":                        {[]audit.Redaction{{Entry: 10, By: byPayload}}, 0, 0, "makes no sense"},
		"outside of the bundle":             {[]audit.Redaction{{Entry: entry, Digest: field, By: byField}}, 512, 0, ""},
	} {
		r, said := d.verdict(d.export(audit.BundleRequest{From: tc.from, To: size, Redactions: tc.redactions, Disclosures: d.disclosures}))
		if r.OK() != (tc.says == "") || !strings.Contains(said, tc.says) || r.Redacted != tc.redacted {
			t.Errorf("%s: %d redacted, %s", name, r.Redacted, said)
		}
	}
	r, _ := d.verdict(d.export(audit.BundleRequest{Single: []int64{entry}, Redactions: []audit.Redaction{{Entry: entry, Digest: field, By: byField}}, Disclosures: d.disclosures}))
	if v := verdictOf(r, audit.VerdictPayloads); !r.OK() || !strings.Contains(v.Detail, "1 are said to be erased by entries that are not in the bundle") {
		t.Errorf("%+v", v)
	}
}

func verdictOf(r audit.BundleReport, name string) audit.Verdict {
	for _, v := range r.Verdicts {
		if v.Name == name {
			return v
		}
	}
	return audit.Verdict{}
}

// A filtered export has the whole range of leaves, and payloads of what fits. What of the leaves is left out, moved or doubled shows.
func TestFilteredExport(t *testing.T) {
	a := newArchive(t)
	a.grow(700)
	req := audit.BundleRequest{To: 700, Payloads: func(index int64, leaf []byte) ([]audit.Payload, error) {
		if index%100 != 0 {
			return nil, nil
		}
		return a.payloads(index, leaf)
	}, Blob: a.blob, Filter: "every tenth"}
	var b bytes.Buffer
	m, err := audit.WriteBundle(t.Context(), &b, a.storage, a.ring.Keys(), req)
	if err != nil || m.Totals.Payloads != 7 {
		t.Fatalf("%+v, %v", m.Totals, err)
	}
	r := verify(t, b.Bytes(), a.policy(), nil)
	if !r.OK() || r.Payloads != 7 || r.Withheld != 63 || findings(r)["completeness"] != audit.FindingOK {
		t.Errorf("%d payloads, %d withheld\n%s", r.Payloads, r.Withheld, faults(r))
	}
	tiles := func(all []*file) (at []int) {
		for i, f := range all {
			if strings.HasPrefix(f.Name, "tile/entries/") {
				at = append(at, i)
			}
		}
		return at
	}
	leaves := func(f *file, change func([][]byte) [][]byte) {
		entries, err := audit.ParseEntries(bytes.Clone(f.data))
		if err != nil {
			t.Fatal(err)
		}
		f.data = nil
		for _, e := range change(entries) {
			f.data = append(append(f.data, byte(len(e)>>8), byte(len(e))), e...)
		}
	}
	for name, change := range map[string]func(all []*file, at []int) []*file{
		"an entry dropped": func(all []*file, at []int) []*file {
			leaves(all[at[1]], func(e [][]byte) [][]byte { return append(e[:7], e[8:]...) })
			return all
		},
		"an entry in the place of another": func(all []*file, at []int) []*file {
			leaves(all[at[1]], func(e [][]byte) [][]byte { e[7] = e[8]; return e })
			return all
		},
		"two entries swapped": func(all []*file, at []int) []*file {
			leaves(all[at[2]], func(e [][]byte) [][]byte { e[7], e[8] = e[8], e[7]; return e })
			return all
		},
		"an entry doubled": func(all []*file, at []int) []*file {
			leaves(all[at[2]], func(e [][]byte) [][]byte { return append(e, e[len(e)-1]) })
			return all
		},
		"an entry edited": func(all []*file, at []int) []*file {
			leaves(all[at[0]], func(e [][]byte) [][]byte {
				e[9] = bytes.Replace(e[9], []byte("test.thing"), []byte("test.thong"), 1)
				return e
			})
			return all
		},
		"a tile dropped":  func(all []*file, at []int) []*file { return append(all[:at[1]], all[at[1]+1:]...) },
		"a tile doubled":  func(all []*file, at []int) []*file { return append(all[:at[1]+1], all[at[1]:]...) },
		"two tiles moved": func(all []*file, at []int) []*file { all[at[0]], all[at[1]] = all[at[1]], all[at[0]]; return all },
		"the content of two tiles swapped": func(all []*file, at []int) []*file {
			all[at[0]].data, all[at[1]].data = all[at[1]].data, all[at[0]].data
			return all
		},
		"a payload dropped": func(all []*file, at []int) []*file { return append(all[:at[0]+1], all[at[0]+2:]...) },
		"a payload edited":  func(all []*file, at []int) []*file { all[at[0]+1].data[3] ^= 1; return all },
		"a payload longer":  func(all []*file, at []int) []*file { all[at[0]+1].data = append(all[at[0]+1].data, 0); return all },
		"a payload twice":   func(all []*file, at []int) []*file { return append(all[:at[0]+2], all[at[0]+1:]...) },
	} {
		all := files(t, b.Bytes())
		all = change(all, tiles(all))
		got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, all)), a.policy(), nil, nil)
		if err == nil && got.OK() {
			t.Errorf("%s: nobody noticed", name)
		}
	}
}

// An entry that gives a payload another size than it has was not written by this program.
func TestPayloadOfAnotherSize(t *testing.T) {
	a := newArchive(t)
	a.grow(1)
	var digest string
	for d := range a.blobs {
		digest = d
	}
	err := a.storage.Write(t.Context(), func(w audit.Writer) error {
		_, err := audit.Append(w, a.entry(1, fmt.Sprintf(`"body":{"sha256":"%s","size":%d},`, digest, len(a.blobs[digest])+1)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	size := a.grow(2).Size
	if got := verify(t, a.export(audit.BundleRequest{To: size}), a.policy(), nil); got.OK() || !strings.Contains(faults(got), "bytes, and the entry says") {
		t.Error(faults(got))
	}
}

// A root that the key never signed, a history that goes another way, and a key that was revoked.
func TestBundleOfForgeries(t *testing.T) {
	a, thief := newArchive(t), newArchive(t)
	remembered := a.grow(100).Head
	thief.clock = thief.clock.Add(1)
	thief.grow(300)
	honest := a.export(audit.BundleRequest{From: 0, To: a.grow(300).Size})
	if got := verify(t, thief.export(audit.BundleRequest{To: 300}), a.policy(), nil); !got.OK() {
		t.Fatal("without a memory nobody can tell") // and it is one key
	}
	if got := verify(t, thief.export(audit.BundleRequest{To: 300}), a.policy(), &remembered); got.OK() || !strings.Contains(faults(got), "does not contain the one of 100 entries that was remembered") {
		t.Errorf("another history: %s", faults(got))
	}
	all := files(t, honest)
	theirs := files(t, thief.export(audit.BundleRequest{To: 300}))
	all[1].data = theirs[1].data // the checkpoint of the other history, over the entries of this one
	if got := verify(t, bundled(t, all), a.policy(), nil); got.OK() || !strings.Contains(faults(got), "entries:") {
		t.Errorf("a forged root: %s", faults(got))
	}
	forged, err := a.ring.Sign(audit.Head{Origin: origin, Size: 300, Root: tlog.RecordHash([]byte("forged"))})
	if err != nil {
		t.Fatal(err)
	}
	all = files(t, honest)
	all[1].data = forged
	if got := verify(t, bundled(t, all), a.policy(), nil); got.OK() || !strings.Contains(faults(got), "the tiles do not lead to the root") {
		t.Errorf("a root that is not the tree's: %s", faults(got))
	}
	revoked, err := a.ring.Keys().Revoked(a.vkey, 200, audittest.Ring(t, origin).Keys().Newest().VKey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := audit.ParsePolicy([]byte(revoked.String() + "quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := verify(t, honest, p, nil); got.OK() || findings(got)["signature"] != audit.FindingFailed || !strings.Contains(faults(got), "not valid for this size") {
		t.Errorf("a revoked key: %s", faults(got))
	}
}

// The clock of the log is set back: what comes after a witness saw the log says that it was before.
func TestBundleOfAClockSetBack(t *testing.T) {
	c := newCourt(t)
	c.clock = noon.Add(-time.Hour)
	c.grow(300)
	if _, err := c.ask(c.panel()); err != nil {
		t.Fatal(err)
	}
	if got := verify(t, c.export(audit.BundleRequest{To: c.grow(500).Size}), c.lenient(), nil); !got.OK() {
		t.Errorf("what is good: %s", faults(got))
	}
	back := newCourt(t)
	back.clock = noon.Add(-24 * time.Hour) // all of it lies a day before
	back.grow(300)
	if _, err := back.ask(back.panel()); err != nil {
		t.Fatal(err)
	}
	got := verify(t, back.export(audit.BundleRequest{To: back.grow(500).Size}), back.lenient(), nil)
	if got.OK() || !strings.Contains(faults(got), "entry 300: it says") || !strings.Contains(faults(got), "had seen a log without it at 2026-01-02T12:00:00Z") || strings.Contains(faults(got), "entry 299") {
		t.Errorf("set back: %s", faults(got))
	}
}

// Whoever writes entries may lie about time, and not go back: neither in time nor in the number that every entry has.
func TestBundleOfTimesThatGoBack(t *testing.T) {
	for _, tc := range []struct{ time, counter, says string }{
		{"2026-01-02T03:04:15Z", "10", ""}, // the time of the entry before
		{"2026-01-02T03:04:13.999Z", "10", "entry 10: its time 2026-01-02T03:04:13.999Z is before that of the entry before it"},
		{"2026-01-02T04:04:13+02:00", "10", "entry 10: its time 2026-01-02T04:04:13+02:00 is before that of the entry before it"},
		{"yesterday", "10", `entry 10: its time "yesterday" is none`},
		{"2026-01-02T03:04:15Z", "9", "entry 10: its counter is 9"},
		{"2026-01-02T03:04:15Z", "11", "entry 10: its counter is 11"},
	} {
		a := newArchive(t)
		a.grow(10)
		err := a.storage.Write(t.Context(), func(w audit.Writer) error {
			_, err := audit.Append(w, fmt.Appendf(nil, `{"counter":%s,"time":"%s","type":"test.thing"}`, tc.counter, tc.time))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got := verify(t, a.export(audit.BundleRequest{To: a.grow(20).Size}), a.policy(), nil)
		if got.OK() != (tc.says == "") || !strings.Contains(faults(got), tc.says) || tc.says != "" && findings(got)["times"] != audit.FindingFailed {
			t.Errorf("%+v: %s", tc, faults(got))
		}
	}
}

package audit

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Belongings are what some entries in a row name: those of a tile, or a single one. They are forgotten when the next come.
type belongings struct {
	from, to int64
	refs     map[string]int64   // payloads by digest, with their size
	seen     map[string]bool    // those that came
	fields   map[int64][]string // digests of disclosures, by entry; those that came are taken out
	shown    int64              // entry whose disclosures came last; none comes before it again
}

// A claim is a redaction that the manifest tells of.
type claim struct {
	Redaction
	names bool // its entry holds the digest
	told  bool // the entry that it refers to says so
}

func (v *bundleVerifier) takeClaims() {
	v.concerns = map[int64][]int{}
	for i, r := range v.manifest.Redactions {
		v.claims = append(v.claims, claim{Redaction: r})
		v.concerns[r.Entry] = append(v.concerns[r.Entry], i)
		if r.By != r.Entry {
			v.concerns[r.By] = append(v.concerns[r.By], i)
		}
	}
}

// names takes note of what an entry names.
func (v *bundleVerifier) names(index int64, leaf []byte, h header) {
	n := &v.named
	if n.refs == nil {
		*n = belongings{from: index, refs: map[string]int64{}, seen: map[string]bool{}, fields: map[int64][]string{}, shown: -1}
	}
	n.to = index + 1
	refs := payloadRefs(leaf)
	for digest, size := range refs {
		n.refs[digest] = size
	}
	if len(h.Digests) > 0 {
		if h.Algorithm != DisclosureAlgorithm {
			v.report.fail(VerdictPayloads, "entry %d: its fields are hashed with %.40q", index, h.Algorithm)
		}
		n.fields[index] = h.Digests
	}
	for _, i := range v.concerns[index] {
		v.settleClaim(&v.claims[i], index, leaf, h, refs)
	}
	if h.Type == typePruned {
		v.pruned = max(v.pruned, prunedBefore(leaf))
	}
}

// payloadRefs finds the payloads that an entry names: {"sha256":"<64 hexadecimal digits>","size":<bytes>}, of which canonical JSON has no
// other spelling, and which no string can hold as its quotes are escaped there.
func payloadRefs(leaf []byte) (refs map[string]int64) {
	const begin, middle, digits = `{"sha256":"`, `","size":`, 2 * sha256.Size
	for {
		i := bytes.Index(leaf, []byte(begin))
		if i < 0 {
			return refs
		}
		leaf = leaf[i+len(begin):]
		if len(leaf) < digits || !bytes.HasPrefix(leaf[digits:], []byte(middle)) {
			continue
		}
		number, _, ok := bytes.Cut(leaf[digits+len(middle):], []byte("}"))
		size, err := strconv.ParseInt(string(number), 10, 64)
		if !ok || err != nil {
			continue
		}
		if refs == nil {
			refs = map[string]int64{}
		}
		refs[string(leaf[:digits])] = size
	}
}

// settleClaim compares a redaction with one of the two entries that it is about.
func (v *bundleVerifier) settleClaim(c *claim, index int64, leaf []byte, h header, refs map[string]int64) {
	_, payload := refs[c.Payload]
	switch {
	case c.By <= c.Entry || (c.Digest == "") == (c.Payload == ""):
		v.report.fail(VerdictPayloads, "the bundle says that entry %d tells of an erasure in entry %d: this makes no sense", c.By, c.Entry)
	case index == c.Entry && c.Digest != "":
		c.names = slices.Contains(h.Digests, c.Digest)
	case index == c.Entry:
		c.names = payload
	default:
		c.told = tellsOf(leaf, h, c.Redaction)
	}
	if index == c.Entry && !c.names {
		v.report.fail(VerdictPayloads, "the bundle says that %s was erased of entry %d, which does not name it", c.Digest+c.Payload, c.Entry)
	}
	if index == c.By && !c.told {
		v.report.fail(VerdictPayloads, "the bundle says that %s of entry %d was erased as entry %d tells, which tells nothing of the kind", c.Digest+c.Payload, c.Entry, c.By)
	}
}

// typeRedacted is the type of the entries that say that something was erased; outcomeOK marks the one that says that it is done.
const (
	typeRedacted = "log.redacted"
	outcomeOK    = "ok"
)

func tellsOf(leaf []byte, h header, r Redaction) bool {
	var said struct {
		Body struct {
			Entry   int64  `json:"entry"`
			Digest  string `json:"digest"`
			Payload string `json:"payload"`
		} `json:"body"`
	}
	return h.Type == typeRedacted && h.Outcome == outcomeOK && json.Unmarshal(leaf, &said) == nil &&
		said.Body.Entry == r.Entry && said.Body.Digest == r.Digest && said.Body.Payload == r.Payload
}

// settleBelongings counts what did not come of what the entries name, and forgets them.
func (v *bundleVerifier) settleBelongings() {
	n := &v.named
	v.report.Withheld += len(n.refs) - len(n.seen)
	for _, left := range n.fields {
		v.report.WithheldFields += len(left)
	}
	*n = belongings{}
}

func (v *bundleVerifier) takeBlob(h *tar.Header, digest string) error {
	n := &v.named
	size, ok := n.refs[digest]
	if !ok || n.seen[digest] || h.Name != "blobs/sha256/"+digest {
		return errors.New("no entry before it names it, or it stands there twice")
	}
	n.seen[digest] = true
	v.report.Payloads++
	if h.Size != size { // however large it is, it is not read
		v.report.fail(VerdictPayloads, "the payload %s has %d bytes, and the entry says %d", digest, h.Size, size)
		return nil
	}
	sum := sha256.New()
	if v.buffer == nil {
		v.buffer = make([]byte, 32<<10)
	}
	if _, err := io.CopyBuffer(sum, v.tar, v.buffer); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		v.report.fail(VerdictPayloads, "the payload %s is not what its digest says", digest)
	}
	return nil
}

// takeDisclosures compares the disclosures of an entry with the digests that it holds.
func (v *bundleVerifier) takeDisclosures(h *tar.Header, base string) error {
	index, err := indexOf(base, ".json")
	if err != nil {
		return err
	}
	data, err := v.content(h, maxDisclosures)
	if err != nil {
		return err
	}
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil || len(texts) == 0 {
		return errors.New("it is no JSON array of encoded disclosures")
	}
	n := &v.named
	if index < n.from || index >= n.to || index <= n.shown {
		return errors.New("its entry does not stand before it, or it stands there twice")
	}
	n.shown = index
	for _, text := range texts {
		d, err := ParseDisclosure(text)
		if err != nil {
			v.report.fail(VerdictPayloads, "entry %d: %v", index, err)
			continue
		}
		at := slices.Index(n.fields[index], DisclosureDigest(text))
		if at < 0 {
			v.report.fail(VerdictPayloads, "entry %d: the disclosure of %.80q is not one of its own, or stands there twice", index, d.Name)
			continue
		}
		n.fields[index] = slices.Delete(slices.Clone(n.fields[index]), at, at+1)
		v.report.Disclosed++
	}
	return nil
}

func (v *bundleVerifier) concludePayloads() {
	v.settleBelongings()
	r := &v.report
	if v.totals == nil {
		r.fail(VerdictPayloads, "the end is missing, which says how many payloads and disclosures there were")
	} else if v.totals.Payloads != r.Payloads || v.totals.Disclosures != r.Disclosed {
		r.fail(VerdictPayloads, "there are %d payloads and %d disclosures that hold, and there were %d and %d", r.Payloads, r.Disclosed, v.totals.Payloads, v.totals.Disclosures)
	}
	untold := 0
	for _, c := range v.claims {
		switch {
		case c.told && c.names:
			r.Redacted++
		case c.names:
			untold++
		}
	}
	text := fmt.Sprintf("present and withheld: %s, %s", counted(r.Withheld, "payload"), counted(r.WithheldFields, "field"))
	if r.Redacted > 0 {
		text += fmt.Sprintf("; of these %d were erased, as later entries tell", r.Redacted)
	}
	if untold > 0 {
		text += fmt.Sprintf("; %d are said to be erased by entries that are not in the bundle", untold)
	}
	if r.Payloads+r.Disclosed == 0 {
		r.settle(VerdictPayloads, FindingNotChecked, "the bundle holds none; %s", text)
		return
	}
	r.settle(VerdictPayloads, FindingOK, "%s and %s hold, as entries name them; %s", counted(r.Payloads, "payload"), counted(r.Disclosed, "field"), text)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// prunedBefore is what an entry of [typePruned] says; 0 if it says nothing.
func prunedBefore(leaf []byte) int64 {
	var said struct {
		Type string `json:"type"`
		Body struct {
			Before int64 `json:"before"`
		} `json:"body"`
	}
	if json.Unmarshal(leaf, &said) != nil || said.Type != typePruned {
		return 0
	}
	return said.Body.Before
}

package audit

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Bounds of what a bundle may hold, in bytes. What is larger is refused before it is read.
const (
	maxManifest = 64 << 20
	maxNote     = 1 << 20
	maxEntries  = TileWidth * (2 + 1<<16)
	maxTiles    = 256 << 20 // all that are held at once
)

// A BundleError says that a file is no bundle: nothing was found out about the log.
type BundleError struct {
	File string // in the bundle; empty for the bundle as a whole
	Err  error
}

// Error says what is wrong, and with which file.
func (e *BundleError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("read bundle: %v", e.Err)
	}
	return fmt.Sprintf("read bundle: %.120q: %v", e.File, e.Err)
}

// Unwrap gives the cause.
func (e *BundleError) Unwrap() error { return e.Err }

// VerifyBundle verifies a bundle with nothing but a policy and, where there is one, a head that was remembered from before (else
// nil). It reads the bundle once, needs memory for its upper tiles and its manifest, and asks nobody.
//
// What is wrong with the evidence is in the report; a bundle that cannot be read is a [*BundleError].
func VerifyBundle(ctx context.Context, r io.Reader, p *Policy, remembered *Head) (BundleReport, error) {
	v := bundleVerifier{
		ctx: ctx, tar: tar.NewReader(r), policy: p, remembered: remembered, report: newReport(), tiles: memoryTiles{},
		leaves: map[int64][]byte{}, wanted: map[int64][]int{},
	}
	if err := v.run(); err != nil {
		var known *BundleError
		if !errors.As(err, &known) && ctx.Err() == nil {
			err = &BundleError{Err: err}
		}
		return v.report, err
	}
	v.conclude()
	return v.report, nil
}

type bundleVerifier struct {
	ctx        context.Context
	tar        *tar.Reader
	policy     *Policy
	remembered *Head
	report     BundleReport

	manifest  Manifest
	note      []byte // the checkpoint
	head      Head
	earlier   []Signed
	tiles     memoryTiles
	tileBytes int

	hashes    tlog.HashReader // tied to the root; nil before the first entry, or if nothing is
	broken    bool            // the tiles do not lead to the root
	level1    []tlog.Hash     // of the 256 tiles around the present one
	level1At  int64
	edge      edge
	later     []Head // that the edge is compared with when it comes to their size
	chronicle chronicle
	next      int64 // entry that comes next
	named     int   // payloads that entries name

	leaves  map[int64][]byte // single entries whose proof is still to come
	proved  int
	wanted  map[int64][]int // places in manifest.Blobs, by entry
	confirm []bool          // whether an entry names the blob
	seen    []bool          // whether the blob is there
}

func (v *bundleVerifier) run() error {
	manifest, err := v.expect("manifest.json", maxManifest)
	if err != nil {
		return err
	}
	if err := v.takeManifest(manifest); err != nil {
		return &BundleError{"manifest.json", err}
	}
	checkpoint, err := v.expect("checkpoint", maxNote)
	if err != nil {
		return err
	}
	if err := v.takeCheckpoint(checkpoint); err != nil {
		return &BundleError{"checkpoint", err}
	}
	for {
		h, err := v.tar.Next()
		if errors.Is(err, io.EOF) {
			return v.tie()
		}
		if err == nil {
			err = v.ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := v.file(h); err != nil {
			return &BundleError{h.Name, err}
		}
	}
}

// expect reads the next file, which must have this name.
func (v *bundleVerifier) expect(name string, limit int64) ([]byte, error) {
	h, err := v.tar.Next()
	if err != nil {
		return nil, &BundleError{name, fmt.Errorf("it is not there: %w", err)}
	}
	if h.Name != name {
		return nil, &BundleError{h.Name, fmt.Errorf("%s must stand here", name)}
	}
	data, err := v.content(h, limit)
	if err != nil {
		return nil, &BundleError{name, err}
	}
	return data, nil
}

func (v *bundleVerifier) content(h *tar.Header, limit int64) ([]byte, error) {
	if h.Typeflag != tar.TypeReg {
		return nil, errors.New("it is no regular file")
	}
	if h.Size > limit {
		return nil, fmt.Errorf("it has %d bytes, and %d is the most", h.Size, limit)
	}
	data := make([]byte, h.Size)
	_, err := io.ReadFull(v.tar, data)
	return data, err
}

func (v *bundleVerifier) takeManifest(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&v.manifest); err != nil {
		return err
	}
	m := v.manifest
	switch {
	case m.Format != BundleFormat:
		return fmt.Errorf("its format is %.60q, and %s is known here", m.Format, BundleFormat)
	case m.Size < 0 || m.Size > maxSize || m.From < 0 || m.From%TileWidth != 0 || m.To < m.From || m.To > m.Size:
		return fmt.Errorf("the range [%d, %d) of %d entries makes no sense", m.From, m.To, m.Size)
	case m.To%TileWidth != 0 && m.To != m.Size:
		return fmt.Errorf("the range ends at %d, inside of a tile", m.To)
	}
	for i, p := range m.Blobs {
		v.wanted[p.Entry] = append(v.wanted[p.Entry], i)
	}
	v.confirm, v.seen = make([]bool, len(m.Blobs)), make([]bool, len(m.Blobs))
	v.next = m.From
	v.report.Origin, v.report.Size, v.report.From, v.report.To = m.Origin, m.Size, m.From, m.To
	return nil
}

// takeCheckpoint opens the checkpoint with the policy. Where the policy does not accept it, everything else is compared with it
// nevertheless, and the verdict says that it proves nothing.
func (v *bundleVerifier) takeCheckpoint(msg []byte) error {
	v.note = msg
	s, err := v.policy.Open(msg)
	if err != nil {
		v.report.fail(VerdictSignature, "%v", err)
		text, _, _ := bytes.Cut(msg, []byte("\n\n"))
		if v.head, err = ParseCheckpoint(append(text, '\n')); err != nil {
			return err
		}
	} else {
		v.head = s.Head
		v.report.Signed, v.report.Witnesses = s.level(), append(v.report.Witnesses, s.Cosignatures...)
		v.report.settle(VerdictSignature, FindingOK, "signed by %s", s.Key.ID())
		v.quorum(s)
		v.bound(s)
	}
	if v.head.Origin != v.manifest.Origin || v.head.Size != v.manifest.Size {
		return fmt.Errorf("it is of log %.80q with %d entries, and the manifest says %.80q with %d", v.head.Origin, v.head.Size, v.manifest.Origin, v.manifest.Size)
	}
	v.report.Root, v.report.Head = v.head.Root.String(), v.head
	v.chronicle = chronicle{report: &v.report, before: v.chronicle.before, open: map[int64]string{}, from: v.manifest.From}
	return nil
}

func (v *bundleVerifier) quorum(s Signed) {
	switch {
	case !s.Quorum:
		v.report.fail(VerdictQuorum, "the policy asks for more witnesses than the %d that cosigned", len(s.Cosignatures))
	case v.policy.NeedsWitness():
		v.report.settle(VerdictQuorum, FindingOK, "%s: %s", s.level(), names(s.Cosignatures))
	default:
		v.report.settle(VerdictQuorum, FindingNotChecked, "%s: the policy asks for no witness, so that nobody outside vouches for the order of events", s.level())
	}
}

// bound takes the times at which witnesses saw a checkpoint: the earliest of them.
func (v *bundleVerifier) bound(s Signed) {
	if len(s.Cosignatures) == 0 {
		return
	}
	first := slices.MinFunc(s.Cosignatures, func(a, b Cosignature) int { return a.At.Compare(b.At) })
	v.chronicle.before = append(v.chronicle.before, bound{s.Size, first.At})
	slices.SortFunc(v.chronicle.before, func(a, b bound) int { return cmp.Compare(a.size, b.size) })
}

// file takes one of the files after the checkpoint.
func (v *bundleVerifier) file(h *tar.Header) error {
	name := h.Name
	dir, base, _ := strings.Cut(name, "/")
	switch {
	case name == "policy.informational.txt":
		_, err := v.content(h, maxPolicy)
		return err
	case dir == "checkpoints" && v.hashes == nil:
		return v.takeEarlier(h, base)
	case strings.HasPrefix(name, "tile/entries/"):
		return v.takeEntries(h)
	case dir == "tile" && v.hashes == nil:
		return v.takeTile(h)
	case dir == "leaves":
		return v.takeLeaf(h, base)
	case dir == "proofs":
		return v.takeProof(h, base)
	case dir == "blobs":
		return v.takeBlob(h, strings.TrimPrefix(base, "sha256/"))
	}
	return errors.New("no such file stands here in a bundle")
}

func (v *bundleVerifier) takeEarlier(h *tar.Header, base string) error {
	msg, err := v.content(h, maxNote)
	if err != nil {
		return err
	}
	s, err := v.policy.Open(msg)
	switch {
	case err != nil:
		v.report.fail(VerdictConsistency, "the checkpoint %s: %v", base, err)
		return nil
	case fmt.Sprintf("%d.note", s.Size) != base || s.Origin != v.head.Origin || s.Size >= v.head.Size:
		return fmt.Errorf("it is of log %.80q with %d entries", s.Origin, s.Size)
	}
	v.earlier = append(v.earlier, Signed{Checkpoint: Checkpoint{Head: s.Head}, Cosignatures: s.Cosignatures})
	v.bound(s)
	return nil
}

func (v *bundleVerifier) takeTile(h *tar.Header) error {
	t, err := ParseTile(h.Name)
	if err != nil {
		return err
	}
	data, err := v.content(h, TileWidth*tlog.HashSize)
	if err != nil {
		return err
	}
	if v.tileBytes += len(data); v.tileBytes > maxTiles {
		return fmt.Errorf("the tiles have more than %d bytes", maxTiles)
	}
	if len(data) != t.Width*tlog.HashSize {
		return fmt.Errorf("it has %d bytes, and %d hashes have %d", len(data), t.Width, t.Width*tlog.HashSize)
	}
	v.tiles[h.Name] = data
	return nil
}

func (v *bundleVerifier) takeLeaf(h *tar.Header, base string) error {
	index, err := indexOf(base, ".json")
	if err != nil {
		return err
	}
	if !slices.Contains(v.manifest.Single, index) || v.leaves[index] != nil {
		return errors.New("the manifest does not name it, or it stands there twice")
	}
	v.leaves[index], err = v.content(h, MaxEntry)
	return err
}

func indexOf(base, ending string) (int64, error) {
	digits, ok := strings.CutSuffix(base, ending)
	index, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || index < 0 || strconv.FormatInt(index, 10) != digits {
		return 0, errors.New("it is not named by an index")
	}
	return index, nil
}

func (v *bundleVerifier) takeProof(h *tar.Header, base string) error {
	text, err := v.content(h, maxProof)
	if err != nil {
		return err
	}
	index, err := indexOf(base, ".tlog-proof")
	if err != nil {
		return err
	}
	leaf := v.leaves[index]
	p, err := ParseProof(text)
	if err != nil {
		return err
	}
	if leaf == nil || p.Index != index {
		return errors.New("its entry does not stand before it")
	}
	if !bytes.Equal(p.Checkpoint, v.note) {
		return errors.New("it belongs to another checkpoint")
	}
	v.leaves[index] = []byte{} // it is done with
	if err := tlog.CheckRecord(p.Hashes, v.head.Size, v.head.Root, index, tlog.RecordHash(leaf)); err != nil {
		v.report.fail(VerdictEntries, "entry %d is not in the tree of the checkpoint", index)
		return nil
	}
	v.proved++
	v.names(index, leaf)
	return nil
}

// names notes which of the payloads that belong to an entry it names.
func (v *bundleVerifier) names(index int64, leaf []byte) {
	for _, i := range v.wanted[index] {
		v.confirm[i] = bytes.Contains(leaf, []byte(`"`+v.manifest.Blobs[i].SHA256+`"`))
	}
}

func (v *bundleVerifier) takeBlob(h *tar.Header, digest string) error {
	i := slices.IndexFunc(v.manifest.Blobs, func(p Payload) bool { return p.SHA256 == digest })
	if i < 0 || v.seen[i] || h.Typeflag != tar.TypeReg {
		return errors.New("the manifest does not name it, or it stands there twice")
	}
	v.seen[i] = true
	sum := sha256.New()
	if _, err := io.Copy(sum, v.tar); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		v.report.fail(VerdictPayloads, "the payload %s of entry %d is not what its digest says", digest, v.manifest.Blobs[i].Entry)
	}
	return nil
}

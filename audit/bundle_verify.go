package audit

import (
	"archive/tar"
	"bytes"
	"context"
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
	maxManifest    = 16 << 20
	maxNote        = 1 << 20
	maxEntries     = TileWidth * (2 + 1<<16)
	maxTiles       = 256 << 20 // all that are held at once
	maxDisclosures = 16 << 20  // of one entry
	maxHistory     = 16 << 20
	maxTotals      = 1 << 10
	maxEarlier     = 1 << 17  // earlier checkpoints; not bytes
	maxNotes       = 64 << 20 // all of these together
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
// nil). Receipts are checked by the checker of their kind; those of a kind without one are not checked. It reads the bundle once, needs
// memory for its upper tiles, its manifest and the entries of one tile, and asks nobody, unless a checker does.
//
// What is wrong with the evidence is in the report; a bundle that cannot be read is a [*BundleError].
func VerifyBundle(ctx context.Context, r io.Reader, p *Policy, remembered *Head, checkers map[string]Checker) (BundleReport, error) {
	v := bundleVerifier{
		ctx: ctx, tar: tar.NewReader(r), policy: p, remembered: remembered, checkers: checkers, report: newReport(), tiles: memoryTiles{},
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
	checkers   map[string]Checker
	report     BundleReport

	manifest  Manifest
	head      Head
	note      []byte          // the newest checkpoint
	trusted   bool            // the policy accepts it
	earlier   []Checkpoint    // by size
	noteBytes int             // of these
	place     int             // among the files before the entries
	anchors   int             // that were taken
	unchecked []string        // what can be done about receipts that were not checked
	tiles     memoryTiles     //
	tileBytes int             //
	chronicle chronicle       //
	named     belongings      // what belongs to the entries that came last
	claims    []claim         // redactions, as the manifest has them
	concerns  map[int64][]int // places in claims, by the entries that are concerned
	pruned    int64           // entries before this index were pruned, as an entry says

	hashes   tlog.HashReader // tied to the root; nil before the first entry, or if nothing is
	broken   bool            // the tiles do not lead to the root
	level1   []tlog.Hash     // of the 256 tiles around the present one
	level1At int64
	edge     edge
	leaf     []tlog.Hash // of the present tile
	later    []Head      // that the edge is compared with when it comes to their size
	next     int64       // entry that comes next

	single []byte // entry whose proof comes next; nil if none
	proved int
	count  int     // single entries that came
	totals *Totals // as the bundle says; nil before the end
	buffer []byte  // for payloads
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
		h, err := v.following()
		if errors.Is(err, io.EOF) {
			return v.tie()
		}
		if err != nil {
			return err
		}
		if err := v.file(h); err != nil {
			return &BundleError{h.Name, err}
		}
	}
}

// following gives the header of the next file. Only what WriteBundle writes is taken: so nothing has a sparse or an endless size, and
// no header has records that would have to be kept.
func (v *bundleVerifier) following() (*tar.Header, error) {
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	h, err := v.tar.Next()
	switch {
	case err != nil:
		return nil, err
	case h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR:
		return nil, &BundleError{h.Name, errors.New("it is no regular file of a POSIX ustar archive")}
	case v.totals != nil:
		return nil, &BundleError{h.Name, errors.New("it stands behind the end")}
	}
	return h, nil
}

// expect reads the next file, which must have this name.
func (v *bundleVerifier) expect(name string, limit int64) ([]byte, error) {
	h, err := v.following()
	if errors.Is(err, io.EOF) {
		return nil, &BundleError{name, errors.New("it is not there")}
	}
	if err != nil {
		return nil, err
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
	if h.Size > limit {
		return nil, fmt.Errorf("it has %d bytes, and %d is the most", h.Size, limit)
	}
	data := make([]byte, h.Size)
	_, err := io.ReadFull(v.tar, data)
	return data, err
}

// Bounds of what a manifest lists. They are looked at before it is read: what is read takes a hundred times the memory of what it is written in.
const (
	maxListed = 1 << 18 // receipts and redactions
	maxValues = 1 << 20 // all values of lists and objects
)

func (v *bundleVerifier) takeManifest(data []byte) error {
	if objects, values := bytes.Count(data, []byte("{")), bytes.Count(data, []byte(",")); objects > maxListed || values > maxValues {
		return fmt.Errorf("it lists more than %d receipts and redactions, or %d values", maxListed, maxValues)
	}
	if err := json.Unmarshal(data, &v.manifest); err != nil {
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
	case m.Pruned < 0 || m.From < m.To && m.From < m.Pruned:
		return fmt.Errorf("entries before %d are said to be pruned, and the range begins at %d", m.Pruned, m.From)
	}
	for i, index := range m.Single {
		if index < 0 || index >= m.Size || i > 0 && index <= m.Single[i-1] {
			return errors.New("the single entries are not in order, or not in the log")
		}
	}
	v.next = m.From
	v.report.Origin, v.report.Size, v.report.From, v.report.To, v.report.Pruned = m.Origin, m.Size, m.From, m.To, m.Pruned
	v.takeClaims()
	return nil
}

// takeCheckpoint opens the checkpoint with the policy. Where the policy does not accept it, everything else is compared with it
// nevertheless, and the verdict says that it proves nothing.
func (v *bundleVerifier) takeCheckpoint(msg []byte) error {
	s, err := v.policy.Open(msg)
	if err != nil {
		v.report.fail(VerdictSignature, "%v", err)
		text, _ := splitNote(msg)
		if v.head, err = ParseCheckpoint(text); err != nil {
			return err
		}
	} else {
		v.head, v.trusted = s.Head, true
		v.report.Signed, v.report.Witnesses = s.level(), append(v.report.Witnesses, s.Cosignatures...)
		v.report.settle(VerdictSignature, FindingOK, "signed by %s", s.Key.ID())
		v.quorum(s)
		v.chronicle.witnessed(s)
	}
	v.note = msg
	if v.head.Origin != v.manifest.Origin || v.head.Size != v.manifest.Size {
		return fmt.Errorf("it is of log %.80q with %d entries, and the manifest says %.80q with %d", v.head.Origin, v.head.Size, v.manifest.Origin, v.manifest.Size)
	}
	v.report.Root, v.report.Head = v.head.Root.String(), v.head
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

// file takes one of the files after the checkpoint.
func (v *bundleVerifier) file(h *tar.Header) error {
	name := h.Name
	dir, base, _ := strings.Cut(name, "/")
	place := placeOf(name)
	if place > 0 {
		if v.hashes != nil || place < v.place || place == v.place && single(place) {
			return errors.New("it does not stand here in a bundle, or stands there twice")
		}
		v.place = place
	}
	switch {
	case place == placeEarlier:
		return v.takeEarlier(h, base)
	case place == placeAnchors:
		return v.takeAnchor(h)
	case place == placeHistory:
		_, err := v.content(h, maxHistory)
		return err
	case place == placePolicy:
		_, err := v.content(h, maxPolicy)
		return err
	case place == placeTiles:
		return v.takeTile(h)
	case dir == "tile" && v.count == 0:
		return v.takeEntries(h)
	case dir == "leaves":
		return v.takeLeaf(h, base)
	case dir == "proofs":
		return v.takeProof(h, base)
	case dir == "disclosures" && v.single == nil:
		return v.takeDisclosures(h, base)
	case dir == "blobs" && v.single == nil:
		return v.takeBlob(h, strings.TrimPrefix(base, "sha256/"))
	case name == "totals.json":
		return v.takeTotals(h)
	}
	return errors.New("no such file stands here in a bundle")
}

// The places of what stands before the entries, in order.
const (
	placeEarlier = 1 + iota
	placeAnchors
	placeHistory
	placePolicy
	placeTiles
)

// placeOf gives the place of a file, and 0 for one that does not stand before the entries.
func placeOf(name string) int {
	switch dir, rest, _ := strings.Cut(name, "/"); {
	case dir == "checkpoints":
		return placeEarlier
	case dir == "anchors":
		return placeAnchors
	case name == "keys/history.jsonl":
		return placeHistory
	case name == "policy.informational.txt":
		return placePolicy
	case dir == "tile" && !strings.HasPrefix(rest, "entries/"):
		return placeTiles
	}
	return 0
}

// single says whether one file alone has the place.
func single(place int) bool { return place == placeHistory || place == placePolicy }

func (v *bundleVerifier) takeEarlier(h *tar.Header, base string) error {
	msg, err := v.content(h, maxNote)
	if err != nil {
		return err
	}
	size, err := indexOf(base, ".note")
	if n := len(v.earlier); err != nil || size >= v.head.Size || n > 0 && size <= v.earlier[n-1].Size || n == maxEarlier {
		return fmt.Errorf("the earlier checkpoints are not in order, or are more than %d", maxEarlier)
	}
	if v.noteBytes += len(msg); v.noteBytes > maxNotes {
		return fmt.Errorf("the earlier checkpoints have more than %d bytes", maxNotes)
	}
	s, err := v.policy.Open(msg)
	switch {
	case err != nil:
		v.report.fail(VerdictConsistency, "the checkpoint of size %d: %v", size, err)
		return nil
	case s.Size != size || s.Origin != v.head.Origin:
		return fmt.Errorf("it is of log %.80q with %d entries", s.Origin, s.Size)
	}
	v.earlier = append(v.earlier, s.Checkpoint)
	v.chronicle.witnessed(s)
	return nil
}

func (v *bundleVerifier) takeTile(h *tar.Header) error {
	t, err := ParseTile(h.Name)
	if err != nil {
		return err
	}
	if _, twice := v.tiles[h.Name]; twice || !t.of(v.head.Size) {
		return errors.New("it is no tile of this tree, or stands there twice")
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

// takeLeaf takes the next of the single entries.
func (v *bundleVerifier) takeLeaf(h *tar.Header, base string) (err error) {
	if err := v.wholeRange(); err != nil {
		return err
	}
	index, err := indexOf(base, ".json")
	if err != nil {
		return err
	}
	if v.count == len(v.manifest.Single) || v.manifest.Single[v.count] != index || v.single != nil {
		return errors.New("the manifest does not name it, or not here")
	}
	v.count++
	v.single, err = v.content(h, MaxEntry)
	return err
}

// wholeRange says that the range is over, in whole or cut short, before single entries come.
func (v *bundleVerifier) wholeRange() error {
	if v.count > 0 {
		return nil
	}
	return v.tie()
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
	p, err := ParseProof(text)
	if err != nil {
		return err
	}
	leaf, index := v.single, p.Index
	if leaf == nil || index != v.manifest.Single[v.count-1] || base != fmt.Sprintf("%d.tlog-proof", index) {
		return errors.New("its entry does not stand before it")
	}
	if !bytes.Equal(p.Checkpoint, v.note) {
		return errors.New("it belongs to another checkpoint")
	}
	v.single = nil
	v.settleBelongings()
	if err := tlog.CheckRecord(p.Hashes, v.head.Size, v.head.Root, index, tlog.RecordHash(leaf)); err != nil {
		v.report.fail(VerdictEntries, "entry %d is not in the tree of the checkpoint", index)
		return nil
	}
	head, err := parseHeader(leaf)
	if err != nil {
		v.report.fail(VerdictEntries, "entry %d is not written as entries are: %v", index, err)
		return nil
	}
	v.proved++
	v.names(index, leaf, head)
	return nil
}

func (v *bundleVerifier) takeTotals(h *tar.Header) error {
	data, err := v.content(h, maxTotals)
	if err == nil {
		err = v.tie()
	}
	if err != nil {
		return err
	}
	v.totals = new(Totals)
	if err := json.Unmarshal(data, v.totals); err != nil {
		return err
	}
	again, err := v.totals.text()
	if err == nil && !bytes.Equal(again, data) {
		err = errors.New("it is not spelled as it is written")
	}
	return err
}

// signedAt gives the checkpoint of a size that the bundle holds and the policy accepts.
func (v *bundleVerifier) signedAt(size int64) (Checkpoint, bool) {
	if size == v.head.Size {
		return Checkpoint{Head: v.head, Note: v.note}, v.trusted
	}
	i, ok := slices.BinarySearchFunc(v.earlier, size, func(c Checkpoint, size int64) int { return int(max(-1, min(1, c.Size-size))) })
	if !ok {
		return Checkpoint{}, false
	}
	return v.earlier[i], true
}

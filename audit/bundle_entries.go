package audit

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tie ties the tiles to the root, before the first entry is looked at.
func (v *bundleVerifier) tie() error {
	if v.hashes != nil {
		return nil
	}
	v.hashes = tlog.TileHashReader(tlog.Tree{N: v.head.Size, Hash: v.head.Root}, v.tiles)
	v.level1At = -1
	v.chronicle.begin(&v.report, v.manifest.From)
	for _, cp := range v.earlier {
		v.later = append(v.later, cp.Head)
	}
	if h := v.remembered; h != nil {
		if h.Origin != v.head.Origin {
			v.report.fail(VerdictConsistency, "what is remembered is of log %.80q", h.Origin)
		} else {
			v.later = append(v.later, *h)
		}
	}
	slices.SortStableFunc(v.later, func(a, b Head) int { return cmp.Compare(a.Size, b.Size) })
	v.later = slices.Compact(v.later)
	var err error
	if v.edge, err = readEdge(v.manifest.From, v.hashes); err != nil {
		return v.unlinked(err)
	}
	return nil
}

// unlinked notes that the tiles are not those of the root. A tile that is missing makes the bundle no bundle.
func (v *bundleVerifier) unlinked(err error) error {
	if errors.Is(err, ErrMissing) {
		return err
	}
	v.broken = true
	v.report.fail(VerdictEntries, "the tiles do not lead to the root of the checkpoint: %v", err)
	return nil
}

// takeEntries takes a tile of entries: the next one of the range.
func (v *bundleVerifier) takeEntries(h *tar.Header) error {
	if err := v.tie(); err != nil {
		return err
	}
	t, err := ParseTile(h.Name)
	if err != nil {
		return err
	}
	width := min(TileWidth, v.head.Size-v.next)
	if v.next >= v.manifest.To || t.N != v.next/TileWidth || int64(t.Width) != width {
		return fmt.Errorf("entry %d comes next, and the range ends at %d", v.next, v.manifest.To)
	}
	data, err := v.content(h, maxEntries)
	if err != nil {
		return err
	}
	entries, err := ParseEntries(data)
	if err != nil {
		return err
	}
	if int64(len(entries)) != width {
		return fmt.Errorf("it has %d entries, and %d belong here", len(entries), width)
	}
	v.leaf = v.leaf[:0]
	for _, e := range entries {
		v.leaf = append(v.leaf, tlog.RecordHash(e))
	}
	if err := v.grow(t); err != nil {
		return err
	}
	v.settleBelongings()
	for i, e := range entries {
		v.entry(v.next+int64(i), e)
	}
	v.next += width
	return nil
}

// grow compares the hashes of a tile of entries with those that are tied to the root, and lets the edge grow by them. The hashes above the
// leaves are made once, unless somebody knows of a size within the tile.
func (v *bundleVerifier) grow(t Tile) error {
	from := t.N * TileWidth
	end := from + int64(t.Width)
	v.settleLater(from)
	within := len(v.later) > 0 && v.later[0].Size < end
	var root tlog.Hash
	if t.Width == TileWidth {
		var tile edge
		for _, h := range v.leaf {
			tile.add(h)
		}
		root = tile.root()
	}
	if !v.broken {
		if err := v.compare(t, root); err != nil {
			return err
		}
	}
	if v.broken {
		return nil
	}
	if t.Width == TileWidth && !within {
		v.edge.addTree(tileHeight, root)
		return nil
	}
	for i, h := range v.leaf {
		v.settleLater(from + int64(i))
		v.edge.add(h)
	}
	return nil
}

// compare compares a tile of entries with the tree: a full one by the root over it, another one hash by hash.
func (v *bundleVerifier) compare(t Tile, root tlog.Hash) error {
	from := t.N * TileWidth
	if t.Width == TileWidth {
		want, err := v.fullTile(t.N)
		if err != nil {
			return v.unlinked(err)
		}
		if root != want {
			v.report.fail(VerdictEntries, "entries [%d, %d): they are not those of the tree", from, from+TileWidth)
		}
		return nil
	}
	ids := make([]int64, len(v.leaf))
	for i := range ids {
		ids[i] = tlog.StoredHashIndex(0, from+int64(i))
	}
	want, err := readHashes(v.hashes, ids)
	if err != nil {
		return v.unlinked(err)
	}
	for i := range want {
		if v.leaf[i] != want[i] {
			v.report.fail(VerdictEntries, "entry %d is not the one of the tree", from+int64(i))
		}
	}
	return nil
}

// fullTile is the hash over full tile n of entries. It reads those of all its neighbours in the tile above at once.
func (v *bundleVerifier) fullTile(n int64) (tlog.Hash, error) {
	if first := n / TileWidth * TileWidth; first != v.level1At {
		var ids []int64
		for i := first; i < min(first+TileWidth, v.head.Size/TileWidth); i++ {
			ids = append(ids, tlog.StoredHashIndex(tileHeight, i))
		}
		hashes, err := readHashes(v.hashes, ids)
		if err != nil {
			return tlog.Hash{}, err
		}
		v.level1, v.level1At = hashes, first
	}
	return v.level1[n-v.level1At], nil
}

func (v *bundleVerifier) entry(index int64, leaf []byte) {
	h, err := parseHeader(leaf)
	if err != nil {
		v.report.fail(VerdictEntries, "entry %d is not written as entries are: %v", index, err)
		return
	}
	v.names(index, leaf, h)
	v.chronicle.entry(index, h)
}

// settleLater compares what is known of a size with the tree, now that the edge has come to it.
func (v *bundleVerifier) settleLater(size int64) {
	for len(v.later) > 0 && v.later[0].Size == size {
		if !v.broken && v.edge.root() != v.later[0].Root {
			v.contradiction(v.later[0])
		}
		v.later = v.later[1:]
	}
	for len(v.later) > 0 && v.later[0].Size < size { // before the range
		v.settleByTiles(v.later[0])
		v.later = v.later[1:]
	}
}

func (v *bundleVerifier) contradiction(h Head) {
	v.report.fail(VerdictConsistency, "the tree does not contain the one of %d entries that was %s", h.Size, v.source(h))
}

func (v *bundleVerifier) source(h Head) string {
	if v.remembered != nil && h == *v.remembered {
		return "remembered"
	}
	return "signed before"
}

// settleByTiles compares a size outside of the range, as far as the bundle has the tiles for it.
func (v *bundleVerifier) settleByTiles(h Head) {
	if v.broken {
		return
	}
	if h.Size > v.head.Size {
		v.report.fail(VerdictConsistency, "%d entries were %s, and there are %d", h.Size, v.source(h), v.head.Size)
		return
	}
	root, err := treeAt(h.Size, v.hashes)
	switch {
	case errors.Is(err, ErrMissing):
		v.unshown(h)
	case err != nil:
		v.report.fail(VerdictConsistency, "%v", err)
	case root != h.Root:
		v.contradiction(h)
	}
}

// unshown notes that the bundle lacks the tiles for a size. For one that is remembered it must have them: else whoever makes bundles could lead
// a verifier past what they remember, into another history.
func (v *bundleVerifier) unshown(h Head) {
	d := v.report.verdict(VerdictConsistency)
	d.Hint = fmt.Sprintf("ask for a bundle that shows it: `taffrail log export --consistent-with %d`", h.Size)
	text := fmt.Sprintf("the bundle does not show whether the tree contains the one of %d entries that was %s", h.Size, v.source(h))
	if v.remembered != nil && h == *v.remembered {
		v.report.Unlinked = true
		v.report.fail(VerdictConsistency, "%s", text)
		return
	}
	d.Detail = strings.TrimPrefix(d.Detail+"; "+text, "; ")
}

// conclude settles the verdicts that depend on everything.
func (v *bundleVerifier) conclude() {
	r, m := &v.report, v.manifest
	v.settleLater(v.next)
	for _, h := range v.later {
		v.settleByTiles(h)
	}
	r.Single = v.proved
	switch missing := len(m.Single) - v.proved; {
	case v.next < m.To:
		r.To = v.next
		r.fail(VerdictCompleteness, "entries [%d, %d) are missing", v.next, m.To)
	case missing > 0:
		r.fail(VerdictCompleteness, "%d of %d single entries are missing, or are not proved", missing, len(m.Single))
	case m.From < m.To:
		r.settle(VerdictCompleteness, FindingOK, "every entry from %d to %d is there%s", m.From, m.To-1, v.before())
	default:
		r.settle(VerdictCompleteness, FindingNotChecked, "single entries are there, and nothing is said of any other")
	}
	if seen := v.next - m.From + int64(v.proved); !v.broken && seen > 0 {
		r.settle(VerdictEntries, FindingOK, "%d entries are in the tree", seen)
	}
	v.concludeConsistency()
	v.concludeChronicle()
	v.concludePayloads()
	v.concludeAnchors()
}

// before says what became of the entries before the range.
func (v *bundleVerifier) before() string {
	switch p := v.manifest.Pruned; {
	case p == 0:
		return ""
	case v.pruned >= p:
		return fmt.Sprintf("; those before %d were pruned, as an entry tells", p)
	default:
		return fmt.Sprintf("; those before %d are said to be pruned, by no entry that is in the bundle", p)
	}
}

func (v *bundleVerifier) concludeConsistency() {
	r := &v.report
	d := r.verdict(VerdictConsistency)
	r.Unlinked = r.Unlinked && len(d.Faults) == 1 // a contradiction says more
	switch {
	case v.broken:
		d.Detail = "there is no tree to compare with"
	case d.Hint != "": // something could not be compared
	case v.remembered != nil:
		r.settle(VerdictConsistency, FindingOK, "the tree contains the one of %d entries that is remembered, and %d earlier checkpoints", v.remembered.Size, len(v.earlier))
	case len(v.earlier) > 0:
		r.settle(VerdictConsistency, FindingOK, "the tree contains %d earlier checkpoints of the bundle; nothing was remembered", len(v.earlier))
	default:
		d.Hint = "remember this checkpoint, and the next bundle can be compared with it"
		r.settle(VerdictConsistency, FindingNotChecked, "nothing was remembered")
	}
}

func (v *bundleVerifier) concludeChronicle() {
	r, m := &v.report, v.manifest
	if m.From == m.To {
		r.settle(VerdictTimes, FindingNotChecked, "there is no range of entries")
		r.settle(VerdictIntents, FindingNotChecked, "there is no range of entries")
		return
	}
	if v.chronicle.bounded {
		r.settle(VerdictTimes, FindingOK, "they never go back, and lie where outside clocks say")
	} else {
		r.settle(VerdictTimes, FindingOK, "they never go back; no outside clock says when")
	}
	switch n := len(v.chronicle.open); {
	case n == 0:
		r.settle(VerdictIntents, FindingOK, "every intent in the range has its outcome")
	case m.To == m.Size:
		r.settle(VerdictIntents, FindingNotChecked, "intents without an outcome yet, at the end of the log: %d", n)
	default:
		r.settle(VerdictIntents, FindingNotChecked, "intents without an outcome in the range: %d", n)
	}
}

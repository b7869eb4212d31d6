package audit

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

type bundler struct {
	ctx      context.Context
	r        Reader
	keys     Keys
	req      BundleRequest
	cp       Checkpoint
	earlier  map[int64]bool // sizes of the checkpoints that stand beside it
	receipts []Receipt      // in the order of the manifest
	manifest Manifest
	tar      *tar.Writer
}

// begin looks at the checkpoint, and settles what will be written.
func (b *bundler) begin() error {
	if err := b.under(); err != nil {
		return err
	}
	size := b.cp.Size
	m := Manifest{
		Format: BundleFormat, Origin: b.cp.Origin, Size: size, Single: slices.Sorted(slices.Values(b.req.Single)), Anchors: []AnchorRef{},
		Redactions: append([]Redaction{}, b.req.Redactions...), Filter: b.req.Filter, Since: b.req.Since,
		Made: b.req.Made.UTC(), Program: b.req.Program, Notes: append([]string{}, b.req.Notes...),
	}
	m.Single = append([]int64{}, slices.Compact(m.Single)...)
	if b.req.From < 0 || b.req.To < b.req.From || b.req.To > size || b.req.Since < 0 || b.req.Since > size {
		return fmt.Errorf("the range [%d, %d) or the size %d does not lie in the %d entries that are signed", b.req.From, b.req.To, b.req.Since, size)
	}
	for _, i := range m.Single {
		if i < 0 || i >= size {
			return fmt.Errorf("entry %d is not among the %d that are signed", i, size)
		}
	}
	if b.req.From < b.req.To {
		m.From = b.req.From / TileWidth * TileWidth
		m.To = min((b.req.To+TileWidth-1)/TileWidth*TileWidth, size)
	}
	b.manifest = m
	if err := b.unpruned(); err != nil {
		return err
	}
	if err := b.chooseReceipts(); err != nil {
		return err
	}
	return b.chooseCheckpoints()
}

// under finds the checkpoint that everything stands under.
func (b *bundler) under() (err error) {
	var msg []byte
	if b.req.Under > 0 {
		msg, err = b.r.CheckpointAt(b.req.Under)
	} else {
		msg, err = b.r.Checkpoint()
	}
	if err != nil {
		return err
	}
	if msg == nil {
		return errors.New("nothing is signed yet, or not at that size")
	}
	b.cp, err = b.keys.Open(msg)
	return err
}

// unpruned refuses what is not there any more.
func (b *bundler) unpruned() (err error) {
	m := &b.manifest
	if m.Pruned, err = b.r.Pruned(); err != nil {
		return err
	}
	if m.From < m.To && m.From < m.Pruned {
		return prunedError(m.From, m.To, m.Pruned)
	}
	for _, i := range m.Single {
		if i < m.Pruned {
			return prunedError(i, i+1, m.Pruned)
		}
	}
	return nil
}

// chooseReceipts takes those whose checkpoint is there, and sees to it that the checkpoint is in the bundle.
func (b *bundler) chooseReceipts() error {
	b.earlier = map[int64]bool{}
	for _, r := range b.req.Receipts {
		if r.Size > b.cp.Size {
			continue
		}
		if r.Size < b.cp.Size {
			msg, err := b.r.CheckpointAt(r.Size)
			if err != nil {
				return err
			}
			if _, err := b.keys.Open(msg); err != nil {
				continue // nothing that counts was signed at this size
			}
			b.earlier[r.Size] = true
		}
		if !plainKind(r.Kind) {
			return fmt.Errorf("the kind %.40q of a receipt is no word of a-z and 0-9", r.Kind)
		}
		name := receiptName(r.Size, len(b.receipts), r.Kind)
		b.receipts = append(b.receipts, r)
		b.manifest.Anchors = append(b.manifest.Anchors, AnchorRef{File: name, Size: r.Size, Kind: r.Kind, Anchor: r.Anchor, At: r.At.UTC()})
	}
	return nil
}

// maxCheckpoints is how many earlier checkpoints a bundle holds, apart from those that somebody asks for.
const maxCheckpoints = 4096

// chooseCheckpoints takes all that are valid, or, where they are many, those that somebody else has signed, too, and of these some all along.
func (b *bundler) chooseCheckpoints() error {
	var all, seen []int64
	err := b.eachCheckpoint(func(size int64, msg []byte) error {
		switch _, lines := splitNote(msg); {
		case size == b.manifest.Since:
			b.earlier[size] = true
		case size < b.manifest.From:
		default:
			all = append(all, size)
			if len(lines) > 1 {
				seen = append(seen, size)
			}
		}
		return nil
	})
	if len(all) > maxCheckpoints {
		all = seen
	}
	step := 1 + len(all)/maxCheckpoints
	for i := 0; i < len(all); i += step {
		b.earlier[all[i]] = true
	}
	return err
}

// eachCheckpoint calls f with all that are older than the newest. Those that count for nothing are left out.
func (b *bundler) eachCheckpoint(f func(size int64, msg []byte) error) error {
	return b.r.Checkpoints(func(size int64, msg []byte) error {
		if size == 0 || size >= b.cp.Size {
			return nil
		}
		return f(size, msg)
	})
}

func (b *bundler) write() error {
	for _, step := range []func() error{b.head, b.checkpoints, b.anchors, b.informational, b.tiles, b.entries, b.singles, b.totals} {
		if err := step(); err != nil {
			return err
		}
	}
	return b.tar.Close()
}

func (b *bundler) head() error {
	manifest, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := b.file("manifest.json", append(manifest, '\n')); err != nil {
		return err
	}
	return b.file("checkpoint", b.cp.Note)
}

func (b *bundler) checkpoints() error {
	return b.eachCheckpoint(func(size int64, msg []byte) error {
		if !b.earlier[size] {
			return nil
		}
		if _, err := b.keys.Open(msg); errors.Is(err, ErrKeyRange) {
			return nil // it counts for nothing
		} else if err != nil {
			return err
		}
		return b.file(fmt.Sprintf("checkpoints/%d.note", size), msg)
	})
}

func (b *bundler) anchors() error {
	for i, r := range b.receipts {
		if err := b.file(b.manifest.Anchors[i].File, r.Data); err != nil {
			return err
		}
	}
	return nil
}

// A keyLine is a line of keys/history.jsonl.
type keyLine struct {
	Key  string `json:"key"`
	From int64  `json:"from"`
	To   int64  `json:"to,omitempty"` // left out for one without an end
}

func (b *bundler) informational() error {
	var lines bytes.Buffer
	e := json.NewEncoder(&lines)
	for _, k := range b.keys.All() {
		if err := e.Encode(keyLine{k.VKey, k.From, k.To}); err != nil {
			return err
		}
	}
	err := b.file("keys/history.jsonl", lines.Bytes())
	if err == nil && len(b.req.Policy) > 0 {
		err = b.file("policy.informational.txt", b.req.Policy)
	}
	return err
}

// tiles writes the hashes that tie the entries to the root: all above the leaves, the last tile of the leaves, and that in which the
// size that is remembered ends.
func (b *bundler) tiles() error {
	return Tiles(b.cp.Size, func(t Tile) error {
		remembered := b.manifest.Since > 0 && t.N == b.manifest.Since/TileWidth
		if t.Level == 0 && t.Width == TileWidth && !remembered {
			return nil
		}
		data, err := ReadTile(b.r, t)
		if err != nil {
			return err
		}
		return b.file(t.Path(), data)
	})
}

func (b *bundler) entries() error {
	for at := b.manifest.From; at < b.manifest.To; at += TileWidth {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		t := Entries(at/TileWidth, int(min(TileWidth, b.cp.Size-at)))
		data, err := ReadTile(b.r, t)
		if err != nil {
			return err
		}
		leaves, err := ParseEntries(data)
		if err == nil {
			err = b.file(t.Path(), data)
		}
		if err == nil {
			err = b.belongings(at, leaves)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bundler) singles() error {
	for _, i := range b.manifest.Single {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		p, err := Prove(b.r, i, b.cp)
		if err != nil {
			return err
		}
		var leaf []byte
		err = b.r.Entries(i, i+1, func(_ int64, body []byte) error { leaf = bytes.Clone(body); return nil })
		if err == nil {
			err = b.file(fmt.Sprintf("leaves/%d.json", i), leaf)
		}
		if err == nil {
			err = b.file(fmt.Sprintf("proofs/%d.tlog-proof", i), p.Text())
		}
		if err == nil {
			err = b.belongings(i, [][]byte{leaf})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// belongings writes what belongs to some entries in a row: their disclosures, and their payloads, each of these once.
func (b *bundler) belongings(from int64, leaves [][]byte) error {
	seen := map[string]bool{}
	for i, leaf := range leaves {
		if err := b.disclosures(from + int64(i)); err != nil {
			return err
		}
		if b.req.Payloads == nil {
			continue
		}
		all, err := b.req.Payloads(from+int64(i), leaf)
		if err != nil {
			return err
		}
		for _, p := range all {
			if seen[p.SHA256] {
				continue
			}
			seen[p.SHA256] = true
			if err := b.blob(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bundler) disclosures(index int64) error {
	if b.req.Disclosures == nil {
		return nil
	}
	texts, err := b.req.Disclosures(index)
	if err != nil || len(texts) == 0 {
		return err
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	b.manifest.Totals.Disclosures += len(texts)
	return b.file(fmt.Sprintf("disclosures/%d.json", index), data)
}

func (b *bundler) blob(p Payload) error {
	data, err := b.req.Blob(p.SHA256)
	if errors.Is(err, ErrMissing) {
		return nil // it was erased
	}
	if err != nil {
		return fmt.Errorf("payload %s: %w", p.SHA256, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.SHA256 {
		return fmt.Errorf("payload %s of entry %d is not what its digest says", p.SHA256, p.Entry)
	}
	b.manifest.Totals.Payloads++
	return b.file("blobs/sha256/"+p.SHA256, data)
}

func (b *bundler) totals() error {
	data, err := b.manifest.Totals.text()
	if err != nil {
		return err
	}
	return b.file("totals.json", data)
}

func (t Totals) text() ([]byte, error) {
	data, err := json.Marshal(t)
	return append(data, '\n'), err
}

// file writes one file of a bundle. Nothing in its header depends on who wrote it and when.
func (b *bundler) file(name string, data []byte) error {
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, Format: tar.FormatUSTAR}
	if err := b.tar.WriteHeader(&h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := b.tar.Write(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// memoryTiles reads tiles of hashes that are held in memory.
type memoryTiles map[string][]byte

// Height implements [tlog.TileReader].
func (memoryTiles) Height() int { return tileHeight }

// SaveTiles implements [tlog.TileReader].
func (memoryTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements [tlog.TileReader].
func (m memoryTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, ok := m[Tile{Level: t.L, N: t.N, Width: t.W}.Path()]
		if !ok {
			return nil, fmt.Errorf("%s: %w", Tile{Level: t.L, N: t.N, Width: t.W}.Path(), ErrMissing)
		}
		out[i] = data
	}
	return out, nil
}

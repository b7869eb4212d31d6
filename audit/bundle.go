package audit

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// BundleFormat names the form of a bundle: a tar whose files stand in this order.
//
//	manifest.json                  what is in it; proves nothing by itself
//	checkpoint                     the newest, with all its cosignatures
//	checkpoints/<size>.note        earlier ones
//	policy.informational.txt       what the log's owner thinks a policy should be; never used
//	tile/<L>/<N>[.p/<W>]           hashes: all of level 1 and above, and the last of level 0
//	tile/entries/<N>[.p/<W>]       entries
//	leaves/<index>.json            one entry, where a bundle holds single ones
//	proofs/<index>.tlog-proof      its proof
//	blobs/sha256/<digest>          payloads
//
// Tiles and checkpoints are those of C2SP tlog-tiles and tlog-checkpoint, proofs those of tlog-proof.
const BundleFormat = "taffrail.dev/bundle/v1"

// A Manifest says what is in a bundle. All of it is checked against what is signed, or says nothing that matters.
type Manifest struct {
	Format  string    `json:"format"`
	Origin  string    `json:"origin"`
	Size    int64     `json:"size"`    // of the checkpoint
	From    int64     `json:"from"`    // first entry of the range, a multiple of 256
	To      int64     `json:"to"`      // first entry after it; equal to From where there are single entries alone
	Single  []int64   `json:"single"`  // indexes of single entries
	Blobs   []Payload `json:"blobs"`   // in the order of their files
	Filter  string    `json:"filter"`  // which payloads were asked for, for people; empty is all
	Since   int64     `json:"since"`   // a size that the verifier is thought to remember; 0 is none
	Made    time.Time `json:"made"`    // by the clock of whoever made it
	Program string    `json:"program"` //
	Notes   []string  `json:"notes"`   // for people
}

// A Payload is a blob in a bundle, and an entry that names it.
type Payload struct {
	Entry  int64  `json:"entry"`
	SHA256 string `json:"sha256"` // hexadecimal
	Size   int64  `json:"size"`
}

// A BundleRequest says what to put into a bundle.
type BundleRequest struct {
	From, To int64   // the range, widened to whole tiles; From equal to To is none
	Single   []int64 // entries of which only the presence is to be proved
	Since    int64   // the bundle must show consistency with a tree of this size; 0 is none
	Filter   string  // for people
	Policy   []byte  // informational
	Program  string
	Made     time.Time
	Notes    []string

	// Payloads names the blobs of an entry that belong into the bundle. Nil is none.
	Payloads func(index int64, leaf []byte) ([]Payload, error)
	// Blob gives the content of one. [ErrMissing] is that it was erased: it is then left out.
	Blob func(digest string) ([]byte, error)
}

// WriteBundle writes a bundle of what the log holds under its newest checkpoint, which one of its keys must have signed. What is written is
// one snapshot, whatever is appended meanwhile.
func WriteBundle(ctx context.Context, w io.Writer, s Storage, keys Keys, req BundleRequest) (Manifest, error) {
	var m Manifest
	err := s.View(ctx, func(r Reader) error {
		b := bundler{ctx: ctx, r: r, keys: keys, req: req, tar: tar.NewWriter(w)}
		if err := b.begin(); err != nil {
			return err
		}
		err := b.write()
		m = b.manifest
		return err
	})
	if err != nil {
		return m, fmt.Errorf("write bundle: %w", err)
	}
	return m, nil
}

type bundler struct {
	ctx      context.Context
	r        Reader
	keys     Keys
	req      BundleRequest
	cp       Checkpoint
	manifest Manifest
	tar      *tar.Writer
}

// begin looks at the checkpoint, and settles what will be written.
func (b *bundler) begin() error {
	msg, err := b.r.Checkpoint()
	if err != nil {
		return err
	}
	if msg == nil {
		return errors.New("nothing is signed yet")
	}
	if b.cp, err = b.keys.Open(msg); err != nil {
		return err
	}
	size := b.cp.Size
	m := Manifest{
		Format: BundleFormat, Origin: b.cp.Origin, Size: size, Single: slices.Sorted(slices.Values(b.req.Single)), Blobs: []Payload{},
		Filter: b.req.Filter, Since: b.req.Since, Made: b.req.Made.UTC(), Program: b.req.Program, Notes: append([]string{}, b.req.Notes...),
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
	return b.choose()
}

// unpruned refuses what is not there any more.
func (b *bundler) unpruned() error {
	pruned, err := b.r.Pruned()
	if err != nil {
		return err
	}
	if m := b.manifest; m.From < m.To && m.From < pruned {
		return prunedError(m.From, m.To, pruned)
	}
	for _, i := range b.manifest.Single {
		if i < pruned {
			return prunedError(i, i+1, pruned)
		}
	}
	return nil
}

// choose collects which payloads there will be.
func (b *bundler) choose() error {
	if b.req.Payloads == nil {
		return nil
	}
	seen := map[string]bool{}
	take := func(index int64, leaf []byte) error {
		all, err := b.req.Payloads(index, leaf)
		if err != nil {
			return err
		}
		for _, p := range all {
			if seen[p.SHA256] {
				continue
			}
			switch _, err := b.req.Blob(p.SHA256); {
			case errors.Is(err, ErrMissing):
				continue
			case err != nil:
				return err
			}
			seen[p.SHA256] = true
			b.manifest.Blobs = append(b.manifest.Blobs, p)
		}
		return b.ctx.Err()
	}
	if err := b.r.Entries(b.manifest.From, b.manifest.To, take); err != nil {
		return err
	}
	for _, i := range b.manifest.Single {
		if err := b.r.Entries(i, i+1, take); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundler) write() error {
	manifest, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := b.file("manifest.json", append(manifest, '\n')); err != nil {
		return err
	}
	if err := b.file("checkpoint", b.cp.Note); err != nil {
		return err
	}
	err = b.r.Checkpoints(func(size int64, msg []byte) error {
		if size == 0 || size >= b.cp.Size || size < b.manifest.From && size != b.manifest.Since {
			return nil
		}
		if _, err := b.keys.Open(msg); errors.Is(err, ErrKeyRange) {
			return nil // it counts for nothing
		} else if err != nil {
			return err
		}
		return b.file(fmt.Sprintf("checkpoints/%d.note", size), msg)
	})
	if err == nil && len(b.req.Policy) > 0 {
		err = b.file("policy.informational.txt", b.req.Policy)
	}
	for _, step := range []func() error{b.tiles, b.entries, b.singles, b.blobs} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return err
	}
	return b.tar.Close()
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
		if err := b.file(t.Path(), data); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundler) singles() error {
	for _, i := range b.manifest.Single {
		p, err := Prove(b.r, i, b.cp)
		if err != nil {
			return err
		}
		err = b.r.Entries(i, i+1, func(_ int64, leaf []byte) error { return b.file(fmt.Sprintf("leaves/%d.json", i), leaf) })
		if err == nil {
			err = b.file(fmt.Sprintf("proofs/%d.tlog-proof", i), p.Text())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bundler) blobs() error {
	for _, p := range b.manifest.Blobs {
		data, err := b.req.Blob(p.SHA256)
		if err != nil {
			return fmt.Errorf("payload %s: %w", p.SHA256, err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.SHA256 {
			return fmt.Errorf("payload %s of entry %d is not what its digest says", p.SHA256, p.Entry)
		}
		if err := b.file("blobs/sha256/"+p.SHA256, data); err != nil {
			return err
		}
	}
	return nil
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

// ReadTiles implements [tlog.TileReader]. A partial tile may be read off a wider one.
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

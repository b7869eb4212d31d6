package audit

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"time"
)

// BundleFormat names the form of a bundle: a tar (POSIX ustar, regular files alone) whose files stand in this order.
//
//	manifest.json                  what is in it; proves nothing by itself
//	checkpoint                     the newest, with all its cosignatures
//	checkpoints/<size>.note        earlier ones
//	anchors/<size>.<n>.<kind>      receipts of outside authorities, as the manifest lists them
//	keys/history.jsonl             which keys the log says it has, a line each; never used
//	policy.informational.txt       what the log's owner thinks a policy should be; never used
//	tile/<L>/<N>[.p/<W>]           hashes: all of level 1 and above, and the last of level 0
//	tile/entries/<N>[.p/<W>]       entries; behind each tile, what belongs to those in it:
//	  disclosures/<index>.json       fields that stand outside of an entry, as a JSON array of encoded disclosures
//	  blobs/sha256/<digest>          payloads
//	leaves/<index>.json            one entry, where a bundle holds single ones
//	proofs/<index>.tlog-proof      its proof; and behind it, what belongs to it, as above
//	totals.json                    how many payloads and disclosures there were; the end
//
// Tiles and checkpoints are those of C2SP tlog-tiles and tlog-checkpoint, proofs those of tlog-proof, disclosures those of RFC 9901.
const BundleFormat = "taffrail.dev/bundle/v1"

// A Manifest says what is in a bundle. All of it is checked against what is signed, or says nothing that matters.
type Manifest struct {
	Format     string      `json:"format"`
	Origin     string      `json:"origin"`
	Size       int64       `json:"size"`       // of the checkpoint
	From       int64       `json:"from"`       // first entry of the range, a multiple of 256
	To         int64       `json:"to"`         // first entry after it; equal to From where there are single entries alone
	Single     []int64     `json:"single"`     // indexes of single entries, ascending
	Filter     string      `json:"filter"`     // which payloads were asked for, for people; empty is all
	Since      int64       `json:"since"`      // a size that the verifier is thought to remember; 0 is none
	Pruned     int64       `json:"pruned"`     // entries before this index are not there any more; 0 is none
	Anchors    []AnchorRef `json:"anchors"`    // in the order of their files
	Redactions []Redaction `json:"redactions"` // what was erased, and is withheld for that reason
	Made       time.Time   `json:"made"`       // by the clock of whoever made it
	Program    string      `json:"program"`    //
	Notes      []string    `json:"notes"`      // for people

	Totals Totals `json:"-"` // known when all is written
}

// Totals are how much of what belongs to entries a bundle holds.
type Totals struct {
	Payloads    int `json:"payloads"`    // files of them
	Disclosures int `json:"disclosures"` // not files of them
}

// An AnchorRef says which authority gave a receipt.
type AnchorRef struct {
	File   string    `json:"file"`
	Size   int64     `json:"size"` // of the checkpoint
	Kind   string    `json:"kind"`
	Anchor string    `json:"anchor"` // by the name that the log's configuration gives it
	At     time.Time `json:"at"`     // as the log says
}

// A Redaction says which entry tells that a field or a payload of another was erased.
type Redaction struct {
	Entry   int64  `json:"entry"`             // that it was erased of
	Digest  string `json:"digest,omitempty"`  // of a disclosure, as the entry holds it
	Payload string `json:"payload,omitempty"` // or the SHA-256 of a payload, hexadecimal
	By      int64  `json:"by"`                // the entry that says that it was done
}

// A Payload is a blob that an entry names.
type Payload struct {
	Entry  int64
	SHA256 string // hexadecimal
	Size   int64
}

// A BundleRequest says what to put into a bundle.
type BundleRequest struct {
	From, To   int64       // the range, widened to whole tiles; From equal to To is none
	Single     []int64     // entries of which only the presence is to be proved
	Under      int64       // size of the checkpoint that it stands under, which must be stored; 0 is the newest
	Since      int64       // the bundle must show consistency with a tree of this size; 0 is none
	Filter     string      // for people
	Policy     []byte      // informational
	Receipts   []Receipt   // of the newest checkpoint, and of earlier ones that are stored
	Redactions []Redaction // that concern the entries
	Program    string
	Made       time.Time
	Notes      []string

	// Payloads names the blobs of an entry that belong into the bundle. Nil is none.
	Payloads func(index int64, leaf []byte) ([]Payload, error)
	// Blob gives the content of one. [ErrMissing] is that it was erased: it is then left out.
	Blob func(digest string) ([]byte, error)
	// Disclosures gives the encoded disclosures of an entry that belong into the bundle, which are those that the caller has and wants to
	// show. Nil is none.
	Disclosures func(index int64) ([]string, error)
}

// WriteBundle writes a bundle of what the log holds under a checkpoint, which one of its keys must have signed. What is written is
// one snapshot, whatever is appended meanwhile. A range that reaches into what was pruned is refused, with an [ErrPruned]. It needs memory
// for the entries of one tile.
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

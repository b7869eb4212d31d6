package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A Proof says that an entry stands at an index of a log, and under which checkpoint. It is checked with the entry and a policy alone.
type Proof struct {
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte // the signed note
}

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	maxProof    = 1 << 16 // bytes; a proof has at most 60 hashes
)

// Prove gives the proof of an entry under a checkpoint that r holds the tree of.
func Prove(r Reader, index int64, cp Checkpoint) (Proof, error) {
	if index < 0 || index >= cp.Size {
		return Proof{}, fmt.Errorf("prove entry %d: the checkpoint covers %d entries", index, cp.Size)
	}
	hashes, err := tlog.ProveRecord(cp.Size, index, r)
	if err != nil {
		return Proof{}, fmt.Errorf("prove entry %d: %w", index, err)
	}
	return Proof{Index: index, Hashes: hashes, Checkpoint: cp.Note}, nil
}

// Check says whether the proof holds for the bytes of an entry, under a checkpoint that was opened with a policy or a key. The
// checkpoint must be the proof's own.
func (p Proof) Check(cp Checkpoint, entry []byte) error {
	if !bytes.Equal(p.Checkpoint, cp.Note) {
		return errors.New("check proof: it belongs to another checkpoint")
	}
	if p.Index < 0 || p.Index >= cp.Size {
		return fmt.Errorf("check proof: entry %d is beyond the %d of the checkpoint", p.Index, cp.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, cp.Size, cp.Root, p.Index, tlog.RecordHash(entry)); err != nil {
		return fmt.Errorf("check proof: entry %d is not in the tree of the checkpoint: %w", p.Index, err)
	}
	return nil
}

// Text is the proof as C2SP tlog-proof writes it.
func (p Proof) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nindex %d\n", proofHeader, p.Index)
	for _, h := range p.Hashes {
		fmt.Fprintln(&b, h)
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof is the inverse of [Proof.Text]. A proof with extra data, which nobody vouches for, is read without it.
func ParseProof(text []byte) (Proof, error) {
	if len(text) > maxProof {
		return Proof{}, fmt.Errorf("parse proof: it has %d bytes, and %d is the most", len(text), maxProof)
	}
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return Proof{}, errors.New("parse proof: there is no empty line before a checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return Proof{}, fmt.Errorf("parse proof: it does not begin with %s", proofHeader)
	}
	if lines = lines[1:]; len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if _, err := base64.StdEncoding.DecodeString(lines[0][len("extra "):]); err != nil {
			return Proof{}, errors.New("parse proof: the extra data is no base64")
		}
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return Proof{}, errors.New("parse proof: there is no index")
	}
	p := Proof{Checkpoint: bytes.Clone(checkpoint)}
	number, ok := strings.CutPrefix(lines[0], "index ")
	var err error
	p.Index, err = strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || p.Index < 0 || strconv.FormatInt(p.Index, 10) != number {
		return Proof{}, fmt.Errorf("parse proof: %.60q is no index", lines[0])
	}
	if p.Hashes, err = parseHashes(lines[1:]); err != nil {
		return Proof{}, fmt.Errorf("parse proof: %w", err)
	}
	return p, nil
}

// parseHashes reads hashes, one on each line, in the one spelling that there is.
func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line {
			return nil, fmt.Errorf("%.60q is not the base64 of 32 bytes", line)
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Head is the state of one log: so many entries, under this root. The zero Head is no log at all, which is not the
// same as an empty log.
type Head struct {
	Origin string    // name of the log, and of the key that signs it
	Size   int64     // number of entries
	Root   tlog.Hash // RFC 6962 tree hash of the first Size entries
}

// EmptyHead is the state of a log that was begun and has no entry.
func EmptyHead(origin string) Head { return Head{Origin: origin, Root: EmptyRoot()} }

// EmptyRoot is the root of the tree without entries: the hash of the empty string (RFC 6962, section 2.1).
func EmptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// maxSize bounds sizes that come from outside, so that index arithmetic cannot overflow.
const maxSize = 1 << 60

// valid says what is wrong with a head, whether it came from outside or is about to be signed.
func (h Head) valid() error {
	switch {
	case !validOrigin(h.Origin):
		return fmt.Errorf("origin %.80q is empty, or has white space, control characters, a plus sign or invalid UTF-8", h.Origin)
	case h.Size < 0 || h.Size > maxSize:
		return fmt.Errorf("size %d is out of range", h.Size)
	case h.Size == 0 && h.Root != EmptyRoot():
		return errors.New("size is 0 and the root is not the empty tree's")
	}
	return nil
}

// validOrigin asks what a key name is asked for (C2SP signed-note), since the two are the same here.
func validOrigin(s string) bool {
	bad := func(r rune) bool { return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r) }
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0
}

// FormatCheckpoint gives the text of a checkpoint (C2SP tlog-checkpoint): origin, size in decimal and root in base64,
// each on a line of its own. There are no extension lines.
func FormatCheckpoint(h Head) ([]byte, error) {
	if err := h.valid(); err != nil {
		return nil, fmt.Errorf("format checkpoint: %w", err)
	}
	return fmt.Appendf(nil, "%s\n%d\n%s\n", h.Origin, h.Size, h.Root), nil
}

// ParseCheckpoint is the inverse of [FormatCheckpoint]. It accepts nothing that FormatCheckpoint would write otherwise.
func ParseCheckpoint(text []byte) (Head, error) {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Head{}, fmt.Errorf("parse checkpoint: want three lines, each ended by a newline, have %d", len(lines)-1)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return Head{}, fmt.Errorf("parse checkpoint: line 2: size %.40q is not a number", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Head{}, fmt.Errorf("parse checkpoint: line 3: root %.60q is not the base64 of 32 bytes", lines[2])
	}
	h := Head{Origin: lines[0], Size: size, Root: root}
	again, err := FormatCheckpoint(h)
	if err != nil {
		return Head{}, fmt.Errorf("parse checkpoint: %w", err)
	}
	if !bytes.Equal(again, text) {
		return Head{}, errors.New("parse checkpoint: size or root is not spelled in the one way allowed")
	}
	return h, nil
}

// A Checkpoint is a head with the note that signs it.
type Checkpoint struct {
	Head
	Note []byte // C2SP signed note: the text of [FormatCheckpoint], a blank line, signature lines
}

// OpenCheckpoint parses a note and checks that v's key signed it, under the log's own name. Signatures of other keys,
// such as witnesses', may stand beside it and are not looked at.
func OpenCheckpoint(msg []byte, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	h, err := ParseCheckpoint([]byte(n.Text))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	if h.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("open checkpoint: origin %q is not the key's name %q", h.Origin, v.Name())
	}
	return Checkpoint{Head: h, Note: bytes.Clone(msg)}, nil
}

package socket

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

const (
	protocol = 1
	maxFrame = 256 << 10 // keys that were changed a thousand times fit in
)

// An operation is one method of [audit.RemoteSigner].
type operation string

const (
	opHead   operation = "head"
	opSign   operation = "sign"
	opKeys   operation = "keys"
	opRotate operation = "rotate"
	opRevoke operation = "revoke"
)

// A request has the arguments of one method; those of the others are left out.
type request struct {
	Version int         `json:"version"`
	Op      operation   `json:"op"`
	Old     *headForm   `json:"old,omitempty"`
	Size    int64       `json:"size,omitempty"`
	Root    *tlog.Hash  `json:"root,omitempty"`
	Proof   []tlog.Hash `json:"proof,omitempty"`
	From    int64       `json:"from,omitempty"`
	Until   int64       `json:"until,omitempty"`
	VKey    string      `json:"vkey,omitempty"`
	At      int64       `json:"at,omitempty"`
}

// headForm is a head as it is told, which may be a lie or the zero one: it is for the signer to judge.
type headForm struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   tlog.Hash `json:"root"`
}

func formOf(h audit.Head) *headForm { return &headForm{h.Origin, h.Size, h.Root} }

func (f headForm) head() audit.Head { return audit.Head{Origin: f.Origin, Size: f.Size, Root: f.Root} }

// An answer has what the method returned.
type answer struct {
	Version int        `json:"version"`
	Head    *headForm  `json:"head,omitempty"`
	Note    []byte     `json:"note,omitempty"`
	Keys    string     `json:"keys,omitempty"` // as [audit.ParseKeys] reads them
	Error   *errorForm `json:"error,omitempty"`
}

// check says whether a request has what its method takes. Signing needs all of it, so that what was left out is never taken for nought.
func (r request) check() error {
	if r.Version != protocol {
		return fmt.Errorf("the version of the protocol is %d, and not %d: both ends must be of one release", r.Version, protocol)
	}
	switch r.Op {
	case opHead, opKeys, opRotate:
		return nil
	case opSign:
		if r.Old == nil || r.Root == nil {
			return errors.New("sign: old state or root is missing")
		}
		return nil
	case opRevoke:
		if r.VKey == "" {
			return errors.New("revoke: the key is missing")
		}
		return nil
	}
	return fmt.Errorf("there is no operation %.40q", r.Op)
}

func (a answer) check() error {
	if a.Version != protocol {
		return fmt.Errorf("the version of the protocol is %d, and not %d: both ends must be of one release", a.Version, protocol)
	}
	return nil
}

// writeFrame sends one value.
func writeFrame(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if len(text) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is larger than %d", len(text), maxFrame)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)) //nolint:gosec // it is bounded
	return err
}

// readFrame takes one frame, and no more memory than has arrived.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read the length of a frame: %w", err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes is larger than %d", size, maxFrame)
	}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, r, int64(size)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read a frame of %d bytes: %w", size, err)
	}
	return text.Bytes(), nil
}

// decode reads the JSON of a frame strictly: one value, and no field that is not known.
func decode[T interface{ check() error }](text []byte) (value T, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&value); err != nil {
		return value, fmt.Errorf("decode a frame: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return value, errors.New("decode a frame: something follows the value")
	}
	return value, value.check()
}

func receive[T interface{ check() error }](r io.Reader) (value T, err error) {
	text, err := readFrame(r)
	if err != nil {
		return value, err
	}
	return decode[T](text)
}

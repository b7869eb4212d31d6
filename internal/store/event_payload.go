package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taffrail-dev/taffrail"
)

// The payload of a batch of events is a line of JSON that says what it is, and sections after it: four bytes of length, little-endian, one byte
// that says which, and the bytes. Sections F are frames: zstd over lines of JSON, one for each record. The last section, I, says by what each
// record is found, so that the index can be derived without a look into the frames. docs/design/log-format.md has it byte by byte.

type eventsHead struct {
	Version int    `json:"taffrail_events"`
	Salt    string `json:"salt"` // so that the payload's digest cannot be guessed
}

const (
	eventsVersion = 1
	sectionFrame  = 'F'
	sectionIndex  = 'I'
	sectionHead   = 5 // bytes before a section
	frameBytes    = 64 << 10
	frameRecords  = 1 << 12 // what fits into a place
	maxFrame      = 64 << 20
)

// An EventRecord is one record of a batch as it is stored: an event, or what could not be read.
type EventRecord struct {
	Digest string              `json:"digest"`          // SHA-256 of what was delivered, hexadecimal
	Format string              `json:"format"`          // the plug-in whose decoder reads it
	Where  string              `json:"where,omitempty"` // in what was delivered
	Head   *taffrail.EventHead `json:"head,omitempty"`
	Record json.RawMessage     `json:"record,omitempty"` // without its secrets
	Fault  string              `json:"fault,omitempty"`  // why it could not be read
	Locked []byte              `json:"locked,omitempty"` // what could not be read, encrypted with the installation's key
}

// An EventPayload is built record by record, and then given to [Tx.PutBlob].
type EventPayload struct {
	out     bytes.Buffer
	lines   []byte
	inFrame int
	index   []byte
	frames  []byte
	count   int
	nframes int
	sum     []byte // digests of all records
}

// zstdWriter and zstdReader are costly to make, and may be used by many at once.
var (
	zstdWriter = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)) })
	zstdReader = sync.OnceValues(func() (*zstd.Decoder, error) { return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFrame)) })
)

// NewEventPayload begins a payload.
func NewEventPayload(salt string) (*EventPayload, error) {
	head, err := json.Marshal(eventsHead{eventsVersion, salt})
	if err != nil {
		return nil, err
	}
	p := &EventPayload{}
	p.out.Write(head)
	p.out.WriteByte('\n')
	return p, nil
}

// Add adds a record.
func (p *EventPayload) Add(r EventRecord) error {
	digest, err := hex.DecodeString(r.Digest)
	if err != nil || len(digest) != sha256.Size {
		return fmt.Errorf("event record: digest %q is no SHA-256", r.Digest)
	}
	if p.lines, err = appendRecord(p.lines, r); err != nil {
		return err
	}
	p.lines = append(p.lines, '\n')
	p.sum = append(p.sum, digest...)
	p.note(r)
	p.count++
	if p.inFrame++; len(p.lines) >= frameBytes || p.inFrame == frameRecords {
		return p.endFrame()
	}
	return nil
}

// appendRecord writes a record as encoding/json does, but for the record itself, which is JSON on one line already.
func appendRecord(dst []byte, r EventRecord) ([]byte, error) {
	record := r.Record
	r.Record = nil
	head, err := json.Marshal(r)
	if err != nil || record == nil {
		return append(dst, head...), err
	}
	if bytes.IndexByte(record, '\n') >= 0 {
		return dst, errors.New("event record: it has more than one line")
	}
	dst = append(dst, head[:len(head)-1]...)
	dst = append(dst, `,"record":`...)
	dst = append(dst, record...)
	return append(dst, '}'), nil
}

// note writes by what a record is found.
func (p *EventPayload) note(r EventRecord) {
	keys := []uint64{recordKey(r.Digest)}
	var at int64
	var flags byte
	if r.Head != nil {
		at = nanos(r.Head.Time)
		if r.Head.Changes {
			flags |= flagChanges
		}
		if r.Head.Changes || len(r.Head.Keys) > 0 {
			keys = append(keys, eventKey(r.Head.ID))
		}
		for _, k := range r.Head.Keys {
			keys = append(keys, textKey(k))
		}
	} else {
		flags |= flagDead
	}
	p.index = binary.AppendVarint(p.index, at)
	p.index = append(p.index, flags)
	p.index = binary.AppendUvarint(p.index, uint64(len(keys)))
	for _, k := range keys {
		p.index = binary.LittleEndian.AppendUint64(p.index, k)
	}
}

const (
	flagChanges = 1
	flagDead    = 2
)

// keyOf gives the key of a text of one kind.
func keyOf(kind, text string) uint64 {
	sum := sha256.Sum256([]byte(kind + text))
	return binary.BigEndian.Uint64(sum[:])
}

func textKey(text string) uint64          { return keyOf("k", text) }
func recordKey(digest string) uint64      { return keyOf("d", digest) }
func eventKey(id taffrail.EventID) uint64 { return keyOf("e", string(id)) }

func (p *EventPayload) endFrame() error {
	if p.inFrame == 0 {
		return nil
	}
	p.frames = binary.AppendUvarint(p.frames, uint64(p.out.Len()))
	p.frames = binary.AppendUvarint(p.frames, uint64(p.inFrame))
	p.nframes++
	coder, err := zstdWriter()
	if err != nil {
		return err
	}
	p.section(sectionFrame, coder.EncodeAll(p.lines, nil))
	p.lines, p.inFrame = p.lines[:0], 0
	return nil
}

func (p *EventPayload) section(kind byte, content []byte) {
	var head [sectionHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(content)))
	head[4] = kind
	p.out.Write(head[:])
	p.out.Write(content)
}

// Bytes ends the payload, and gives it with the SHA-256 over all digests, in hexadecimal.
func (p *EventPayload) Bytes() (payload []byte, digest string, err error) {
	if err := p.endFrame(); err != nil {
		return nil, "", err
	}
	index := binary.AppendUvarint(nil, uint64(p.nframes))
	index = append(index, p.frames...)
	index = binary.AppendUvarint(index, uint64(p.count))
	p.section(sectionIndex, append(index, p.index...))
	sum := sha256.Sum256(p.sum)
	return p.out.Bytes(), hex.EncodeToString(sum[:]), nil
}

// A place in a payload is where a frame begins and which of its records it is.
func placeOf(frame, n int64) int64 { return frame<<12 | n }

func (a EventAt) frame() int64 { return a.at >> 12 }
func (a EventAt) n() int64     { return a.at & (frameRecords - 1) }

// errPayload says that bytes are no payload of events.
var errPayload = errors.New("it is no batch of events")

// parseEventsHead reads the first line of a payload.
func parseEventsHead(payload []byte) (h eventsHead, rest []byte, err error) {
	line, rest, ok := bytes.Cut(payload, []byte("\n"))
	if !ok || json.Unmarshal(line, &h) != nil || h.Version != eventsVersion {
		return h, nil, errPayload
	}
	return h, rest, nil
}

// sectionSize is how many bytes the section takes that begins here, with its head.
func sectionSize(part []byte) int64 { return sectionHead + int64(binary.LittleEndian.Uint32(part)) }

// sectionAt gives the section that begins somewhere in a payload, and where the next one does.
func sectionAt(payload []byte, at int64) (kind byte, content []byte, next int64, err error) {
	if at < 0 || at+sectionHead > int64(len(payload)) {
		return 0, nil, 0, errPayload
	}
	size := int64(binary.LittleEndian.Uint32(payload[at:]))
	begin := at + sectionHead
	if begin+size > int64(len(payload)) {
		return 0, nil, 0, errPayload
	}
	return payload[at+4], payload[begin : begin+size], begin + size, nil
}

// eachIndexed calls f with by what each record of a payload is found.
func eachIndexed(payload []byte, f func(nanos, at int64, flags byte, keys []byte) error) error {
	_, rest, err := parseEventsHead(payload)
	if err != nil {
		return err
	}
	at := int64(len(payload) - len(rest))
	for {
		kind, content, next, err := sectionAt(payload, at)
		if err != nil {
			return err
		}
		if kind == sectionIndex {
			return readIndex(content, f)
		}
		at = next
	}
}

// An indexReader reads numbers, and remembers that there were too few.
type indexReader struct {
	rest  []byte
	short bool
}

func (r *indexReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *indexReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.short = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *indexReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func readIndex(content []byte, f func(nanos, at int64, flags byte, keys []byte) error) error {
	r := &indexReader{rest: content}
	type frame struct{ at, records int64 }
	var frames []frame
	for n := r.uvarint(); n > 0 && !r.short; n-- {
		frames = append(frames, frame{int64(r.uvarint()), int64(r.uvarint())})
	}
	left := r.uvarint()
	for _, fr := range frames {
		for n := int64(0); n < fr.records && !r.short; n, left = n+1, left-1 {
			if left == 0 || n >= frameRecords {
				return errPayload
			}
			at := r.varint()
			flags := r.bytes(1)
			keys := r.uvarint()
			if keys > uint64(len(r.rest)) {
				return errPayload
			}
			raw := r.bytes(8 * keys)
			if r.short {
				break
			}
			if err := f(at, placeOf(fr.at, n), flags[0], raw); err != nil {
				return err
			}
		}
	}
	if r.short || left != 0 {
		return errPayload
	}
	return nil
}

// decompress gives the lines of a frame.
func decompress(content []byte) ([]byte, error) {
	d, err := zstdReader()
	if err != nil {
		return nil, err
	}
	return d.DecodeAll(content, nil)
}

// frameLines gives the records of a frame, each as it is written.
func frameLines(content []byte) (all [][]byte, err error) {
	text, err := decompress(content)
	if err != nil {
		return nil, errPayload
	}
	for line := range bytes.Lines(text) {
		all = append(all, line)
	}
	return all, nil
}

// ReadEventPayload calls f for each record of a payload, in their order, with its place.
func ReadEventPayload(payload []byte, f func(n int64, r EventRecord) error) error {
	_, rest, err := parseEventsHead(payload)
	if err != nil {
		return err
	}
	n, at := int64(0), int64(len(payload)-len(rest))
	for {
		kind, content, next, err := sectionAt(payload, at)
		if err != nil || kind == sectionIndex {
			return err
		}
		lines, err := frameLines(content)
		if err != nil {
			return err
		}
		for _, line := range lines {
			var r EventRecord
			if json.Unmarshal(line, &r) != nil {
				return errPayload
			}
			if err := f(n, r); err != nil {
				return err
			}
			n++
		}
		at = next
	}
}

// timeOf is a time of the index.
func timeOf(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// Package delivery reads the files in which records of CloudTrail are delivered, record by record.
//
// A file is gzip or plain. It holds {"Records": [...]}, as a trail writes it, or a list, or values one after the other, on lines or not. What is
// read is, for each of them: a record; an event of EventBridge, whose detail is the record; an event of LookupEvents, which has the record as
// text, alone or in {"Events": [...]}. Forms may be mixed.
//
// Nothing is held but the record that is being read and a window of what follows, whatever the size of the file. A record whose end cannot be
// found is given up to where the next one begins, with a fault; so is what stands where no record should. If nothing begins any more, the rest is
// one faulty record. Whether a record that has an end is good is for others to say.
package delivery

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// Bounds of what is read.
const (
	MaxRecord = 4 << 20  // of one record; CloudTrail writes 256 KiB at most
	MaxFile   = 16 << 30 // of one file, without compression
)

// A Record is one record of a file.
type Record struct {
	Raw   []byte // good until the next one is read
	Fault string // why it is not one, without quoting it
	End   int64  // the offset after it, in the file without compression
}

// Read gives each record to emit, in the order of the file, and returns what emit fails with. What is wrong with the file is no error, but a
// record with a fault; an error that is not emit's is of reading itself.
func Read(r io.Reader, emit func(Record) error) error {
	return read(r, emit, true)
}

// Follow is [Read] for a file that grows: values one after the other, of which the last may not be whole yet. It is left for the next time. The
// end of the last record that was given is where to go on.
func Follow(r io.Reader, emit func(Record) error) error {
	return read(r, emit, false)
}

func read(r io.Reader, emit func(Record) error, whole bool) error {
	s := &stream{emit: emit, whole: whole}
	head := bufio.NewReaderSize(r, 64<<10)
	s.in = head
	if magic, _ := head.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(head)
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return s.fault(nil, "it is no gzip stream")
		}
		if err != nil {
			return err
		}
		defer z.Close()
		s.in, s.packed = z, true
	}
	err := s.values()
	if errors.Is(err, errEnd) {
		return s.err
	}
	return err
}

// errEnd ends the reading of a file early; what it was about has been given.
var errEnd = errors.New("nothing more can be read")

// A stream is a window over a file.
type stream struct {
	in      io.Reader
	packed  bool
	whole   bool
	emit    func(Record) error
	window  []byte
	at      int    // the next byte in the window
	before  int64  // bytes of the file before the window
	ended   bool   // nothing follows the window
	damaged string // why it ended, if not because it was over
	err     error  // of reading, that is nobody's fault
	lost    int    // records without an end
}

const (
	firstWindow = 256 << 10
	maxEmpty    = 100 // reads that give nothing
	maxLost     = 20  // records without an end that are looked for as far as they may reach
)

// more reads on, and says whether anything came. What was passed is dropped first; the window grows only if that is not enough.
func (s *stream) more() bool {
	if s.ended {
		return false
	}
	if s.at > len(s.window)/2 || len(s.window) == cap(s.window) && s.at > 0 {
		n := copy(s.window, s.window[s.at:])
		s.before += int64(s.at)
		s.window, s.at = s.window[:n], 0
	}
	if len(s.window) == cap(s.window) {
		grown := make([]byte, len(s.window), max(firstWindow, 2*cap(s.window)))
		copy(grown, s.window)
		s.window = grown
	}
	if s.before+int64(len(s.window)) > MaxFile {
		s.ended, s.damaged = true, fmt.Sprintf("the file is larger than %d GiB, and the rest was not read", MaxFile>>30)
		return false
	}
	for range maxEmpty {
		n, err := s.in.Read(s.window[len(s.window):cap(s.window)])
		s.window = s.window[:len(s.window)+n]
		if err != nil {
			s.end(err)
		}
		if n > 0 || s.ended {
			return n > 0
		}
	}
	s.end(io.ErrNoProgress)
	return false
}

func (s *stream) end(err error) {
	s.ended = true
	switch {
	case errors.Is(err, io.EOF):
	case s.packed && errors.Is(err, io.ErrUnexpectedEOF):
		s.damaged = "the gzip stream is cut off"
	case s.packed && (errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)):
		s.damaged = "the gzip stream is damaged"
	case s.packed && isCorrupt(err):
		s.damaged = "the gzip stream is damaged"
	default:
		s.err = err
	}
}

// next is the next byte after white space, and false at the end.
func (s *stream) next() (byte, bool) {
	for {
		s.at = jsonscan.Space(s.window, s.at)
		if s.at < len(s.window) {
			return s.window[s.at], true
		}
		if !s.more() {
			return 0, false
		}
	}
}

// span gives the bytes of the next value, and false if it has no end within the bounds. A number or a word ends where something else begins.
func (s *stream) span() ([]byte, bool) {
	for {
		end, ok := jsonscan.Value(s.window, s.at)
		if ok && (end < len(s.window) || s.ended) {
			return s.window[s.at:end], true
		}
		if s.ended || len(s.window)-s.at > MaxRecord {
			return nil, false
		}
		s.more()
	}
}

// values reads values one after the other.
func (s *stream) values() error {
	if s.skipBOM(); s.err != nil {
		return s.err
	}
	for {
		c, ok := s.next()
		if !ok {
			return s.over("")
		}
		var err error
		switch c {
		case '{':
			err = s.object()
		case '[':
			s.at++
			err = s.list()
		default:
			err = s.junk("something stands where a record should begin", true)
		}
		if err != nil {
			return err
		}
	}
}

func (s *stream) skipBOM() {
	for len(s.window) < 3 && s.more() {
	}
	if bytes.HasPrefix(s.window, []byte("\xef\xbb\xbf")) {
		s.at = 3
	}
}

// over ends the reading at the end of the file. Missing is what should have followed.
func (s *stream) over(missing string) error {
	if s.err != nil {
		return s.err
	}
	if s.damaged != "" {
		missing = s.damaged
	}
	if missing != "" {
		if err := s.fault(nil, missing); err != nil {
			return err
		}
	}
	return errEnd
}

// object reads an object that is not in a list: one that holds records in a list, or a record.
func (s *stream) object() error {
	if s.lost > maxLost {
		return s.element(true)
	}
	list, ok := s.holder()
	if !ok {
		return s.element(true)
	}
	s.at += list + 1
	if err := s.list(); err != nil {
		return err
	}
	return s.tail()
}

// holder looks for the list of records in the next object, field by field, so that the list is never held as a whole. It gives the distance to
// its bracket.
func (s *stream) holder() (list int, ok bool) {
	for far := 1; ; far++ {
		start, ok := s.reach(far)
		if !ok || s.window[s.at+start] != '"' {
			return 0, false
		}
		end, ok := s.beyond(start)
		if !ok {
			return 0, false
		}
		name, _ := jsonscan.Text(s.window[s.at+start : s.at+end])
		colon, ok := s.reach(end)
		if !ok || s.window[s.at+colon] != ':' {
			return 0, false
		}
		value, ok := s.reach(colon + 1)
		if !ok {
			return 0, false
		}
		if (name == "Records" || name == "Events") && s.window[s.at+value] == '[' {
			return value, true
		}
		if end, ok = s.beyond(value); !ok {
			return 0, false
		}
		if far, ok = s.reach(end); !ok || s.window[s.at+far] != ',' {
			return 0, false
		}
	}
}

// reach passes white space at a distance from where we are, without going there. It reads on if it must.
func (s *stream) reach(far int) (int, bool) {
	for {
		far = jsonscan.Space(s.window, s.at+far) - s.at
		if s.at+far < len(s.window) {
			return far, true
		}
		if far > MaxRecord || !s.more() {
			return 0, false
		}
	}
}

// beyond gives the distance after the value that begins at one.
func (s *stream) beyond(far int) (int, bool) {
	for {
		if end, ok := jsonscan.Value(s.window, s.at+far); ok && end < len(s.window) {
			return end - s.at, true
		}
		if len(s.window)-s.at > MaxRecord || !s.more() {
			return 0, false
		}
	}
}

// tail passes what follows the list in the object that holds it.
func (s *stream) tail() error {
	for {
		c, ok := s.next()
		switch {
		case !ok:
			return s.over("it ends before its end")
		case c == '}':
			s.at++
			return nil
		case c == ',' || c == ':':
			s.at++
		case c == '"' || c == 't' || c == 'f' || c == 'n' || c == '-' || '0' <= c && c <= '9' || c == '[' || c == '{':
			if c == '{' && s.startsRecord() {
				return s.junk("the list of records ends before its end", false)
			}
			value, ok := s.span()
			if !ok {
				return s.junk("what follows the records has no end", true)
			}
			s.at += len(value)
		default:
			return s.junk("something stands after the records", true)
		}
	}
}

// list reads the elements of a list, from after its bracket.
func (s *stream) list() error {
	for {
		c, ok := s.next()
		var err error
		switch {
		case !ok:
			return s.over("it ends before its end")
		case c == ']':
			s.at++
			return nil
		case c == ',':
			s.at++
		case c == '}' || c == ':':
			err = s.junk("something stands between the records", false)
		default:
			err = s.element(false)
		}
		if err != nil {
			return err
		}
	}
}

// element gives the next value as a record. Alone says that it stands in no list.
func (s *stream) element(alone bool) error {
	if s.lost > maxLost {
		if known, err := s.closely(alone); known {
			return err
		}
	}
	raw, ok := s.span()
	if !ok {
		s.lost++
		if !s.whole && alone && s.ended && s.damaged == "" && s.err == nil && nextRecord(s.window[s.at+1:], true) < 0 {
			return errEnd // a line that is still being written
		}
		return s.junk("a record has no end", alone)
	}
	if inner := within(raw, alone); inner >= 0 && !json.Valid(raw) {
		s.lost++
		return s.give(raw[:1+inner], "a record has no end")
	}
	s.at += len(raw)
	return s.deliver(raw)
}

// closely reads a record no further than to where the next one begins, and says whether one does. It is for files in which much is broken: to look
// for the end of each record as far as it may be would take for ever.
func (s *stream) closely(alone bool) (known bool, err error) {
	rest := s.window[s.at:]
	next := nextRecord(rest[1:], alone)
	if next < 0 {
		return false, nil
	}
	if end, ok := jsonscan.Value(rest[:1+next], 0); ok {
		s.at += end
		return true, s.deliver(rest[:end])
	}
	return true, s.give(rest[:1+next], "a record has no end")
}

// deliver takes a record out of what it came in.
func (s *stream) deliver(raw []byte) error {
	record, fault := unwrap(raw)
	return s.emit(Record{Raw: record, Fault: fault, End: s.before + int64(s.at)})
}

// junk gives what is no record up to where the next one begins, or up to the end.
func (s *stream) junk(fault string, alone bool) error {
	for {
		rest := s.window[s.at:]
		n := nextRecord(rest[min(1, len(rest)):], alone)
		switch {
		case n >= 0:
			return s.give(rest[:n+1], fault)
		case len(rest) > MaxRecord:
			return s.give(rest[:MaxRecord], fault)
		case !s.more():
			if s.err != nil {
				return s.err
			}
			if s.damaged != "" {
				fault = s.damaged
			}
			if err := s.give(s.window[s.at:], fault); err != nil {
				return err
			}
			return errEnd
		}
	}
}

// give gives bytes that are no record, and passes them.
func (s *stream) give(raw []byte, fault string) error {
	s.at += len(raw)
	return s.fault(bytes.TrimRight(raw, ", \t\r\n"), fault)
}

func (s *stream) fault(raw []byte, fault string) error {
	return s.emit(Record{Raw: raw, Fault: fault, End: s.before + int64(s.at)})
}

// startsRecord says whether a record begins where we are.
func (s *stream) startsRecord() bool {
	head := s.window[s.at:min(len(s.window), s.at+64)]
	return nextRecord(head, false) == 0
}

var (
	firstField = []byte(`"eventVersion"`)
	firstBytes = []byte(`{"eventVersion"`)
)

// within is where another record begins in one. Where records are written without white space, that is looked for alone, which is faster.
func within(raw []byte, alone bool) int {
	if len(raw) > 1 && raw[1] == '"' && !alone {
		return bytes.Index(raw[1:], firstBytes)
	}
	return nextRecord(raw[1:], alone)
}

// nextRecord is where the next record begins in a text: at the brace before the field that CloudTrail writes first, or, where records stand alone, at
// a brace that begins a line. It is -1 if none begins.
func nextRecord(text []byte, alone bool) int {
	line := -1
	if alone {
		if line = bytes.Index(text, []byte("\n{")); line >= 0 {
			line++
			text = text[:line]
		}
	}
	for from := 0; ; {
		n := bytes.Index(text[from:], firstField)
		if n < 0 {
			return line
		}
		brace := bytes.TrimRight(text[:from+n], " \t\r\n")
		if bytes.HasSuffix(brace, []byte("{")) {
			return len(brace) - 1
		}
		from += n + len(firstField)
	}
}

// unwrap takes a record out of an event of EventBridge or of LookupEvents. Anything else is the record.
func unwrap(raw []byte) (record []byte, fault string) {
	if raw[0] != '{' {
		return raw, "it is no object"
	}
	var detail, kind, text []byte
	for name, value := range jsonscan.Fields(raw) {
		switch string(name) {
		case "detail":
			detail = value
		case "detail-type":
			kind = value
		case "CloudTrailEvent":
			text = value
		case "eventID":
			return raw, ""
		}
	}
	if inner, ok := jsonscan.Text(text); ok {
		return []byte(inner), ""
	}
	if detail == nil || kind == nil {
		return raw, ""
	}
	if field, ok := jsonscan.Field(detail, "eventID"); ok && field[0] == '"' {
		return detail, ""
	}
	return raw, "it is an event of EventBridge that holds no record of CloudTrail"
}

func isCorrupt(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt)
}

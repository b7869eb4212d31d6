package kubeaudit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/taffrail-dev/taffrail"
)

const (
	opRead  = "read audit log"
	maxLine = 32 << 20 // a record with both bodies of the largest request has a few MiB
)

// A reader follows the log file of an API server, through its rotation.
//
// A file is known by its first line, of which there are no two in the world: it carries an auditID and a stage. So it is found again under any name,
// copied, and packed with gzip; its name, its inode and its size say nothing about which file it is.
type reader struct {
	path  string
	limit int // of a line
}

// A position is the [taffrail.Cursor] of a reader.
type position struct {
	Head   string    `json:"head"`             // digest of the first line of the file
	Offset int64     `json:"offset"`           // of what is next, in the file as it was before it was packed
	Time   time.Time `json:"time,omitzero"`    // of the last record before it
	Number int64     `json:"number,omitempty"` // of lines before it
	Broken bool      `json:"broken,omitempty"` // the rest of the file cannot be read, which was told
}

func (p position) cursor() taffrail.Cursor {
	text, _ := json.Marshal(p) // it has nothing that could fail
	return taffrail.Cursor(base64.RawURLEncoding.EncodeToString(text))
}

func parsePosition(c taffrail.Cursor) (p position, err error) {
	if c == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && (p.Head == "" || p.Offset < 0) {
		err = errors.New("something is missing in it")
	}
	if err != nil {
		return p, &taffrail.Error{Op: opRead, Kind: taffrail.KindCorrupt, Err: fmt.Errorf("the cursor is not one of this reader: %w", err)}
	}
	return p, nil
}

// ReadEvents implements [taffrail.EventReader].
func (r *reader) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	p, err := parsePosition(after)
	if err != nil {
		return err
	}
	files, err := openLogs(r.path)
	if err != nil {
		return err
	}
	defer closeLogs(files)
	files, p, lost := since(files, p)
	if lost != nil { // with the position after the gap, so that it is told of once
		if err := emit(taffrail.Batch{Origin: r.path, Next: p.cursor(), Notices: []taffrail.LogNotice{*lost}}); err != nil {
			return err
		}
	}
	for i, f := range files {
		if f.head != p.Head {
			p = position{Head: f.head, Time: p.Time}
		}
		if p.Broken {
			continue
		}
		run := &run{file: f, at: p, limit: r.limit, emit: emit, finished: i < len(files)-1 || f.packed}
		if p, err = run.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// since gives the files that there is something to read in, oldest first, and the position in the first of them. Where the file of the position is gone, what
// it held after that is gone as well.
func since(files []*logFile, p position) ([]*logFile, position, *taffrail.LogNotice) {
	if p.Head == "" {
		return files, p, nil
	}
	for i, f := range files {
		if f.head == p.Head {
			return files[i:], p, nil
		}
	}
	lost := &taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: p.Time, End: p.Time, What: "the audit log file that was being read is gone"}
	if p.Head == nowhere {
		lost = nil // it was told already
	}
	for len(files) > 0 && files[0].began.Before(p.Time) { // it was read before
		files = files[1:]
	}
	p = position{Head: nowhere, Time: p.Time}
	if len(files) > 0 {
		p.Head = files[0].head
	}
	if lost != nil && len(files) > 0 {
		lost.End = files[0].began
	}
	return files, p, lost
}

// nowhere is the head of a position where there was no file to go on in.
const nowhere = "-"

// A run reads one file from a position on.
type run struct {
	file     *logFile
	at       position
	finished bool // it is not written to any more
	limit    int
	emit     func(taffrail.Batch) error

	batch taffrail.Batch // what was read since the last emit
	size  int
	last  []byte // line of it
}

// read emits the lines of the file. Of a file that is still written to, a line without its end is left for the next time.
func (r *run) read(ctx context.Context) (position, error) {
	text, err := r.file.from(r.at.Offset)
	if errors.Is(err, errShorter) {
		return r.shorter()
	}
	if err != nil {
		return r.broken(err)
	}
	defer text.Close()
	lines := bufio.NewReaderSize(text, 1<<16)
	for {
		if err := ctx.Err(); err != nil {
			return r.at, err
		}
		line, length, err := readLine(lines, r.limit)
		if err == nil || errors.Is(err, io.EOF) && r.finished {
			r.add(line, length)
		}
		switch {
		case errors.Is(err, io.EOF):
			return r.at, r.flush()
		case err != nil:
			return r.broken(err)
		case len(r.batch.Records) == taffrail.MaxBatchRecords || r.size >= taffrail.MaxBatchBytes:
			if err := r.flush(); err != nil {
				return r.at, err
			}
		}
	}
}

func (r *run) add(line []byte, length int64) {
	r.at.Offset, r.at.Number = r.at.Offset+length, r.at.Number+1
	if rec, ok := recordOf(line, length, r.at.Number); ok && length > 0 {
		r.batch.Records, r.size, r.last = append(r.batch.Records, rec), r.size+len(line), line
	}
}

// flush emits what was read. When it returns nil these records are in the log, and the position after them with them.
func (r *run) flush() error {
	if len(r.batch.Records) == 0 && len(r.batch.Notices) == 0 {
		return nil
	}
	r.at.Time = timeOf(r.last, r.at.Time)
	r.batch.Origin, r.batch.Next = r.file.path, r.at.cursor()
	err := r.emit(r.batch)
	r.batch, r.size, r.last = taffrail.Batch{}, 0, nil
	return err
}

// broken is for a file that cannot be read from a place on. If it is written to no more there is a record that says so, and the next file is read.
func (r *run) broken(err error) (position, error) {
	if !r.finished {
		return r.at, errors.Join(r.flush(), &taffrail.Error{Op: opRead, Kind: taffrail.KindUnavailable, Err: err})
	}
	r.batch.Records = append(r.batch.Records, taffrail.Record{
		Format: Name, Where: fmt.Sprintf("after line %d", r.at.Number), Fault: "the file cannot be read from here on: " + r.file.fault(err),
	})
	r.at.Broken = true
	return r.at, r.flush()
}

// shorter is for a file that has lost what was read of it. What is in the log stays there; what comes after is read.
func (r *run) shorter() (position, error) {
	r.at.Offset = r.file.size
	r.batch.Notices = []taffrail.LogNotice{{
		Kind: taffrail.NoticeGap, Start: r.at.Time, End: r.at.Time, What: "the audit log file has become shorter than what was read of it",
	}}
	return r.at, r.flush()
}

// recordOf gives the record of a line; an empty line is none. Of one that is too long only the beginning is kept.
func recordOf(line []byte, length, number int64) (taffrail.Record, bool) {
	rec := taffrail.Record{Format: Name, Raw: line, Where: fmt.Sprintf("line %d", number)}
	if int64(len(line)) < length-1 {
		rec.Raw = bytes.Clone(line)
		rec.Fault = fmt.Sprintf("the line has %d bytes, of which the first %d are here", length, len(line))
	}
	return rec, len(line) > 0
}

// keptOfLong is how much is kept of a line that is too long.
const keptOfLong = 64 << 10

// readLine reads up to and with a newline, and gives the line without it and how many bytes were read. Of a line that is longer than the limit it
// gives the beginning.
func readLine(from *bufio.Reader, limit int) (line []byte, length int64, err error) {
	for {
		part, err := from.ReadSlice('\n')
		length += int64(len(part))
		line = append(line, part[:min(len(part), limit+1-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		switch {
		case length > int64(len(line)):
			line = line[:min(len(line), keptOfLong)]
		case err == nil:
			line = line[:len(line)-1]
		}
		return line, length, err
	}
}

// timeOf is the time that a line gives, and else the one before.
func timeOf(line []byte, before time.Time) time.Time {
	var r struct {
		Stage    time.Time `json:"stageTimestamp"`
		Received time.Time `json:"requestReceivedTimestamp"`
	}
	if json.Unmarshal(line, &r) != nil {
		return before
	}
	for _, at := range []time.Time{r.Stage, r.Received} {
		if !at.IsZero() {
			return at.UTC()
		}
	}
	return before
}

func headOf(line []byte) string {
	sum := sha256.Sum256(line)
	return fmt.Sprintf("%x", sum[:16])
}

package trail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A Truth is one line of the truth log: a call changed one attribute. It is for
// whoever judges what a program makes of the trail.
type Truth struct {
	Event     string `json:"event"`
	Time      Time   `json:"time"`
	Action    string `json:"action"` // SERVICE:EventName
	Principal string `json:"principal"`
	Person    bool   `json:"person"`
	Kind      string `json:"kind"`
	ID        string `json:"id"`
	Name      string `json:"name"`
	Path      string `json:"path"` // empty where the whole object came or went
	// Element is the element of a set that came or went.
	Element any `json:"element,omitempty"`
	Before  any `json:"before"`
	After   any `json:"after"`
}

// A TruthLog appends lines to a file.
type TruthLog struct {
	file *os.File
	last string
}

// OpenTruth opens a truth log. A line that does not end is taken off: its call was
// not answered.
func OpenTruth(path string) (*TruthLog, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	whole := bytes.LastIndexByte(content, '\n') + 1
	l := &TruthLog{}
	if whole > 0 {
		line := content[bytes.LastIndexByte(content[:whole-1], '\n')+1 : whole]
		var t Truth
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, fmt.Errorf("truth log %s: %w", path, err)
		}
		l.last = t.Event
	}
	if l.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	return l, l.file.Truncate(int64(whole))
}

// Last is the event of the last line.
func (l *TruthLog) Last() string { return l.last }

// Append adds the lines of one event.
func (l *TruthLog) Append(lines []Truth) error {
	if len(lines) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, t := range lines {
		line, err := json.Marshal(t)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	l.last = lines[0].Event
	_, err := l.file.Write(b.Bytes())
	return err
}

// Close closes the file.
func (l *TruthLog) Close() error { return l.file.Close() }

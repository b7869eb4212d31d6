package kubeaudit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// A logFolder is a folder of an audit log, and how far it was read.
type logFolder struct {
	t      *testing.T
	dir    string
	cursor taffrail.Cursor
	n      int // lines that were written
	limit  int
}

func newLogFolder(t *testing.T) *logFolder { return &logFolder{t: t, dir: t.TempDir(), limit: maxLine} }

func (l *logFolder) path(name string) string { return filepath.Join(l.dir, name) }

// line is one event, the next.
func (l *logFolder) line() string {
	l.n++
	at := time.Date(2026, 1, 1, 0, 0, l.n, 0, time.UTC).Format(time.RFC3339Nano)
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"e-%d","stage":"ResponseComplete","verb":"get","stageTimestamp":%q}`, l.n, at)
}

func (l *logFolder) lines(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(l.line() + "\n")
	}
	return b.String()
}

func (l *logFolder) write(name, text string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logFolder) rename(from, to string) {
	l.t.Helper()
	if err := os.Rename(l.path(from), l.path(to)); err != nil {
		l.t.Fatal(err)
	}
}

// pack does what rotation does in its own time.
func (l *logFolder) pack(name string) {
	l.t.Helper()
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	l.write(name+".gz", b.String())
	if err := os.Remove(l.path(name)); err != nil {
		l.t.Fatal(err)
	}
}

// read gives the ids of what is new, and keeps the cursor as the core does: of each batch that was taken.
func (l *logFolder) read() (ids []string, faults []string, notices []taffrail.LogNotice) {
	l.t.Helper()
	r := &reader{path: l.path("audit.log"), limit: l.limit}
	err := r.ReadEvents(l.t.Context(), l.cursor, func(b taffrail.Batch) error {
		for _, rec := range b.Records {
			if rec.Fault != "" {
				faults = append(faults, rec.Where+": "+rec.Fault)
				continue
			}
			ids = append(ids, idIn(rec.Raw))
		}
		notices = append(notices, b.Notices...)
		if b.Next != "" {
			l.cursor = b.Next
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return ids, faults, notices
}

func idIn(line []byte) string {
	_, rest, _ := strings.Cut(string(line), `"auditID":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// wants reads, and wants these ids, no faults and no notices.
func (l *logFolder) wants(ids ...string) {
	l.t.Helper()
	got, faults, notices := l.read()
	if diff := cmp.Diff(ids, got); diff != "" || len(faults)+len(notices) > 0 {
		l.t.Errorf("%v %v\n%s", faults, notices, diff)
	}
}

func TestReaderFollows(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log", l.lines(2))
	l.wants("e-1", "e-2")
	l.wants()
	half := l.line()
	l.write("audit.log", half[:40])
	l.wants()
	l.write("audit.log", half[40:]+"\n"+l.lines(1))
	l.wants("e-3", "e-4")
	l.write("audit.log", "\n\n"+l.lines(1))
	l.wants("e-5")
}

// Each way in which logs are rotated, with lines that nobody had read before each step.
func TestReaderFollowsRotation(t *testing.T) {
	const first, second = "audit-2026-01-01T00-00-02.000.log", "audit-2026-01-01T00-00-09.000.log"
	for name, steps := range map[string]func(l *logFolder){
		"renamed, as the API server does it": func(l *logFolder) { l.rename("audit.log", first) },
		"renamed and packed":                 func(l *logFolder) { l.rename("audit.log", first); l.pack(first) },
		"renamed, as logrotate does it":      func(l *logFolder) { l.rename("audit.log", "audit.log.1") },
		"numbers that move on": func(l *logFolder) {
			l.rename("audit.log", "audit.log.1")
			l.write("audit.log", l.lines(1))
			l.rename("audit.log.1", "audit.log.2")
			l.pack("audit.log.2")
			l.rename("audit.log", "audit.log.1")
		},
		"copied and cut": func(l *logFolder) {
			text, _ := os.ReadFile(l.path("audit.log"))
			l.write("audit.log.1", string(text))
			if err := os.Truncate(l.path("audit.log"), 0); err != nil {
				l.t.Fatal(err)
			}
		},
		"twice": func(l *logFolder) {
			l.rename("audit.log", first)
			l.write("audit.log", l.lines(2))
			l.rename("audit.log", second)
			l.pack(first)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLogFolder(t)
			l.write("audit.log", l.lines(2))
			l.wants("e-1", "e-2")
			l.write("audit.log", l.lines(2))
			steps(l)
			l.write("audit.log", l.lines(1))
			var want []string
			for i := 3; i <= l.n; i++ {
				want = append(want, fmt.Sprintf("e-%d", i))
			}
			l.wants(want...)
			l.write("other.log", l.lines(1))
			l.write("audit.log.swp", "no log")
			l.write("audit-policy.log", "no log")
			l.wants()
		})
	}
}

func TestReaderBeginsWithWhatIsThere(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log.1", l.lines(2))
	l.pack("audit.log.1")
	l.write("audit.log", l.lines(1))
	l.wants("e-1", "e-2", "e-3")
}

// A folder is read as a whole, and a file that was rotated away by its own name.
func TestReaderReadsWhatWasPutAway(t *testing.T) {
	l := newLogFolder(t)
	l.write("one.json", l.lines(1))
	l.write("audit-2026-01-01T00-00-02.000.log", l.lines(2))
	l.pack("audit-2026-01-01T00-00-02.000.log")
	l.write(".hidden", "no log")
	for path, want := range map[string]int{l.dir: 3, l.path("audit-2026-01-01T00-00-02.000.log.gz"): 2, l.path("one.json"): 1} {
		n := 0
		err := (&reader{path: path, limit: maxLine}).ReadEvents(t.Context(), "", func(b taffrail.Batch) error { n += len(b.Records); return nil })
		if err != nil || n != want {
			t.Errorf("%s: %d records, %v", path, n, err)
		}
	}
}

// What is being packed is read once, and half of what it is being packed into is not read at all.
func TestReaderLeavesWhatIsBeingPacked(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log.1", l.lines(3))
	l.write("audit.log.1.gz", "\x1f\x8b\x08\x00")
	l.write("audit.log", l.lines(1))
	l.wants("e-1", "e-2", "e-3", "e-4")
}

func TestReaderTellsOfWhatIsGone(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log", l.lines(2))
	l.wants("e-1", "e-2")
	if err := os.Remove(l.path("audit.log")); err != nil {
		t.Fatal(err)
	}
	l.n = 5
	l.write("audit.log", l.lines(1))
	ids, _, notices := l.read()
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	want := []taffrail.LogNotice{{Kind: taffrail.NoticeGap, Start: at(2), End: at(6), What: "the audit log file that was being read is gone"}}
	if diff := cmp.Diff(want, notices); diff != "" || len(ids) != 1 {
		t.Errorf("%v\n%s", ids, diff)
	}
	l.wants()
}

func TestReaderTellsOfAFileThatBecameShorter(t *testing.T) {
	l := newLogFolder(t)
	first := l.lines(1)
	l.write("audit.log", first+l.lines(3))
	l.wants("e-1", "e-2", "e-3", "e-4")
	if err := os.Truncate(l.path("audit.log"), int64(len(first))); err != nil {
		t.Fatal(err)
	}
	if ids, _, notices := l.read(); len(ids) != 0 || len(notices) != 1 || notices[0].Kind != taffrail.NoticeGap {
		t.Errorf("%v %v", ids, notices)
	}
	l.write("audit.log", l.lines(1))
	l.wants("e-5")
}

// What cannot be read is told of once, and what stands after it is read.
func TestReaderGoesOnAfterWhatItCannotRead(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log.3", strings.Repeat(l.lines(100), 20))
	l.pack("audit.log.3")
	text, _ := os.ReadFile(l.path("audit.log.3.gz"))
	if err := os.Truncate(l.path("audit.log.3.gz"), int64(len(text)/2)); err != nil {
		t.Fatal(err)
	}
	l.write("audit.log.2.gz", "no gzip at all")
	l.write("audit.log.1", l.lines(1)+l.line()[:30])
	l.limit = 1000
	l.write("audit.log", strings.Replace(l.line(), `"get"`, `"`+strings.Repeat("x", 2000)+`"`, 1)+"\n"+l.lines(1))
	ids, faults, _ := l.read()
	if len(ids) < 4 || ids[len(ids)-1] != fmt.Sprintf("e-%d", l.n) || len(faults) != 3 {
		t.Errorf("%d ids, %q", len(ids), faults)
	}
	l.wants()
}

// While a log is being written and rotated as fast as that goes, every line is read, once and in order.
func TestReaderFollowsWhatIsBeingRotated(t *testing.T) {
	l := newLogFolder(t)
	const files, each = 150, 20
	written := make(chan error, 1)
	go func() {
		w := &logFolder{t: t, dir: l.dir}
		for i := range files {
			f, err := os.OpenFile(w.path("audit.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			for range each {
				if err == nil {
					_, err = f.WriteString(w.line() + "\n")
				}
			}
			if err == nil {
				err = errors.Join(f.Close(), os.Rename(w.path("audit.log"), w.path(fmt.Sprintf("audit-2026-01-01T00-00-%06d.log", i))))
			}
			if err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	var got []string
	r := &reader{path: l.path("audit.log"), limit: maxLine}
	for over := false; !over || len(got) < files*each; {
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		before := len(got)
		err := r.ReadEvents(t.Context(), l.cursor, func(b taffrail.Batch) error {
			for _, rec := range b.Records {
				got = append(got, idIn(rec.Raw))
			}
			for _, n := range b.Notices {
				t.Errorf("%s", n.What)
			}
			l.cursor = b.Next
			return nil
		})
		if kind := taffrail.KindOf(err); err != nil && kind != taffrail.KindNotFound && kind != taffrail.KindUnavailable {
			t.Fatal(err)
		}
		if over && err == nil && len(got) == before {
			break
		}
	}
	for i, id := range got {
		if id != fmt.Sprintf("e-%d", i+1) {
			t.Fatalf("line %d is %s", i+1, id)
		}
	}
	if len(got) != files*each {
		t.Errorf("%d lines, want %d", len(got), files*each)
	}
}

func TestReaderStopsWithEmit(t *testing.T) {
	l := newLogFolder(t)
	l.write("audit.log.1", l.lines(2))
	l.write("audit.log", l.lines(2))
	full, calls := errors.New("full"), 0
	r := &reader{path: l.path("audit.log"), limit: maxLine}
	if err := r.ReadEvents(t.Context(), "", func(taffrail.Batch) error { calls++; return full }); err != full || calls != 1 { //nolint:errorlint // it is given back as it is
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.ReadEvents(ctx, "", func(taffrail.Batch) error { calls++; return nil }); !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	l.wants("e-1", "e-2", "e-3", "e-4")
}

// However a reader is stopped, what was emitted with the cursor that was stored with it is all, once and in order.
func TestReaderGoesOnWhereItWasStopped(t *testing.T) {
	l := newLogFolder(t)
	n := 2*taffrail.MaxBatchRecords + 10
	l.write("audit.log", l.lines(n))
	r := &reader{path: l.path("audit.log"), limit: maxLine}
	stop := errors.New("stop")
	var got []string
	for {
		taken := false
		err := r.ReadEvents(t.Context(), l.cursor, func(b taffrail.Batch) error {
			if taken {
				return stop
			}
			taken = true
			for _, rec := range b.Records {
				got = append(got, idIn(rec.Raw))
			}
			l.cursor = b.Next
			return nil
		})
		if err == nil {
			break
		}
	}
	for i, id := range got {
		if id != fmt.Sprintf("e-%d", i+1) {
			t.Fatalf("record %d is %s", i, id)
		}
	}
	if len(got) != n {
		t.Errorf("%d records, want %d", len(got), n)
	}
}

func TestReaderSaysWhyItCannotRead(t *testing.T) {
	l := newLogFolder(t)
	read := func(path string, cursor taffrail.Cursor) error {
		return (&reader{path: path, limit: maxLine}).ReadEvents(t.Context(), cursor, func(taffrail.Batch) error { return nil })
	}
	if err := read(l.path("audit.log"), ""); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if err := read(l.path("none/audit.log"), ""); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("no folder: %v", err)
	}
	l.write("audit.log", l.lines(1))
	for _, cursor := range []taffrail.Cursor{"!", "e30", "eyJoZWFkIjoieCIsIm9mZnNldCI6LTF9"} {
		if err := read(l.path("audit.log"), cursor); taffrail.KindOf(err) != taffrail.KindCorrupt {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	if os.Getuid() == 0 {
		return // root may read everything
	}
	if err := os.Chmod(l.path("audit.log"), 0); err != nil {
		t.Fatal(err)
	}
	if err := read(l.path("audit.log"), ""); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("no permission: %v", err)
	}
}

func TestReaderNeedsAFile(t *testing.T) {
	var r plug.Registry
	Register(&r)
	if _, err := plug.Open[taffrail.EventReader](t.Context(), &r, Name, plug.Env{}, plug.Settings{}); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("got %v", err)
	}
	s := plug.Settings{File: "f", YAML: []byte("path: /var/log/audit.log\n")}
	if _, err := plug.Open[taffrail.EventReader](t.Context(), &r, Name, plug.Env{}, s); err != nil {
		t.Errorf("got %v", err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n\nx"), []byte("\x1f\x8b"), uint8(3))
	f.Add([]byte(""), []byte(""), uint8(0))
	f.Fuzz(func(t *testing.T, text, packed []byte, limit uint8) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"audit.log": text, "audit.log.1.gz": packed} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := &reader{path: filepath.Join(dir, "audit.log"), limit: int(limit) + 1}
		var cursor taffrail.Cursor
		for again := range 2 {
			err := r.ReadEvents(t.Context(), cursor, func(b taffrail.Batch) error {
				if again > 0 && len(b.Records) > 0 {
					t.Errorf("it is read twice: %q", b.Records)
				}
				cursor = b.Next
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

package kubeaudit

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A logFile is one file of a log, open: what happens to its name does not matter any more.
type logFile struct {
	path   string
	file   *os.File
	packed bool
	head   string    // by which it is known
	began  time.Time // the time of its first line
	size   int64     // when it was opened, as it is
	info   fs.FileInfo
}

// errShorter says that a file ends before an offset.
var errShorter = errors.New("it ends before")

// maxTries bounds how often the files are listed again because they are being rotated just then.
const maxTries = 20

// openLogs opens the log file and what was rotated away beside it, oldest first. A file that has no whole line yet is left out.
func openLogs(path string) ([]*logFile, error) {
	for range maxTries {
		files, steady, err := tryOpenLogs(path)
		if err != nil {
			return nil, err
		}
		if steady {
			return inOrder(path, files), nil
		}
		closeLogs(files)
	}
	return nil, unreadable(fmt.Errorf("%s: its files change their names all the time", path))
}

// tryOpenLogs says whether the files are still where they were when all were open. If they are not, one may have been missed that was renamed
// in between, and everything after it would be read in its place.
func tryOpenLogs(path string) (files []*logFile, steady bool, err error) {
	names, err := listLogs(path)
	if err != nil {
		return nil, false, err
	}
	for _, name := range names {
		f, err := openLog(name)
		if err != nil {
			closeLogs(files)
			return nil, false, err
		}
		files = append(files, f)
	}
	again, err := listLogs(path)
	if err != nil || !slices.Equal(names, again) || slices.Contains(files, nil) || slices.ContainsFunc(files, (*logFile).moved) {
		files = slices.DeleteFunc(files, func(f *logFile) bool { return f == nil })
		return files, false, err
	}
	return files, true, nil
}

// listLogs gives the paths of the log file and of what was rotated away, but for what is being packed: that is still there unpacked. Of a folder
// all files are of the log.
func listLogs(path string) (names []string, err error) {
	dir, belongs := filepath.Dir(path), func(name string) bool { return isOf(filepath.Base(path), name) }
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		dir, belongs = path, func(name string) bool { return name[0] != '.' }
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, unreadable(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable(err)
	}
	for _, entry := range entries {
		if !entry.IsDir() && belongs(entry.Name()) {
			names = append(names, filepath.Join(dir, entry.Name()))
		}
	}
	if len(names) == 0 {
		return nil, unreadable(&fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist})
	}
	all := slices.Clone(names)
	return slices.DeleteFunc(names, func(name string) bool {
		plain, packed := strings.CutSuffix(name, ".gz")
		return packed && slices.Contains(all, plain)
	}), nil
}

// isOf says whether a name is that of a log, or of what was rotated away from it: audit-2026-01-02T03-04-05.678.log as the API server does it,
// audit.log.1 and audit.log-20260102 as logrotate does.
func isOf(base, name string) bool {
	if name == base {
		return true
	}
	name = strings.TrimSuffix(name, ".gz")
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	dated, inside := strings.CutPrefix(strings.TrimSuffix(name, ext), stem+"-")
	return name == base || inside && strings.HasSuffix(name, ext) && isStamp(dated) ||
		strings.HasPrefix(name, base+".") && isStamp(name[len(base)+1:]) || strings.HasPrefix(name, base+"-") && isStamp(name[len(base)+1:])
}

// isStamp says whether a text is a number or a time.
func isStamp(text string) bool {
	return text != "" && '0' <= text[0] && text[0] <= '9' && strings.Trim(text, "0123456789-.:TZ_") == ""
}

func unreadable(err error) error {
	e := &taffrail.Error{Op: opRead, Kind: taffrail.KindUnavailable, Err: err}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "let the user that taffrail runs as read the audit log and its folder"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "set `path` to the path in --audit-log-path of the API server"
	}
	return e
}

// openLog gives nil for a file that has vanished since it was listed.
func openLog(path string) (*logFile, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(err)
	}
	f := &logFile{path: path, file: file, packed: strings.HasSuffix(path, ".gz")}
	if f.info, err = file.Stat(); err == nil {
		f.size = f.info.Size()
		err = f.readHead()
	}
	if err != nil {
		_ = file.Close()
		return nil, unreadable(err)
	}
	return f, nil
}

// moved says whether the file is no longer where it was opened.
func (f *logFile) moved() bool {
	info, err := os.Stat(f.path)
	return err != nil || !os.SameFile(info, f.info)
}

// maxHead bounds how many lines are looked at for the time of the first.
const maxHead = 16

// readHead reads the first line. A packed file that cannot be read is known by its name.
func (f *logFile) readHead() error {
	text, err := f.from(0)
	if err == nil {
		defer text.Close()
		err = f.readLines(bufio.NewReaderSize(text, 1<<16))
	}
	if f.packed && f.head == "" && !errors.Is(err, io.EOF) {
		f.head, f.began = headOf([]byte(filepath.Base(f.path))), f.info.ModTime()
		return nil
	}
	if errors.Is(err, io.EOF) || f.head != "" {
		return nil
	}
	return err
}

func (f *logFile) readLines(lines *bufio.Reader) error {
	for range maxHead {
		line, _, err := readLine(lines, maxLine)
		if err != nil {
			return err
		}
		if f.head == "" {
			f.head = headOf(line)
		}
		if f.began = timeOf(line, f.began); !f.began.IsZero() {
			return nil
		}
	}
	return nil
}

// inOrder sorts by the first lines' times, the file that is written to last, and leaves out files without a line, and copies: of a file and what it was packed into, the file counts.
func inOrder(path string, files []*logFile) []*logFile {
	slices.SortStableFunc(files, func(a, b *logFile) int {
		return cmp.Or(last(a.path == path), -last(b.path == path), a.began.Compare(b.began), cmp.Compare(a.head, b.head), cmp.Compare(last(a.packed), last(b.packed)), cmp.Compare(b.size, a.size))
	})
	kept := files[:0]
	for _, f := range files {
		if f.head == "" || len(kept) > 0 && kept[len(kept)-1].head == f.head {
			_ = f.file.Close()
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// last is for sorting: what is so comes last.
func last(so bool) int {
	if so {
		return 1
	}
	return 0
}

func closeLogs(files []*logFile) {
	for _, f := range files {
		_ = f.file.Close()
	}
}

// from gives the text from an offset on.
func (f *logFile) from(offset int64) (io.ReadCloser, error) {
	if !f.packed {
		if offset > f.size {
			return nil, errShorter
		}
		_, err := f.file.Seek(offset, io.SeekStart)
		return io.NopCloser(f.file), err
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := gzip.NewReader(f.file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if n, err := io.CopyN(io.Discard, text, offset); err != nil {
		if errors.Is(err, io.EOF) {
			f.size = n
			return nil, errShorter
		}
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return text, nil
}

// fault says why a file cannot be read, and quotes nothing of it.
func (f *logFile) fault(err error) string {
	if f.packed && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)) {
		return "it is packed with gzip, and breaks off or is damaged"
	}
	return "reading fails"
}

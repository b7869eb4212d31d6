package state

import (
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxKept is how large a file may be, in bytes, for its content to be kept in memory between two readings.
	maxKept = 64 << 20
	// tick is how far apart two changes of a file can be and leave it the same time of change, on the coarsest of file systems.
	tick = 2 * time.Second
)

// A File is a state file that is read again and again. As long as it stays what it was, it is parsed once. Its methods may be called at
// the same time.
type File struct {
	path string

	mu    sync.Mutex
	state *State // nil: nothing is kept
	info  fs.FileInfo
	read  time.Time // when
}

// NewFile is the file at a path, which need not be there.
func NewFile(path string) *File { return &File{path: path} }

// Read is [Read]. What it gives is the caller's, but for the bytes of attributes.
func (f *File) Read() (*State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.same() {
		return f.state.clone(), nil
	}
	f.state = nil
	began := time.Now()
	before, err := os.Stat(f.path)
	if err != nil {
		return nil, unreadable(err)
	}
	s, err := Read(f.path)
	if err != nil || before.Size() > maxKept {
		return s, err
	}
	// If the file changes between the two, it changes after the time that is noted here, and is read again.
	f.state, f.info, f.read = s, before, began
	return s.clone(), nil
}

// Header is [ReadHeader].
func (f *File) Header() (Header, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.same() {
		return f.state.Header, nil
	}
	return ReadHeader(f.path)
}

// same says whether the file is, beyond doubt, the one whose content is kept. One that had just been written when it was read may have
// been written again within the same tick.
func (f *File) same() bool {
	if f.state == nil || f.read.Sub(f.info.ModTime()) < tick {
		return false
	}
	now, err := os.Stat(f.path)
	return err == nil && os.SameFile(now, f.info) && now.Size() == f.info.Size() && now.ModTime().Equal(f.info.ModTime())
}

func (s *State) clone() *State {
	return &State{Header: s.Header, Instances: slices.Clone(s.Instances)}
}

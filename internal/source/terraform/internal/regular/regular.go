// Package regular reads regular files, and nothing else: a pipe would wait for a writer, a device may have no end, and a folder of
// code may hold either under any name.
package regular

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxCode bounds files of code, of values and what functions of the language read: far above what people write.
const MaxCode = 16 << 20

// Open opens a regular file, or what a link to one leads to. That it is not there is [fs.ErrNotExist], that it is something else an
// [*OddError].
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path) // a device may do something when it is opened
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe since
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = check(path, info)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile reads a file as [Open] does, if it has at most so many bytes.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// An OddError says that a path leads to something that is no regular file.
type OddError struct {
	Path string
	What string // "a folder", "a named pipe", "a device", "a socket", or empty for anything else
}

// Error names what it is where that is a usual mistake.
func (e *OddError) Error() string {
	switch e.What {
	case Folder:
		return e.Path + " is a folder, and no file"
	case pipe:
		return e.Path + " is a named pipe, and no regular file"
	}
	return e.Path + " is no regular file"
}

// Folder is what an [OddError] calls a folder.
const Folder = "a folder"

const pipe = "a named pipe"

func check(path string, info fs.FileInfo) error {
	e := &OddError{Path: path}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		e.What = Folder
	case mode&fs.ModeNamedPipe != 0:
		e.What = pipe
	case mode&fs.ModeDevice != 0:
		e.What = "a device"
	case mode&fs.ModeSocket != 0:
		e.What = "a socket"
	}
	return e
}

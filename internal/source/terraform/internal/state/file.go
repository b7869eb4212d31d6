package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/taffrail-dev/taffrail"
)

// openFile opens a regular file, or what a link to one leads to. Anything else may have no end, or no beginning until somebody
// writes to it, and gives other bytes when it is read again.
func openFile(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path) // a device may do something when it is opened
	if err != nil {
		return nil, nil, unreadable(err)
	}
	if err := regular(path, info); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe since
	if err != nil {
		return nil, nil, unreadable(err)
	}
	if info, err = f.Stat(); err != nil {
		err = unreadable(err)
	} else {
		err = regular(path, info)
	}
	if err != nil {
		_ = f.Close() // it was read only
		return nil, nil, err
	}
	return f, info, nil
}

// maxFile bounds what is read of a state, in bytes. The tools themselves take many times that much memory for it.
const maxFile = 1 << 30

// source is the file to read a state from.
func source(f *os.File, info fs.FileInfo) (*io.SectionReader, error) {
	if info.Size() > maxFile {
		return nil, invalid("split the stack: no tool works well with so large a state", "the state is %d MiB large, and no more than %d are read", info.Size()>>20, maxFile>>20)
	}
	return io.NewSectionReader(f, 0, info.Size()), nil
}

func unreadable(err error) error {
	e := &taffrail.Error{Op: "read state", Kind: taffrail.KindInvalid, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "apply the stack first, or name its state file"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "run as a user that may read it"
	}
	return e
}

// regular refuses what is no regular file, and says what it is instead.
func regular(path string, info fs.FileInfo) error {
	kind, hint := "no regular file", "copy the state into a file, and name that"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind, hint = "a folder", "name a file, or the folder of the root module"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return invalid(hint, "%s is %s, and a state is read from a regular file", path, kind)
}

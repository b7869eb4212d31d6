package state

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/taffrail-dev/taffrail"
)

// readFile reads a regular file, or what a link to one leads to. Anything else may have no end, or no beginning until somebody
// writes to it, and gives other bytes when it is read again.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // a device may do something when it is opened
	if err != nil {
		return nil, unreadable(err)
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe since
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, unreadable(err)
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // states may be large: no growing
	if _, err := data.ReadFrom(f); err != nil {
		return nil, unreadable(err)
	}
	return data.Bytes(), nil
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

package state

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// openFile opens a regular file, or what a link to one leads to. Anything else may have no end, or no beginning until somebody
// writes to it, and gives other bytes when it is read again.
func openFile(path string) (*os.File, fs.FileInfo, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, nil, unreadable(err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // it was read only
		return nil, nil, unreadable(err)
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
	var odd *regular.OddError
	switch {
	case errors.As(err, &odd):
		hint := "copy the state into a file, and name that"
		if odd.What == regular.Folder {
			hint = "name a file, or the folder of the root module"
		}
		return invalid(hint, "%s is %s, and a state is read from a regular file", odd.Path, cmp.Or(odd.What, "no regular file"))
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "apply the stack first, or name its state file"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "run as a user that may read it"
	}
	return e
}

package cloudtrail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/delivery"
)

// tails reads what growing files have got since. A file is known by its inode, so that one that was rotated away is read to its end under its new name,
// and by its beginning, so that another file with the inode of an old one is not taken for it.
func (r *round) tails(ctx context.Context) error {
	slices.SortFunc(r.growing, compareFiles)
	there := map[string]bool{}
	for _, f := range r.growing {
		id := f.tailID()
		there[id] = true
		if err := r.tail(ctx, f, id); err != nil {
			return err
		}
	}
	maps.DeleteFunc(r.p.Tails, func(id string, _ tail) bool { return !there[id] })
	return nil
}

func (f file) tailID() string {
	if f.id == "" {
		return token(f.key)
	}
	return token(f.id)
}

func (r *round) tail(ctx context.Context, f file, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	known, old := r.p.Tails[id]
	if old && f.size == known.Offset {
		return nil
	}
	in, err := r.shelf.open(ctx, f.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	from, ok := in.(io.ReadSeeker)
	if !ok {
		return fmt.Errorf("%s cannot be read from its middle", r.shelf.describe(f.key))
	}
	if err := r.out.from(r.shelf.describe(f.key)); err != nil {
		return err
	}
	if known, err = r.resume(f, from, known); err != nil {
		return unreadable(r.shelf.describe(f.key), err)
	}
	return r.lines(f, from, id, known)
}

// headSize is how much of a file's beginning tells it from others.
const headSize = 256

// resume goes to where the file was left, or to its start if it is not that file any more. A shorter one was cut off, and may have lost lines that nobody read.
func (r *round) resume(f file, in io.ReadSeeker, known tail) (tail, error) {
	head, err := headOf(in, known.Offset)
	if err != nil {
		return known, err
	}
	if known.Offset > 0 && (f.size < known.Offset || head != known.Head) {
		if f.size < known.Offset {
			r.out.notice(taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: f.arrived, End: r.start.UTC(),
				What: r.shelf.describe(f.key) + " became shorter than what was read of it: lines may be lost"})
		}
		known = tail{}
	}
	_, err = in.Seek(known.Offset, io.SeekStart)
	return known, err
}

// headOf is a token of the beginning of a file, as far as it was read.
func headOf(in io.ReadSeeker, read int64) (string, error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	head, err := io.ReadAll(io.LimitReader(in, min(read, headSize)))
	return token(string(head)), err
}

// lines reads on from an offset. If we stop after a batch in the middle, what follows is read again from the start of what was not emitted.
func (r *round) lines(f file, in io.ReadSeeker, id string, known tail) error {
	start, n := known.Offset, 0
	err := delivery.Follow(io.LimitReader(in, f.size-start), func(d delivery.Record) error {
		n++
		known.Offset = start + d.End
		return r.out.add(bytes.Clone(d.Raw), fmt.Sprintf("record %d after byte %d", n, start), d.Fault)
	})
	if err != nil {
		return err
	}
	if known.Head, err = headOf(in, known.Offset); err != nil {
		return unreadable(r.shelf.describe(f.key), err)
	}
	r.p.Tails[id] = known
	return r.done()
}

package daemon

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Bounds on what is looked at to find out which source wrote it.
const (
	recognizedBytes = 4 << 10
	recognizedFiles = 32
)

// errRecognized ends a walk: enough was seen.
var errRecognized = errors.New("enough was seen")

// sourceOf is the plug-in whose source has written what is in a file or a folder.
func (d *Daemon) sourceOf(ctx context.Context, path string) (string, error) {
	readers := plug.Names[taffrail.EventReader](d.options.Plugins)
	known := map[string]taffrail.Recognizer{}
	for _, name := range plug.Names[taffrail.Decoder](d.options.Plugins) {
		decoder, err := plug.Open[taffrail.Decoder](ctx, d.options.Plugins, name, d.env(newPassingSealer()), plug.Settings{})
		if r, ok := decoder.(taffrail.Recognizer); err == nil && ok && slices.Contains(readers, name) {
			known[name] = r
		}
	}
	found, files := "", 0
	err := filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		start, err := startOf(file)
		if err != nil {
			return err
		}
		for name, r := range known {
			if r.Recognizes(start) {
				found = name
				return errRecognized
			}
		}
		if files++; files == recognizedFiles {
			return errRecognized
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRecognized) {
		return "", pathError(err)
	}
	if found == "" {
		return "", &taffrail.Error{Op: "import events", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: it is not known which audit source has written it", path),
			Hint: "name one with --source: " + strings.Join(readers, ", ")}
	}
	return found, nil
}

func pathError(err error) error {
	e := &taffrail.Error{Op: "import events", Kind: taffrail.KindInternal, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "name a file or a folder of an audit log"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "the files must be readable for you"
	}
	return e
}

// startOf gives how a file begins, without its compression.
func startOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buffered := bufio.NewReader(f)
	var from io.Reader = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if from, err = gzip.NewReader(buffered); err != nil {
			return nil, nil // it begins as nothing that is known
		}
	}
	start := make([]byte, recognizedBytes)
	n, _ := io.ReadFull(from, start) // as much as can be read
	return start[:n], nil
}

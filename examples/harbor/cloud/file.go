package cloud

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// writeFile writes the contents, an object a line, so that neither writing nor
// reading by eye needs all at once.
func writeFile(path string, data contents) error {
	counters, err := json.Marshal(data.Counters)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return writeAtomic(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		fmt.Fprintf(b, `{"format":%q,"journal":%d,"counters":%s,"objects":{`, data.Format, data.Journal, counters)
		comma := "\n"
		for _, key := range slices.Sorted(maps.Keys(data.Objects)) {
			text, err := json.Marshal(data.Objects[key])
			if err != nil {
				return fmt.Errorf("encode %s: %w", key, err)
			}
			name, err := json.Marshal(key)
			if err != nil {
				return fmt.Errorf("encode %s: %w", key, err)
			}
			fmt.Fprintf(b, "%s%s:%s", comma, name, text)
			comma = ",\n"
		}
		fmt.Fprint(b, "\n}}\n")
		return b.Flush()
	})
}

// WriteFileAtomic replaces the file at path, which is readable by its owner
// alone: a reader sees the old content or the new one, never a part. If we stop
// midway, a file with a random suffix stays beside it, which nothing reads.
func WriteFileAtomic(path string, content []byte) error {
	return writeAtomic(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func writeAtomic(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err = write(tmp); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

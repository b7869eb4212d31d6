package trail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
)

// replaceFile replaces a file: a reader sees the old content or the new one. The
// name that it has until then begins with a dot, which readers of a trail pass by.
func replaceFile(file string, content []byte, mode os.FileMode) (err error) {
	folder, name := filepath.Split(file)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(content)
	if err == nil {
		err = errors.Join(tmp.Chmod(mode), tmp.Sync())
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(content) // into memory: it cannot fail
	_ = z.Close()
	return b.Bytes()
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

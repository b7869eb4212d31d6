//go:build unix

package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo, loop := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), filepath.Join(dir, "loop")
	for _, err := range []error{
		os.WriteFile(file, []byte("12345"), 0o600), os.Symlink(file, link), syscall.Mkfifo(fifo, 0o600), os.Symlink(loop, loop),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		fifo: "is a named pipe", dir: "is a folder", "/dev/zero": "is no regular file", loop: "too many", filepath.Join(dir, "absent"): "no such file",
	} {
		if _, err := ReadFile(path, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "absent"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for most, want := range map[int64]bool{5: true, 6: true, 4: false} {
		if data, err := ReadFile(link, most); (err == nil && string(data) == "12345") != want {
			t.Errorf("at most %d: %q, %v", most, data, err)
		}
	}
}

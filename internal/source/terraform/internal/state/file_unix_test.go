//go:build unix

package state

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A pipe that nobody writes to, or a device without an end, would hold a scan up for ever.
func TestReadRefusesWhatIsNoFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "terraform.tfstate")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{fifo: "a named pipe", "/dev/null": "a device", t.TempDir(): "a folder"} {
		done := make(chan error, 2)
		go func() {
			_, err := Read(path)
			done <- err
			_, err = ReadHeader(path)
			done <- err
		}()
		for range 2 {
			select {
			case err := <-done:
				if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), path+" is "+want) {
					t.Errorf("%s: error %v, hint %q", path, err, taffrail.HintOf(err))
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%s: nothing came of it", path)
			}
		}
	}
}

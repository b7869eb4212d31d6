//go:build unix

package install

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A pipe that nobody writes to would hold a scan up for ever.
func TestReadLockRefusesWhatIsNoFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), LockFile)
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := ReadLock(fifo)
		done <- err
	}()
	select {
	case err := <-done:
		if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("error %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nothing came of it")
	}
}

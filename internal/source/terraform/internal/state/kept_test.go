package state

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

func TestFileIsParsedAgainWhenItChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tfstate")
	text := func(serial string) string {
		return `{"version":4,"serial":` + serial + `,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n",` + someProvider + `,"instances":[{}]}]}`
	}
	write := func(serial string, age time.Duration) {
		t.Helper()
		when := time.Now().Add(-age)
		err := os.WriteFile(path, []byte(text(serial)), 0o600)
		if err == nil {
			err = os.Chtimes(path, when, when)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f := NewFile(path)
	if _, err := f.Read(); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("error %v", err)
	}
	serials := func(want int64) *State {
		t.Helper()
		s, err := f.Read()
		if err != nil || s.Serial != want || len(s.Instances) != 1 {
			t.Fatalf("state %+v, error %v, want serial %d", s, err, want)
		}
		if h, err := f.Header(); err != nil || h.Serial != want {
			t.Errorf("header %+v, error %v", h, err)
		}
		return s
	}
	write("1", time.Hour)
	serials(1).Instances[0] = Instance{} // the caller's
	if s := serials(1); s.Instances[0].Type != "t" {
		t.Error("a caller changed what is kept")
	}
	if !f.same() {
		t.Error("it is parsed anew each time")
	}
	write("2", time.Minute) // as large as before, at another time
	serials(2)
	write("3", 0) // just now: another write could leave no trace
	serials(3)
	if f.same() {
		t.Error("a file that was written just now is believed to stay")
	}
	write("4", time.Hour)
	serials(4)
	other := path + ".new"
	old, err := os.Stat(path)
	if err == nil {
		err = os.WriteFile(other, []byte(text("5")), 0o600)
	}
	if err == nil {
		err = os.Chtimes(other, old.ModTime(), old.ModTime())
	}
	if err == nil {
		err = os.Rename(other, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	serials(5) // another file of the same size and time
}

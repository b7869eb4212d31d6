package cloud

import (
	"path/filepath"
	"runtime"
	"testing"
)

// A hundred thousand objects take far less than a gigabyte, while they are made and after a restart, and one is changed without a look at the others.
func TestAHundredThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: nothing was made up")
	}
	const count = 100_000
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := open(t, Options{File: file})
	if err := c.Populate(count); err != nil {
		t.Fatal(err)
	}
	check := func(c *Cloud) {
		t.Helper()
		if got := len(c.store.data.Objects); got != count {
			t.Errorf("%d objects", got)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse > 400<<20 || m.Sys > 1<<30 {
			t.Errorf("in use %d MB, of the system %d MB", m.HeapInuse>>20, m.Sys>>20)
		}
	}
	check(c)
	again := open(t, Options{File: file})
	c.store.data.Objects = nil
	check(again)
	allocated := testing.AllocsPerRun(5, func() {
		do(t, again, "PATCH", "/v1/queue/q-0001", `{"attributes":{"delay_seconds":5}}`)
		do(t, again, "PATCH", "/v1/queue/q-0001", `{"attributes":{"delay_seconds":6}}`)
	})
	if allocated > 5000 {
		t.Errorf("two changes make %v allocations", allocated)
	}
	if got := ids(t, again, "/v1/instance?limit=3&after=instance/i-15000"); len(got) != 3 || got[0] != "i-15001" {
		t.Errorf("a page is %v", got)
	}
}

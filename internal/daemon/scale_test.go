package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// A crowd is a stack of many resources that makes each up as it is read, as a source does that streams.
type crowd struct {
	taffrail.Stack
	size int
	live func(i int) string
}

func (c *crowd) Read(_ context.Context, _ taffrail.Selection, emit func(taffrail.Observation) error) (taffrail.Coverage, error) {
	var coverage taffrail.Coverage
	for i := range c.size {
		o := observe(fmt.Sprintf("resource[%q]", fmt.Sprintf("of a crowd/%06d", i)), "as recorded")
		attributes := fields{"text": taffrail.String(c.live(i)), "etag": taffrail.String("1")}
		for n := range 20 {
			attributes[fmt.Sprintf("attribute_%02d", n)] = taffrail.String(strings.Repeat("value ", 8))
		}
		o.Live = taffrail.Object(attributes)
		attributes["text"] = taffrail.String("as recorded")
		o.Recorded, o.At = taffrail.Object(attributes), time.Now().UTC()
		coverage.Count(o)
		if err := emit(o); err != nil {
			return coverage, err
		}
	}
	return coverage, nil
}

func (s *site) crowd(size int, live func(i int) string) {
	s.stack = &crowd{Stack: s.world, size: size, live: live}
}

func asRecorded(int) string { return "as recorded" }

// folderSize is how much a folder takes, write-ahead log and all.
func folderSize(t *testing.T, folder string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestASecondScanAddsLittle: with nothing new, one of 5,000 resources adds less than 1 MB to the data folder.
func TestASecondScanAddsLittle(t *testing.T) {
	s := newSite(t, newWorld())
	s.crowd(5000, asRecorded)
	var sizes []int64
	for range 3 {
		d := s.daemon()
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := scanOnce(t, d); r.Statuses[taffrail.InSync] != 5000 {
			t.Fatalf("%+v", r.Statuses)
		}
		if err := d.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, folderSize(t, s.data))
	}
	t.Logf("%d bytes after the first, %d more after the second, %d more after the third", sizes[0], sizes[1]-sizes[0], sizes[2]-sizes[1])
	if sizes[1]-sizes[0] > 100_000 || sizes[2]-sizes[1] > 100_000 {
		t.Error("that is more than a tenth of what it may add")
	}
}

// BenchmarkScan reads 50,000 resources that are in sync, and tells the most memory that the process took. Run it alone, in a new process:
//
//	go test -run - -bench Scan -benchtime 1x ./internal/daemon
func BenchmarkScan(b *testing.B) {
	for b.Loop() {
		s := &site{data: b.TempDir(), guard: audittest.NewMemoryGuard(), keyring: audittest.NewMemoryKeyring(), world: newWorld(), clock: time.Now()}
		s.crowd(50_000, asRecorded)
		d := s.daemon()
		if err := d.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"first", "second"} {
			began := time.Now()
			if _, err := d.Scan(b.Context(), ScanRequest{System: "fake"}, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(began).Seconds(), name+"-s")
			b.ReportMetric(peakMemory(), name+"-peak-MB")
		}
		if err := d.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// peakMemory is the most that the process had resident so far, in MB; 0 where the system does not say.
func peakMemory() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kB float64
	fmt.Sscan(rest, &kB) //nolint:errcheck // 0 is what it is then
	return kB / 1024
}

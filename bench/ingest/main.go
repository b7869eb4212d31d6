// Ingest measures how fast a log file of CloudTrail is taken in, beside others who only read it, and prints a table:
//
//   - decode: encoding/json into any, of the same file in this process: `json.NewDecoder(gzip).Decode(&v)`;
//   - jq: `gzip -dc FILE | jq -c .`;
//   - keep: reading the file record by record, the search for secrets, and what a record is found by, in this process, on one processor;
//   - import: `taffrail events import FILE`, from outside: all of it, until the last record is in the log and signed for.
//
// The files are generated, the same each time: one as accounts have them, of which a fifth of the records changes something, and one of changes
// alone. Runs alternate, and medians are compared.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

func main() {
	records := flag.Int("records", 50_000, "records in a file")
	runs := flag.Int("runs", 5, "runs of each")
	binary := flag.String("taffrail", "", "the program to measure (else it is built)")
	changes := flag.Int("million", 0, "in the place of all that, take in so many changes, and ask who did some of them")
	dir := flag.String("dir", "", "folder for files and logs (else a temporary one)")
	flag.Parse()
	if err := measure(context.Background(), *dir, *binary, *records, *runs, *changes); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, dir, binary string, records, runs, changes int) error {
	work, err := os.MkdirTemp(dir, "taffrail-ingest-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if binary == "" {
		binary = filepath.Join(work, "taffrail")
		if err := run(ctx, nil, "go", "build", "-o", binary, "./cmd/taffrail"); err != nil {
			return err
		}
	}
	if changes > 0 {
		return million(ctx, work, binary, changes)
	}
	fmt.Printf("%d processors, %s, %d runs of each, medians\n\n", runtime.NumCPU(), runtime.Version(), runs)
	fmt.Println("| File | | time | MB/s | records/s | of decode | of jq |\n|---|---|---|---|---|---|---|")
	for _, kind := range []struct {
		name    string
		changes int
	}{{"a fifth changes", 20}, {"changes alone", 100}} {
		s, err := write(filepath.Join(work, fmt.Sprintf("trail-%d.json.gz", kind.changes)), records, kind.changes)
		if err != nil {
			return err
		}
		s.name = kind.name
		if err := compare(ctx, s, work, binary, runs); err != nil {
			return err
		}
	}
	return nil
}

// A way is one of those that are compared.
type way struct {
	name string
	do   func(context.Context, sample) error
	took []time.Duration
}

func (w *way) median() time.Duration {
	slices.Sort(w.took)
	return w.took[len(w.took)/2]
}

func compare(ctx context.Context, s sample, work, binary string, runs int) error {
	ways := []*way{
		{name: "decode", do: decode}, {name: "jq", do: jq}, {name: "keep", do: keep},
		{name: "import", do: func(ctx context.Context, s sample) error { return importing(ctx, s, work, binary) }},
	}
	for range runs {
		for _, w := range ways {
			runtime.GC()
			began := time.Now()
			if err := w.do(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			w.took = append(w.took, time.Since(began))
		}
	}
	for i, w := range ways {
		took := w.median()
		name := ""
		if i == 0 {
			name = fmt.Sprintf("%s: %d records, %d MB", s.name, s.records, s.bytes/1e6)
		}
		fmt.Printf("| %s | %s | %.2f s | %.0f | %.0f | %.2fx | %.2fx |\n", name, w.name, took.Seconds(), float64(s.bytes)/1e6/took.Seconds(), float64(s.records)/took.Seconds(),
			ratio(ways[0], w), ratio(ways[1], w))
	}
	return nil
}

// ratio is how much faster a way is than another one.
func ratio(than, w *way) float64 {
	return float64(than.median()) / float64(cmp.Or(w.median(), 1))
}

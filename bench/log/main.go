// Log measures the audit log beside its peers, on the same work in the same run, and prints tables:
//
//   - append: one entry at a time until it is signed, beside a plain SQLite insert with one synced write of as many bytes as the guard's
//     state has, and beside Tessera's POSIX log until the entry is published;
//   - writers: many writers at once, each of which waits for its entry, beside Tessera with the batches that suit it best;
//   - postgres: many writers on a Postgres of its own;
//   - verify: hashing the whole log again, at growing sizes, on one processor;
//   - bundle: all verdicts on a bundle of the whole log, at growing sizes, on one processor;
//   - proof: the proof of one entry of a large log.
//
// The entries are those of taffrail, byte for byte the same for everyone. All databases and files lie in one folder on one disk (-dir), and
// nothing is told to skip a sync.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	suites    []string
	sizes     []int
	runs      int
	single    int
	writers   int
	pgWriters int
	duration  time.Duration
	dir       string
	profile   string
	only      string
}

// numbers is a flag of numbers with commas between.
type numbers struct{ into *[]int }

func (n numbers) String() string {
	if n.into == nil {
		return ""
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*n.into), " ", ","), "[]")
}

func (n numbers) Set(text string) error {
	*n.into = nil
	for part := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(part)
		if err != nil || number < 1 {
			return fmt.Errorf("%q is no number from 1", part)
		}
		*n.into = append(*n.into, number)
	}
	return nil
}

func main() {
	o := options{sizes: []int{10_000, 100_000, 1_000_000}}
	suites := flag.String("suites", "append,writers,postgres,verify,bundle,proof", "tables to make, with commas between")
	flag.Var(numbers{&o.sizes}, "sizes", "verify, bundle: numbers of entries; proof: the largest of them")
	flag.IntVar(&o.runs, "runs", 5, "runs of each side")
	flag.IntVar(&o.single, "single", 200, "append: entries in each run")
	flag.IntVar(&o.writers, "writers", 64, "writers: how many at once")
	flag.IntVar(&o.pgWriters, "pg-writers", 32, "postgres: how many at once")
	flag.DurationVar(&o.duration, "for", 3*time.Second, "writers, postgres: how long each run takes")
	flag.StringVar(&o.dir, "dir", "", "where everything is stored; empty makes a temporary folder")
	flag.StringVar(&o.profile, "profile", "", "file for a CPU profile of this process")
	flag.StringVar(&o.only, "only", "", "writers, postgres: sides whose names hold this; for a profile")
	child := flag.String("child", "", "what another process of this program does: verify or bundle")
	flag.Parse()
	o.suites = strings.Split(*suites, ",")
	run := bench
	if *child != "" {
		run = func(ctx context.Context, o options) error { return beChild(ctx, *child, o) }
	}
	if err := profiled(o.profile, func() error { return run(context.Background(), o) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs f, and writes a CPU profile of it if a file is named.
func profiled(name string, f func() error) error {
	if name == "" {
		return f()
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

func bench(ctx context.Context, o options) error {
	quietPeers()
	work, err := os.MkdirTemp(o.dir, "taffrail-bench.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // it is a temporary folder
	o.dir = work
	fmt.Printf("%d processors, %s, %d runs\n", runtime.NumCPU(), runtime.Version(), o.runs)
	for _, suite := range []struct {
		name string
		run  func(context.Context, options) error
	}{{"append", appendOne}, {"writers", manyWriters}, {"postgres", postgresWriters}, {"verify", verifyWhole}, {"bundle", verifyBundles}, {"proof", proveOne}} {
		if !slices.Contains(o.suites, suite.name) {
			continue
		}
		if err := suite.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", suite.name, err)
		}
	}
	return nil
}

// Scan measures `taffrail scan` beside `terraform plan -refresh-only -detailed-exitcode -lock=false` (or OpenTofu's) on the same
// stacks, and prints tables:
//
//   - beside: no latency, alternating runs, the ratio of the medians;
//   - latency: each call to the cloud takes a while, at several concurrencies, our providers cold and warm;
//   - calls: the same, where a resource takes several calls, one after the other, and there are several services;
//   - growth: how time and memory go with the size of the stack, ours alone;
//   - again: what a scan of a stack that did not change adds to the log.
//
// The stacks are made without an apply: objects in a practice cloud of this process's own, and a state file that records them. Their shape
// (shape.go) is five blocks, or in "calls" four, with a count each, which is neither the best nor the worst for Terraform: every instance of a block is a node of its
// graph, and the blocks do not depend on one another.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	suites        []string
	sizes, growth []int
	concurrencies []int
	runs, slow    int
	latency       time.Duration
	peer          string
	hold          bool
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
	o := options{sizes: []int{1000, 5000}, growth: []int{1000, 5000, 20000, 50000}, concurrencies: []int{10, 50}}
	suites := flag.String("suites", "beside,latency,calls,growth,again", "tables to make, with commas between")
	flag.Var(numbers{&o.sizes}, "sizes", "beside: numbers of resources")
	flag.Var(numbers{&o.growth}, "growth", "growth: numbers of resources")
	flag.Var(numbers{&o.concurrencies}, "concurrency", "latency and calls: calls at once")
	flag.IntVar(&o.runs, "runs", 5, "runs of each program")
	flag.IntVar(&o.slow, "slow", 1000, "latency and calls: resources")
	flag.DurationVar(&o.latency, "latency", 40*time.Millisecond, "latency and calls: how long each call to the cloud takes")
	flag.StringVar(&o.peer, "peer", "", "terraform or tofu; empty takes one from PATH")
	flag.BoolVar(&o.hold, "hold", false, "make the first stack of -sizes, say where it is, and wait: for a profile by hand")
	flag.Parse()
	o.suites = strings.Split(*suites, ",")
	if err := bench(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o options) error {
	peer, err := findPeer(o.peer)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "taffrail-bench.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // it is a temporary folder
	tools, err := build(work, peer)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d processors, %d runs\n", tools.version(), runtime.NumCPU(), o.runs)
	if o.hold {
		return tools.hold(o)
	}
	for _, suite := range []struct {
		name string
		run  func(options) error
	}{{"beside", tools.beside}, {"latency", tools.latency}, {"calls", tools.calls}, {"growth", tools.growth}, {"again", tools.again}} {
		if !slices.Contains(o.suites, suite.name) {
			continue
		}
		if err := suite.run(o); err != nil {
			return fmt.Errorf("%s: %w", suite.name, err)
		}
	}
	return nil
}

func findPeer(name string) (string, error) {
	for _, candidate := range []string{name, "terraform", "tofu"} {
		if candidate == "" {
			continue
		}
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", errors.New("neither terraform nor tofu is on PATH; `tools/opentofu/build` builds one, name it with -peer")
}

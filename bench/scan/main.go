// Scan measures `taffrail scan` beside `terraform plan -refresh-only -detailed-exitcode -lock=false` (or OpenTofu's) on the same
// stacks, in alternating runs, and prints the ratio of the medians.
//
// The stacks are made without an apply: objects in a practice cloud of this process's own, and a state file that records them. Their shape
// is five blocks with a count each, which is neither the best nor the worst for Terraform: every instance of a block is a node of its
// graph, and the blocks do not depend on one another.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

func main() {
	sizes := flag.String("sizes", "1000,5000", "numbers of resources, with commas between")
	runs := flag.Int("runs", 5, "runs of each program for each size")
	latency := flag.Duration("latency", 0, "how long each call to the cloud takes")
	concurrency := flag.Int("concurrency", 10, "calls at once, for both")
	peer := flag.String("peer", "", "terraform or tofu; empty takes one from PATH")
	flag.Parse()
	if err := bench(*sizes, *runs, *latency, *concurrency, *peer); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(sizes string, runs int, latency time.Duration, concurrency int, peer string) error {
	peer, err := findPeer(peer)
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
	fmt.Printf("%d runs each, alternating; %v latency, %d calls at once; %s, %d processors\n\n", runs, latency, concurrency, tools.version(), runtime.NumCPU())
	fmt.Println("| Resources | | wall | CPU | peak memory |\n|---|---|---|---|---|")
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := tools.compare(n, runs, latency, concurrency); err != nil {
			return fmt.Errorf("%d resources: %w", n, err)
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

// compare measures both on one stack.
func (t *tools) compare(n, runs int, latency time.Duration, concurrency int) error {
	c, err := cloud.Open(cloud.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer c.Close()
	server := httptest.NewServer(slow(c, latency))
	defer server.Close()
	dir := filepath.Join(t.work, fmt.Sprint("stack-", n))
	if err := writeStack(dir, server.URL, n); err != nil {
		return err
	}
	t.env = append(t.env, "HARBOR_URL="+server.URL)
	if _, err := t.run(dir, t.peer, "init", "-input=false"); err != nil {
		return err
	}
	ours := []string{t.taffrail, "scan", "-q", "--concurrency", fmt.Sprint(concurrency), "."}
	theirs := []string{t.peer, "plan", "-refresh-only", "-detailed-exitcode", "-lock=false", "-input=false", fmt.Sprint("-parallelism=", concurrency)}
	var us, them []usage
	for range runs {
		for _, side := range []struct {
			args []string
			all  *[]usage
		}{{ours, &us}, {theirs, &them}} {
			u, err := t.run(dir, side.args[0], side.args[1:]...)
			if err != nil {
				return err
			}
			*side.all = append(*side.all, u)
		}
	}
	report(n, filepath.Base(t.peer), median(us), median(them))
	return nil
}

func report(n int, peer string, us, them usage) {
	fmt.Printf("| %d | taffrail | %.2f s | %.2f s | %d MiB |\n", n, us.wall.Seconds(), us.cpu.Seconds(), us.memory>>20)
	fmt.Printf("| | %s | %.2f s | %.2f s | %d MiB |\n", peer, them.wall.Seconds(), them.cpu.Seconds(), them.memory>>20)
	fmt.Printf("| | ratio | %.1fx | %.1fx | %.1fx |\n", ratio(them.wall, us.wall), ratio(them.cpu, us.cpu), ratio(them.memory, us.memory))
}

func ratio[N int64 | time.Duration](them, us N) float64 { return float64(them) / float64(us) }

// A usage is what one run took.
type usage struct {
	wall, cpu time.Duration // cpu: of the process and of all that it started
	memory    int64         // bytes: the most that the whole tree had resident at once, shared pages counted for each
}

// median takes the median of each figure by itself.
func median(all []usage) usage {
	middle := func(of func(usage) int64) int64 {
		figures := make([]int64, len(all))
		for i, u := range all {
			figures[i] = of(u)
		}
		slices.SortFunc(figures, cmp.Compare[int64])
		return figures[len(figures)/2]
	}
	return usage{
		wall:   time.Duration(middle(func(u usage) int64 { return int64(u.wall) })),
		cpu:    time.Duration(middle(func(u usage) int64 { return int64(u.cpu) })),
		memory: middle(func(u usage) int64 { return u.memory }),
	}
}

// run runs a command in a folder. Whatever does not find everything in sync is an error: then the figures would compare different
// work. Terraform says so, and ends with status 2 nevertheless, where only bookkeeping would be written anew
// (hashicorp/terraform#36403).
func (t *tools) run(dir, program string, args ...string) (usage, error) {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir, cmd.Env = dir, t.env
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	stop := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watch(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	close(stop)
	u.memory = <-peak
	if err != nil && !strings.Contains(said.String(), "No changes.") {
		return u, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, said.String())
	}
	return u, nil
}

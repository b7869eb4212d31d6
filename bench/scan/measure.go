package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func ratio[N int64 | time.Duration](them, us N) float64 { return float64(them) / float64(us) }

// A usage is what one run took.
type usage struct {
	wall, cpu time.Duration // cpu: of the process and of all that it started
	memory    int64         // bytes: the most that the whole tree had resident at once, shared pages counted for each
	own       int64         // bytes: the most that the process itself had
}

func (u usage) String() string {
	return fmt.Sprintf("%.2f s | %.2f s | %d MiB", u.wall.Seconds(), u.cpu.Seconds(), u.memory>>20)
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
		own:    middle(func(u usage) int64 { return u.own }),
	}
}

// alternate runs two commands by turns, and gives the medians of both.
func (s stack) alternate(runs int, first, second []string) (a, b usage, err error) {
	var us, them []usage
	for range runs {
		for _, side := range []struct {
			args []string
			all  *[]usage
		}{{first, &us}, {second, &them}} {
			u, err := s.run(side.args)
			if err != nil {
				return a, b, err
			}
			*side.all = append(*side.all, u)
		}
	}
	return median(us), median(them), nil
}

// run runs a command in the stack's folder. Whatever does not find everything in sync is an error: then the figures would compare
// different work. Terraform says so, and ends with status 2 nevertheless, where only bookkeeping would be written anew
// (hashicorp/terraform#36403).
func (s stack) run(args []string) (usage, error) {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	stop := make(chan struct{})
	peak := make(chan [2]int64)
	go func() { peak <- watch(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	close(stop)
	most := <-peak
	u.own, u.memory = most[0], most[1]
	if err != nil && !strings.Contains(said.String(), "No changes.") {
		return u, fmt.Errorf("%s %s: %w: %s", filepath.Base(args[0]), strings.Join(args[1:], " "), err, said.String())
	}
	return u, nil
}

// warm gives the median time of rounds of one scan that goes on, from its own account, without the first.
func (s stack) warm(rounds int, args ...string) (time.Duration, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	args = append([]string{"scan", "-q", "--watch", "100ms", "-o", "ndjson"}, args...)
	cmd := exec.CommandContext(ctx, s.tools.taffrail, append(args, ".")...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.env, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	all, err := readRounds(bufio.NewScanner(out), rounds+1)
	cancel()
	_ = cmd.Wait() // it was stopped
	if err != nil {
		return 0, err
	}
	return median(all[1:]).wall, nil
}

// readRounds reads the lines of so many rounds.
func readRounds(lines *bufio.Scanner, rounds int) (all []usage, err error) {
	lines.Buffer(nil, 16<<20)
	var began time.Time
	for len(all) < rounds && lines.Scan() {
		var line struct {
			Type      string    `json:"type"`
			StartedAt time.Time `json:"started_at"`
			Summary   struct {
				FinishedAt time.Time `json:"finished_at"`
				Outcome    string    `json:"outcome"`
			} `json:"summary"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		switch line.Type {
		case "stack":
			began = line.StartedAt
		case "summary":
			if line.Summary.Outcome != "ok" {
				return nil, fmt.Errorf("a round did not see everything: %s", lines.Bytes())
			}
			all = append(all, usage{wall: line.Summary.FinishedAt.Sub(began)})
		case "error":
			return nil, fmt.Errorf("a round failed: %s", lines.Bytes())
		}
	}
	if len(all) < rounds {
		return nil, fmt.Errorf("the scan ended after %d rounds", len(all))
	}
	return all, nil
}

func folderSize(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// watch gives the most memory that a process had resident by itself, and with all that it started at once, looking every 20 ms until
// stop.
func watch(pid int, stop <-chan struct{}) (peak [2]int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return peak
		case <-tick.C:
			peak[0] = max(peak[0], own(pid))
			peak[1] = max(peak[1], resident(pid))
		}
	}
}

// own is the resident memory of a process, from /proc (proc(5)).
func own(pid int) (bytes int64) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		bytes = pages * int64(os.Getpagesize())
	}
	return bytes
}

// resident sums the resident memory of a process and of its descendants.
func resident(pid int) int64 {
	bytes := own(pid)
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range threads {
		children, _ := os.ReadFile(file)
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				bytes += resident(n)
			}
		}
	}
	return bytes
}

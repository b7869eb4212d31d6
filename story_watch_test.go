package taffrail_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// until COUNT TEXT: wait until this many lines of the log's list hold this text.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until COUNT TEXT")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	got := 0
	for range 1200 {
		if out, err := command(ts, []string{"taffrail", "log", "show"}).Output(); err == nil {
			if got = strings.Count(string(out), args[1]); got >= want {
				return
			}
		}
		<-tick.C
	}
	ts.Fatalf("the log holds %q %d times and not %d", args[1], got, want)
}

// kill_in FOLDER: kill -9 every process that works in a folder. There is at least one.
func killIn(ts *testscript.TestScript, _ bool, args []string) {
	processes := processesIn(ts.MkAbs(args[0]))
	if len(processes) == 0 {
		ts.Fatalf("nothing works in %s", args[0])
	}
	for _, cwd := range processes {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(cwd)))
		ts.Check(err)
		process, err := os.FindProcess(pid)
		ts.Check(err)
		ts.Check(process.Signal(syscall.SIGKILL))
	}
}

// parses FORM: the last answer is one JSON document, a JSON document on each line, or well-formed XML.
func parses(ts *testscript.TestScript, _ bool, args []string) {
	said := ts.ReadFile("stdout")
	switch args[0] {
	case "json":
		ts.Check(json.Unmarshal([]byte(said), new(any)))
	case "ndjson":
		for line := range strings.Lines(said) {
			ts.Check(json.Unmarshal([]byte(line), new(any)))
		}
	case "xml":
		d := xml.NewDecoder(strings.NewReader(said))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			ts.Check(err)
		}
	default:
		ts.Fatalf("there is no form %q", args[0])
	}
}

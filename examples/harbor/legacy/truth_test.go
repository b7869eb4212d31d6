package legacy_test

import (
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/examples/score"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// page holds the table of truth.
const page = "../../../docs/truth.md"

// pen is held by the one suite that may write its row of the page.
var pen sync.Mutex

// A jury are the programs of this machine that can say what drifted, and the sheet that their words are noted on.
type jury struct {
	sheet  *score.Sheet
	names  []score.Judge
	paths  []string
	folder []string // of what each keeps beside the stack; empty for the program that applied
}

// gather finds the programs, and notes what each says before any deed.
func (w *world) gather(suite, provider string) *jury {
	w.t.Helper()
	j := &jury{sheet: score.New(suite, provider)}
	for _, path := range stage.Programs() {
		out, _, _ := w.run(path, "version", "-json")
		var said struct {
			Version string `json:"terraform_version"`
		}
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			w.t.Fatalf("%s does not say its version: %v", path, err)
		}
		folder := ""
		if path != w.program {
			folder = w.path("data-of-" + filepath.Base(path))
			w.runIn(folder, path, "init", "-input=false", "-lockfile=readonly")
		}
		j.names, j.paths, j.folder = append(j.names, score.Judge{Name: filepath.Base(path), Version: said.Version}), append(j.paths, path), append(j.folder, folder)
	}
	j.sheet.Fresh(score.Taffrails.Name, score.ParseSpots(tops(w.scan().drift())))
	for i, by := range j.names {
		j.sheet.Fresh(by.Name, w.says(j, i))
	}
	return j
}

// runIn runs a program, which must succeed, with a data folder of its own if one is named.
func (w *world) runIn(folder, program string, args ...string) string {
	w.t.Helper()
	line := append([]string{program}, args...)
	if folder != "" {
		line = append([]string{"TF_DATA_DIR=" + folder}, line...)
	}
	out, complaints, status := w.run("env", line...)
	if status != 0 {
		w.t.Fatalf("%s %v: exit status %d\n%s%s", program, args, status, out, complaints)
	}
	return out
}

// says asks one of the jury.
func (w *world) says(j *jury, i int) []score.Spot {
	w.t.Helper()
	w.runIn(j.folder[i], j.paths[i], "plan", "-refresh-only", "-input=false", "-lock=false", "-out=jury.plan")
	said, err := score.Plan([]byte(w.runIn(j.folder[i], j.paths[i], "show", "-json", "jury.plan")))
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}

// hear notes what a scan found after a round of deeds, and what the jury says.
func (w *world) hear(j *jury, deeds []deed, found []string) {
	w.t.Helper()
	var truth []score.Spot
	for _, d := range deeds {
		spots := score.ParseSpots(tops(d.want))
		j.sheet.Deed(spots)
		truth = append(truth, spots...)
	}
	j.sheet.Round(score.Taffrails.Name, truth, score.ParseSpots(tops(found)))
	for i, by := range j.names {
		j.sheet.Round(by.Name, truth, w.says(j, i))
	}
}

// close compares the sheet with the page.
func (j *jury) close(t *testing.T) {
	t.Helper()
	pen.Lock()
	defer pen.Unlock()
	j.sheet.Check(t, page, append([]score.Judge{score.Taffrails}, j.names...)...)
	j.sheet.Clean(t, score.Taffrails.Name)
}

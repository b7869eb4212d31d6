package legacy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A report is the part of a scan's JSON that the tests look at.
type report struct {
	Coverage taffrail.Coverage
	Drifts   []taffrail.Drift
	Noise    []taffrail.Finding
	status   int
	stderr   string
}

// scan has taffrail read the stack.
func (w *world) scan(args ...string) report {
	w.t.Helper()
	out, complaints, status := w.run(filepath.Join(w.bin, "taffrail"), append([]string{"scan", ".", "-o", "json", "-q"}, args...)...)
	r := report{status: status, stderr: complaints}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		w.t.Fatalf("scan: exit status %d, %v\n%s%s", status, err, out, complaints)
	}
	return r
}

// drift lists what a scan calls drift, a line for each change.
func (r report) drift() []string {
	var lines []string
	for _, d := range r.Drifts {
		f := d.Finding
		if f.Status != taffrail.Modified {
			lines = append(lines, fmt.Sprintf("%s %s", f.Resource.Address, f.Status))
		}
		for _, c := range f.Changes {
			if c.Class == taffrail.ClassDrift {
				lines = append(lines, fmt.Sprintf("%s %s", f.Resource.Address, describe(c)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// gaps lists what a scan could not read.
func (r report) gaps() []string {
	var lines []string
	for _, g := range r.Coverage.Gaps {
		lines = append(lines, fmt.Sprintf("%s %s", g.Address, g.Reason))
	}
	slices.Sort(lines)
	return lines
}

// noise lists the attributes that differ and are called no drift.
func (r report) noise() []string {
	var lines []string
	note := func(f taffrail.Finding) {
		for _, c := range f.Changes {
			if c.Class != taffrail.ClassDrift {
				lines = append(lines, fmt.Sprintf("%s %s (%s)", f.Resource.Address, place(c.Path), c.Class))
			}
		}
	}
	for _, f := range r.Noise {
		note(f)
	}
	for _, d := range r.Drifts {
		note(d.Finding)
	}
	slices.Sort(lines)
	return lines
}

// describe writes a change as `path: before -> after`. An object is written by its
// fields that are not empty.
func describe(c taffrail.Change) string {
	return fmt.Sprintf("%s: %s -> %s", place(c.Path), show(c.Before), show(c.After))
}

// place writes a path, with [] for any element of a set.
func place(p taffrail.Path) string {
	var steps []taffrail.Step
	for _, s := range p.Steps() {
		if s.Kind() == taffrail.ElemStep {
			s = taffrail.Any()
		}
		steps = append(steps, s)
	}
	return strings.ReplaceAll(taffrail.NewPath(steps...).String(), "[*]", "[]")
}

func show(v taffrail.Value) string {
	switch v.Shape() {
	case taffrail.ShapeString:
		return strconv.Quote(v.Text())
	case taffrail.ShapeSecret:
		return "(secret)"
	case taffrail.ShapeList, taffrail.ShapeSet:
		var parts []string
		for e := range v.Elems() {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case taffrail.ShapeObject, taffrail.ShapeMap:
		var parts []string
		for name, e := range v.Fields() {
			if v.Shape() == taffrail.ShapeMap || !e.IsEmpty() {
				parts = append(parts, name+":"+show(e))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case taffrail.ShapeBool:
		return fmt.Sprint(v.Truth())
	case taffrail.ShapeNumber:
		return v.Text()
	case taffrail.ShapeNull:
		return "null"
	}
	return v.Shape().String()
}

// top shortens a line of drift to address and attribute, which is as deep as the
// tool's own list goes without a schema.
func top(line string) string {
	address, change, ok := strings.Cut(line, "] ")
	if !ok || !strings.Contains(address, "[") || strings.Contains(address, " ") {
		address, change, _ = strings.Cut(line, " ")
	} else {
		address += "]"
	}
	return address + " " + change[:len(change)-len(strings.TrimLeft(change, "abcdefghijklmnopqrstuvwxyz_"))]
}

// A refresh is what the stack's own program calls drift.
type refresh struct {
	lines  []string // address and attribute, or address and "deleted"
	status int
}

// refreshOnly asks the stack's own program.
func (w *world) refreshOnly() refresh {
	w.t.Helper()
	_, complaints, status := w.run(w.program, "plan", "-refresh-only", "-input=false", "-lock=false", "-out=drift.plan", "-detailed-exitcode")
	if status == 1 {
		w.t.Fatalf("plan -refresh-only: %s", complaints)
	}
	var plan struct {
		Drift []struct {
			Address string
			Change  struct{ Before, After map[string]json.RawMessage }
		} `json:"resource_drift"`
	}
	if err := json.Unmarshal([]byte(w.want(0, "show", "-json", "drift.plan")), &plan); err != nil {
		w.t.Fatal(err)
	}
	r := refresh{status: status}
	for _, d := range plan.Drift {
		if d.Change.After == nil {
			r.lines = append(r.lines, d.Address+" deleted")
			continue
		}
		for name, before := range d.Change.Before {
			if string(before) != string(d.Change.After[name]) {
				r.lines = append(r.lines, d.Address+" "+name)
			}
		}
	}
	slices.Sort(r.lines)
	return r
}

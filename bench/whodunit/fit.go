package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
)

// A fitted is one row of the table of confidences.
type fitted struct {
	Tier       string  `json:"tier"`
	Confidence float64 `json:"confidence"`
	Gapped     float64 `json:"gapped"`
	Losing     float64 `json:"losing"`
	Binary     float64 `json:"binary"`
	Skewed     float64 `json:"skewed"`
}

// prior is how many answers the present figure counts for, so that a grade of which there were few is not taken for sure or for hopeless.
const prior = 4

// fit writes how often answers of each grade were right, with models of what events do and without. The tiers stay: they are decided, not fitted.
func fit(file string, items []item, answers ...map[string][]answer) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var table struct {
		Note   string            `json:"note"`
		Grades map[string]fitted `json:"grades"`
	}
	if err := json.Unmarshal(old, &table); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	t := newTally()
	for _, given := range answers {
		for _, it := range items {
			t.score(it.labels, given[it.c.ID])
		}
	}
	for basis, counts := range t.bases {
		name, how, _ := strings.Cut(basis, ", ")
		row, ok := table.Grades[name]
		if !ok || name == "proved" {
			continue
		}
		to := map[string]*float64{"": &row.Confidence, "gapped": &row.Gapped, "losing": &row.Losing, "losing, binary": &row.Binary, "skewed": &row.Skewed}[how]
		*to = share(counts, *to)
		table.Grades[name] = row
	}
	return os.WriteFile(file, tableText(table.Note, table.Grades), 0o644)
}

func share(counts *tierTally, before float64) float64 {
	n := float64(counts.Right + counts.Wrong)
	p := (float64(counts.Right) + prior*before) / (n + prior)
	return math.Round(1000*min(p, 0.995)) / 1000
}

// tableText writes a row a line.
func tableText(note string, grades map[string]fitted) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"note\": %s,\n  \"grades\": {\n", text(note))
	names := slices.Sorted(maps.Keys(grades))
	for i, name := range names {
		g := grades[name]
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %s: {\"tier\": %s, \"confidence\": %v, \"gapped\": %v, \"losing\": %v, \"binary\": %v, \"skewed\": %v}%s\n", text(name), text(g.Tier), g.Confidence, g.Gapped, g.Losing, g.Binary, g.Skewed, comma)
	}
	b.WriteString("  }\n}\n")
	return b.Bytes()
}

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

// report prints the table, and what is not right if that is asked for.
func report(o options, items []item, answers map[string][]answer) error {
	ours := newTable()
	for _, it := range items {
		for _, fault := range ours.add(it, answers[it.c.ID]) {
			if o.verbose {
				fmt.Println(fault)
			}
		}
	}
	ours.print("taffrail")
	for _, b := range baselines {
		t := newTable()
		for _, it := range items {
			t.add(it, b.answers(it))
		}
		t.print(b.name)
	}
	ours.printTiers()
	if o.svg == "" {
		return nil
	}
	return os.WriteFile(o.svg, diagram(ours.all.sure), 0o644)
}

// A table is the tallies of one method, by corpus and state of the log, by kind, and of all.
type table struct {
	groups, kinds map[string]*tally
	all           *tally
}

func newTable() *table {
	return &table{groups: map[string]*tally{}, kinds: map[string]*tally{}, all: newTally()}
}

func (t *table) add(it item, answers []answer) (faults []string) {
	for _, into := range []*tally{of(t.groups, it.log()), of(t.kinds, it.c.Resources[0].Type)} {
		into.score(it.labels, answers)
	}
	return t.all.score(it.labels, answers)
}

func of(all map[string]*tally, name string) *tally {
	if all[name] == nil {
		all[name] = newTally()
	}
	return all[name]
}

func (t *table) print(method string) {
	fmt.Printf("\n| %s | changes | right %% | wrong %% | abstained %% | wrong persons | proved | explained | likely | ECE | Brier |\n|---|---|---|---|---|---|---|---|---|---|---|\n", method)
	for _, name := range slices.Sorted(maps.Keys(t.groups)) {
		t.groups[name].row(name)
	}
	t.all.row("all")
}

func (t *tally) row(name string) {
	ece, brier := t.ece()
	fmt.Printf("| %s | %d | %s | %s | %s | %d | %s | %s | %s | %.3f | %.3f |\n", name, t.Labels, percent(t.Right, t.Labels), percent(t.Wrong, t.Labels), percent(t.Abstained, t.Labels), t.WrongPerson,
		t.tier("proved"), t.tier("explained"), t.tier("likely"), ece, brier)
}

// tier is how many answers of a tier were wrong, of how many.
func (t *tally) tier(name string) string {
	tt := t.tiers[name]
	if tt == nil {
		return "-"
	}
	return fmt.Sprintf("%d of %d", tt.Wrong, tt.Right+tt.Wrong)
}

func (t *table) printTiers() {
	fmt.Printf("\n| kind | changes | right %% | wrong %% | abstained %% | wrong persons | proved | explained | likely | ECE | Brier |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(t.kinds)) {
		t.kinds[name].row(name)
	}
	fmt.Println()
	for _, basis := range slices.Sorted(maps.Keys(t.all.bases)) {
		fmt.Printf("    %-20s right %d, wrong %d\n", basis, t.all.bases[basis].Right, t.all.bases[basis].Wrong)
	}
}

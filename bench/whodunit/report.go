package main

import (
	"fmt"
	"maps"
	"slices"
)

func report(o options, items []item, answers map[string][]answer) error {
	groups := map[string]*tally{}
	for _, it := range items {
		for _, name := range []string{it.corpus + ", all", fmt.Sprintf("%s, %02.0f %% missing", it.corpus, it.missing*100)} {
			if groups[name] == nil {
				groups[name] = newTally()
			}
			faults := groups[name].score(it.labels, answers[it.c.ID])
			if o.verbose && name == it.corpus+", all" {
				for _, f := range faults {
					fmt.Println(f)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		t := groups[name]
		ece, brier := t.ece()
		fmt.Printf("%-28s labels %d, right %s %%, wrong %s %%, abstained %s %% (%d rightly), wrong actor %d, wrong person %d, surprises %d, ECE %.3f, Brier %.3f\n", name, t.Labels,
			percent(t.Right, t.Labels), percent(t.Wrong, t.Labels), percent(t.Abstained, t.Labels), t.CorrectlyAbstained, t.WrongActor, t.WrongPerson, t.Surprises, ece, brier)
		for _, tier := range slices.Sorted(maps.Keys(t.tiers)) {
			tt := t.tiers[tier]
			fmt.Printf("    %-12s right %d, wrong %d (%s %%), wrong actor %d, wrong person %d\n", tier, tt.Right, tt.Wrong, percent(tt.Wrong, tt.Right+tt.Wrong), tt.WrongActor, tt.WrongPerson)
		}
		for _, basis := range slices.Sorted(maps.Keys(t.bases)) {
			fmt.Printf("        %-20s right %d, wrong %d\n", basis, t.bases[basis].Right, t.bases[basis].Wrong)
		}
	}
	return nil
}

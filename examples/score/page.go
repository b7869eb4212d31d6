package score

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// update is set by `go test -update`: rows are then written instead of compared.
var update = flag.Bool("update", false, "write the score of this suite into docs/truth.md")

// columns are those of the table, whose first three name a row.
var columns = []string{"Suite", "Judge", "Version", "Provider (protocol)", "Deeds", "Attributes changed", "Missed", "False", "Noise after apply"}

// A Judge is a program that says what drifted. The version tells rows of the same program apart; ours has none.
type Judge struct{ Name, Version string }

// Taffrails is the judge that every suite has.
var Taffrails = Judge{Name: "taffrail"}

// Check compares the score of the judges with their rows in the page, or writes them with -update. A judge other than ours that has no row
// at its version is left out, with a word to the log: what it says is not ours to promise.
func (s *Sheet) Check(t *testing.T, page string, judges ...Judge) {
	t.Helper()
	for _, j := range judges {
		row := s.row(j)
		t.Logf("%s", strings.Join(row, " | "))
		if *update {
			if err := change(page, row); err != nil {
				t.Error(err)
			}
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		want := find(tableOf(string(text)).rows, row)
		switch {
		case want == nil && j != Taffrails:
			t.Logf("the page has no row for %s %s in %s: not compared", j.Name, j.Version, s.suite)
		case !slices.Equal(want, row):
			t.Errorf("%s says of %s in %s\n  %s\nand the suite finds\n  %s\nhint: look at why, then run this test with -update",
				page, j.Name, s.suite, strings.Join(want, " | "), strings.Join(row, " | "))
		}
	}
}

// row is a judge's line in the table.
func (s *Sheet) row(j Judge) []string {
	got := s.Tally(j.Name)
	count := func(spots []Spot) string {
		if len(spots) == 0 {
			return "0"
		}
		return fmt.Sprintf("%d in %d resources", len(spots), addresses(spots))
	}
	noise := fmt.Sprint(addresses(got.Noise))
	if noise != "0" {
		noise += " resources"
	}
	return []string{s.suite, j.Name, j.Version, s.provider, fmt.Sprint(s.deeds), fmt.Sprint(s.changed), count(got.Missed), count(got.False), noise}
}

// A table is the one of the page, with what stands around it.
type table struct {
	before, after string
	rows          [][]string
}

// tableOf takes a page apart. The table is the one whose head has our columns.
func tableOf(page string) table {
	head := line(columns) + "\n" + strings.Repeat("|---", len(columns)) + "|\n"
	before, rest, found := strings.Cut(page, head)
	if !found {
		return table{before: page + "\n"}
	}
	t := table{before: before}
	for strings.HasPrefix(rest, "| ") {
		var l string
		l, rest, _ = strings.Cut(rest, "\n")
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(l, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		t.rows = append(t.rows, row)
	}
	t.after = rest
	return t
}

// String writes the page.
func (t table) String() string {
	var b strings.Builder
	b.WriteString(t.before + line(columns) + "\n" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, row := range t.rows {
		b.WriteString(line(row) + "\n")
	}
	return b.String() + t.after
}

func line(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }

// find gives the row with the same suite, judge and version.
func find(rows [][]string, row []string) []string {
	for _, r := range rows {
		if len(r) == len(columns) && slices.Equal(r[:3], row[:3]) {
			return r
		}
	}
	return nil
}

// change puts a row into the page, which suites of other packages may be changing too. The page is written in one go: if we stop half
// way it is short, and version control has the whole.
func change(page string, row []string) error {
	f, err := os.Open(page)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", page, err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	t := tableOf(string(text))
	t.rows = slices.DeleteFunc(t.rows, func(r []string) bool { return len(r) < 3 || slices.Equal(r[:3], row[:3]) })
	t.rows = append(t.rows, row)
	slices.SortFunc(t.rows, slices.Compare)
	return os.WriteFile(page, []byte(t.String()), 0o644)
}

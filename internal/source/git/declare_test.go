package git

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func (r *repo) declare(line taffrail.CodeLine) (taffrail.Declaration, error) {
	r.t.Helper()
	d, err := open[taffrail.Declarer](r.t, "path: "+r.dir+"\n")
	if err != nil {
		r.t.Fatal(err)
	}
	return d.Declare(r.t.Context(), line)
}

// wantsLine wants a line to be declared by the commit with this message, at this place.
func (r *repo) wantsLine(file string, line int, message, was string) {
	r.t.Helper()
	d, err := r.declare(taffrail.CodeLine{File: file, Line: line})
	if got := fmt.Sprintf("%s:%d", d.File, d.Line); err != nil || d.Summary != message || got != was {
		r.t.Errorf("%s:%d is by %q at %s, want %q at %s: %v", file, line, d.Summary, got, message, was, err)
	}
}

func TestDeclare(t *testing.T) {
	r := newRepo(t)
	r.commit("first", "a.tf", "one\ntwo\nthree\n")
	r.commit("middle", "a.tf", "one\nTWO\nthree\n")
	r.commit("elsewhere", "b.tf", "x\n")
	r.commit("above", "a.tf", "zero\none\nTWO\nthree\n")
	r.git("mv", "a.tf", "main.tf")
	r.commit("moved")
	r.commit("below", "main.tf", "zero\none\nTWO\nthree\nfour")
	r.wantsLine("main.tf", 1, "above", "a.tf:1")
	r.wantsLine("main.tf", 2, "first", "a.tf:1")
	r.wantsLine("main.tf", 3, "middle", "a.tf:2")
	r.wantsLine("main.tf", 4, "first", "a.tf:3")
	r.wantsLine("main.tf", 5, "below", "main.tf:5")
	r.wantsLine(filepath.Join(r.dir, "main.tf"), 4, "first", "a.tf:3")
	first := r.git("rev-parse", "HEAD~4")
	d, err := r.declare(taffrail.CodeLine{Commit: first, File: "a.tf", Line: 2})
	if err != nil || d.Summary != "middle" || d.Actor.ID != "dana@corp.example" || d.Actor.Class != taffrail.ActorPerson || string(d.Event) != first || d.Time.IsZero() {
		t.Errorf("%+v %v", d, err)
	}
}

func TestDeclareThroughMerges(t *testing.T) {
	r := newRepo(t)
	r.commit("base", "a.tf", "1\n2\n3\n4\n5\n")
	r.git("checkout", "-q", "-b", "side")
	r.commit("side", "a.tf", "1\nTWO\n3\n4\n5\n")
	r.git("checkout", "-q", "main")
	r.commit("main", "a.tf", "1\n2\n3\n4\nFIVE\n")
	r.git("merge", "-q", "--no-edit", "-m", "merged", "side")
	r.wantsLine("a.tf", 2, "side", "a.tf:2")
	r.wantsLine("a.tf", 5, "main", "a.tf:5")
	r.wantsLine("a.tf", 3, "base", "a.tf:3")
}

func TestDeclareSaysWhatThereIsNot(t *testing.T) {
	r := newRepo(t)
	r.commit("first", "a.tf", "one\n")
	for _, line := range []taffrail.CodeLine{
		{File: "a.tf", Line: 0}, {File: "a.tf", Line: 2}, {File: "b.tf", Line: 1}, {File: "x/a.tf", Line: 1}, {File: "/etc/passwd", Line: 1},
		{Commit: strings.Repeat("0", 40), File: "a.tf", Line: 1}, {Commit: "hello", File: "a.tf", Line: 1},
	} {
		if _, err := r.declare(line); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
			t.Errorf("%+v: %v", line, err)
		}
	}
}

// Every line of a file with a long history of small changes has the author that git says.
func TestDeclareAgreesWithGit(t *testing.T) {
	r := newRepo(t)
	var text []string
	for i := range 40 {
		text = append(text, fmt.Sprintf("line %d\n", i))
	}
	for i := range 30 {
		at := (i * 7) % len(text)
		switch i % 3 {
		case 0:
			text[at] = fmt.Sprintf("changed %d\n", i)
		case 1:
			text = append(text[:at], append([]string{fmt.Sprintf("new %d\n", i)}, text[at:]...)...)
		default:
			text = append(text[:at], text[at+1:]...)
		}
		r.commit(strconv.Itoa(i), "a.tf", strings.Join(text, ""))
	}
	for i, line := range strings.Split(r.git("blame", "-l", "-s", "--root", "a.tf"), "\n") {
		want, _, _ := strings.Cut(line, " ")
		d, err := r.declare(taffrail.CodeLine{File: "a.tf", Line: i + 1})
		if err != nil || string(d.Event) != want {
			t.Errorf("line %d is by %s, and git says %s: %v", i+1, d.Event, want, err)
		}
	}
}

package taffrail

import (
	"context"
	"time"
)

// A Declarer says who wrote a line of code: who declared what is there, while events say who changed it.
type Declarer interface {
	// Declare gives the commit in which a line got the form that it has. A file or a line that there is not is an error of [KindNotFound]. It reads
	// what is committed, and never runs anything.
	Declare(ctx context.Context, line CodeLine) (Declaration, error)
}

// A CodeLine is a line of a file, as it is in one commit.
type CodeLine struct {
	Commit string `json:"commit,omitempty"` // hexadecimal, whole; empty: the one that is checked out
	File   string `json:"file"`             // absolute, or from the root of the repository, with slashes
	Line   int    `json:"line"`             // counted from 1
}

// A Declaration is the commit in which a line got its form.
type Declaration struct {
	Event   EventID   `json:"event"` // that the commit is, for a reader of commits: its hash
	Time    time.Time `json:"time"`  // when it was committed
	Actor   Actor     `json:"actor"` // its author, as far as the commit says
	Summary string    `json:"summary"`
	File    string    `json:"file"` // what the file was called then
	Line    int       `json:"line"` // which line it was then
}

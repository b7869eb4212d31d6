package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// errorSchema names the form of an error as JSON.
const errorSchema = "taffrail.dev/error/v1"

// errorForm is an error as JSON.
type errorForm struct {
	Schema string    `json:"schema"` // [errorSchema]
	Error  errorBody `json:"error"`
}

type errorBody struct {
	Op      string        `json:"op"`      // what was being done
	Kind    taffrail.Kind `json:"kind"`    //
	Message string        `json:"message"` // what went wrong and where, on one line
	Hint    string        `json:"hint"`    // what can be done about it; may be empty
}

func formOf(err error) errorForm {
	body := errorBody{Kind: taffrail.KindOf(err), Message: err.Error(), Hint: taffrail.HintOf(err)}
	var e *taffrail.Error
	if errors.As(err, &e) {
		body.Op = e.Op
		body.Message = strings.TrimPrefix(body.Message, e.Op+": ")
	}
	return errorForm{errorSchema, body}
}

// printError tells a person what went wrong, and what to do.
func printError(w io.Writer, s style, err error) {
	fmt.Fprintln(w, s.alarm("error:"), safe(err.Error()))
	if hint := taffrail.HintOf(err); hint != "" {
		fmt.Fprintln(w, s.bold("hint:"), safe(hint))
	}
}

// usage is an error in what was typed.
func usage(hint, format string, args ...any) error {
	return &taffrail.Error{Op: "usage", Kind: taffrail.KindInvalid, Err: fmt.Errorf(format, args...), Hint: hint}
}

// stopped makes the error of a command that a signal stopped one that says so.
func stopped(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return &taffrail.Error{Op: "run", Kind: taffrail.KindUnavailable, Err: fmt.Errorf("stopped: %w", err), Hint: "run it again"}
}

// nearest is the candidate that differs from a word in two letters at most, and least; empty if there is none.
func nearest(word string, candidates []string) string {
	best, least := "", 3
	for _, c := range candidates {
		if strings.HasPrefix(c, word) && len(word) > 2 {
			return c
		}
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := append(make([]int, 0, len(b)+1), i+1)
		for j := range len(b) {
			replace := previous[j]
			if a[i] != b[j] {
				replace++
			}
			current = append(current, slices.Min([]int{replace, previous[j+1] + 1, current[j] + 1}))
		}
		previous = current
	}
	return previous[len(b)]
}

package plugtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// An ExaminerCase is a stack that can say what it can read. The world of it does not change.
type ExaminerCase struct {
	// Open opens the stack, which must be a [taffrail.Examiner]. The suite closes it.
	Open func(t *testing.T) taffrail.Stack
	// Failed are the names of the checks that fail, in their order.
	Failed []string
	// Folder is one that examining must leave as it is; empty if there is none.
	Folder string
}

// Examiner tests what [taffrail.Examiner] promises.
func Examiner(t *testing.T, c ExaminerCase) {
	t.Helper()
	keeps(t, c, examinerPromises)
}

var examinerPromises = []promise[ExaminerCase]{
	{"what fails is said", checkFailures},
	{"each check can be understood", checkChecks},
	{"examining twice gives the same", checkExamineTwice},
	{"an error of emit stops it", checkExamineEmitError},
	{"cancelled before", checkExamineCancelled},
	{"nothing is written", checkExamineFolder},
}

func examine(ctx context.Context, s taffrail.Stack, emit func(taffrail.Check) error) (all []taffrail.Check, err error) {
	examiner, ok := s.(taffrail.Examiner)
	if !ok {
		return nil, fmt.Errorf("%T is no Examiner", s)
	}
	err = examiner.Examine(ctx, func(c taffrail.Check) error {
		all = append(all, c)
		return emit(c)
	})
	return all, err
}

func silently(taffrail.Check) error { return nil }

func (c ExaminerCase) examine(t *testing.T) ([]taffrail.Check, error) {
	s := c.Open(t)
	defer s.Close()
	return examine(t.Context(), s, silently)
}

func checkFailures(t *testing.T, c ExaminerCase) error {
	all, err := c.examine(t)
	if err != nil {
		return err
	}
	var failed []string
	for _, check := range all {
		if check.Result == taffrail.CheckFailed {
			failed = append(failed, check.Name)
		}
	}
	if diff := cmp.Diff(c.Failed, failed); diff != "" || len(all) == 0 {
		return fmt.Errorf("of %d checks failed (-want +got):\n%s", len(all), diff)
	}
	return nil
}

func checkChecks(t *testing.T, c ExaminerCase) error {
	all, err := c.examine(t)
	if err != nil {
		return err
	}
	results := []taffrail.CheckResult{taffrail.CheckOK, taffrail.CheckWarning, taffrail.CheckFailed, taffrail.CheckSkipped}
	for _, check := range all {
		switch {
		case check.Name == "" || !slices.Contains(results, check.Result):
			return fmt.Errorf("no name, or no result that there is: %+v", check)
		case check.Result != taffrail.CheckOK && check.Detail == "":
			return fmt.Errorf("it is not said why: %+v", check)
		case strings.ContainsAny(check.Detail+check.Hint+check.Subject, "\r\n"):
			return fmt.Errorf("more than one line: %+v", check)
		}
	}
	return nil
}

func checkExamineTwice(t *testing.T, c ExaminerCase) error {
	s := c.Open(t)
	defer s.Close()
	once, err := examine(t.Context(), s, silently)
	if err != nil {
		return err
	}
	again, err := examine(t.Context(), s, silently)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(once, again); diff != "" {
		return fmt.Errorf("the second examination differs (-first +second):\n%s", diff)
	}
	return nil
}

func checkExamineEmitError(t *testing.T, c ExaminerCase) error {
	s := c.Open(t)
	defer s.Close()
	mine := errors.New("emit fails")
	all, err := examine(t.Context(), s, func(taffrail.Check) error { return mine })
	if err != mine { //nolint:errorlint // as it is, not wrapped
		return fmt.Errorf("the error of emit did not come back as it is, but: %w", err)
	}
	if len(all) != 1 {
		return fmt.Errorf("emit was called %d times, though the first failed", len(all))
	}
	return nil
}

func checkExamineCancelled(t *testing.T, c ExaminerCase) error {
	s := c.Open(t)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := examine(ctx, s, silently); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", err)
	}
	return nil
}

func checkExamineFolder(t *testing.T, c ExaminerCase) error {
	return unchanged(c.Folder, func() error {
		_, err := c.examine(t)
		return err
	})
}

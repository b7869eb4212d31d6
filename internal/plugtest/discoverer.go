package plugtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// A DiscovererCase is a folder with stacks in it.
type DiscovererCase struct {
	// Open gives the discoverer.
	Open func(t *testing.T) taffrail.Discoverer
	// Dir is where it looks. It must leave that folder as it is.
	Dir string
	// Want is how many places there are.
	Want int
}

// Discoverer tests what [taffrail.Discoverer] promises.
func Discoverer(t *testing.T, c DiscovererCase) {
	t.Helper()
	keeps(t, c, discovererPromises)
}

var discovererPromises = []promise[DiscovererCase]{
	{"each place once, in order", checkPlaces},
	{"each place can be understood", checkPlace},
	{"discovering twice gives the same", checkDiscoverTwice},
	{"an error of emit stops it", checkDiscoverEmitError},
	{"cancelled before", checkDiscoverCancelled},
	{"a folder that there is not", checkNoFolder},
	{"nothing is written", checkDiscoverFolder},
}

func (c DiscovererCase) discover(ctx context.Context, t *testing.T, emit func(taffrail.Place) error) (all []taffrail.Place, err error) {
	err = c.Open(t).Discover(ctx, c.Dir, func(p taffrail.Place) error {
		all = append(all, p)
		return emit(p)
	})
	return all, err
}

func quietly(taffrail.Place) error { return nil }

func checkPlaces(t *testing.T, c DiscovererCase) error {
	all, err := c.discover(t.Context(), t, quietly)
	if err != nil {
		return err
	}
	if len(all) != c.Want {
		return fmt.Errorf("%d places, want %d", len(all), c.Want)
	}
	for i := 1; i < len(all); i++ {
		switch before, p := all[i-1], all[i]; {
		case p.Dir < before.Dir:
			return fmt.Errorf("%s comes after %s", p.Dir, before.Dir)
		case p.Dir == before.Dir && p.Kind == before.Kind && p.Target == before.Target && p.Problem == before.Problem:
			return fmt.Errorf("%s stands twice", p.Dir)
		}
	}
	return nil
}

func checkPlace(t *testing.T, c DiscovererCase) error {
	all, err := c.discover(t.Context(), t, quietly)
	if err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(c.Dir)
	if err != nil {
		return err
	}
	for _, p := range all {
		inside := p.Dir == root || strings.HasPrefix(p.Dir, root+string(filepath.Separator))
		switch {
		case p.System == "" || p.Kind == "":
			return fmt.Errorf("no system, or no kind: %+v", p)
		case !filepath.IsAbs(p.Dir) || !inside:
			return fmt.Errorf("it is not below %s: %+v", root, p)
		case p.Target == "" && p.Problem == "":
			return fmt.Errorf("it cannot be scanned, and is not said why: %+v", p)
		case strings.ContainsAny(p.Problem+p.Hint, "\r\n"):
			return fmt.Errorf("more than one line: %+v", p)
		}
	}
	return nil
}

func checkDiscoverTwice(t *testing.T, c DiscovererCase) error {
	once, err := c.discover(t.Context(), t, quietly)
	if err != nil {
		return err
	}
	again, err := c.discover(t.Context(), t, quietly)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(once, again); diff != "" {
		return fmt.Errorf("the second time differs (-first +second):\n%s", diff)
	}
	return nil
}

func checkDiscoverEmitError(t *testing.T, c DiscovererCase) error {
	mine := errors.New("emit fails")
	all, err := c.discover(t.Context(), t, func(taffrail.Place) error { return mine })
	if err != mine { //nolint:errorlint // as it is, not wrapped
		return fmt.Errorf("the error of emit did not come back as it is, but: %w", err)
	}
	if len(all) != 1 {
		return fmt.Errorf("emit was called %d times, though the first failed", len(all))
	}
	return nil
}

func checkDiscoverCancelled(t *testing.T, c DiscovererCase) error {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.discover(ctx, t, quietly); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", err)
	}
	return nil
}

func checkNoFolder(t *testing.T, c DiscovererCase) error {
	c.Dir = filepath.Join(c.Dir, "no such folder")
	all, err := c.discover(t.Context(), t, quietly)
	if err == nil || taffrail.HintOf(err) == "" || len(all) > 0 {
		return fmt.Errorf("%d places, error %w with the hint %q", len(all), err, taffrail.HintOf(err))
	}
	return nil
}

func checkDiscoverFolder(t *testing.T, c DiscovererCase) error {
	return unchanged(c.Dir, func() error {
		_, err := c.discover(t.Context(), t, quietly)
		return err
	})
}

package terraform

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// BenchmarkWarmTarget reads one of 5,000 resources through a provider that runs already: what an event of an audit source asks for. The
// provider does nothing but answer, so that all of the time is ours or the wire's.
//
//	go test -run '^$' -bench WarmTarget ./internal/source/terraform
func BenchmarkWarmTarget(b *testing.B) {
	r := newRig(b)
	r.install()
	var all []res
	for i := range 5000 {
		all = append(all, thing(fmt.Sprint("r", i), nil))
	}
	r.state(all...)
	old := time.Now().Add(-time.Hour) // a file that was written just now is not believed to stay
	if err := os.Chtimes(filepath.Join(r.dir, "terraform.tfstate"), old, old); err != nil {
		b.Fatal(err)
	}
	s := r.open()
	only := taffrail.Selection{Addresses: []taffrail.Address{"odd_thing.r4000"}}
	read := func() {
		coverage, err := s.Read(b.Context(), only, func(taffrail.Observation) error { return nil })
		if err != nil || coverage.Checked != 1 {
			b.Fatal(coverage, err)
		}
	}
	read()
	for b.Loop() {
		read()
	}
}

func TestProviderCollectsAsTheUserSays(t *testing.T) {
	for _, tc := range []struct {
		environ []string
		want    string
	}{{nil, "GOGC=250"}, {[]string{"GOGC=50"}, "GOGC=50"}, {[]string{"GOGC=off"}, "GOGC=off"}} {
		env := (host{environ: tc.environ}).providerEnviron("/")
		found := slices.DeleteFunc(env, func(s string) bool { return !strings.HasPrefix(s, "GOGC=") })
		if !slices.Equal(found, []string{tc.want}) {
			t.Errorf("%q became %q", tc.environ, found)
		}
	}
}

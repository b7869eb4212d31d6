package terraform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// T-12: the provider dies of the candidate, and is gone when it is to be asked again. Then nobody knows whether the candidate is there, and
// the type was not looked at as a whole.
func TestTrap12_AFindThatCannotBeConfirmedIsAGap(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "theirs")})
	r.live(testprovider.World{"odd_thing/theirs": {Fault: "crash"}})
	r.config.ConfirmDelay = 500 * time.Millisecond
	s := r.open()
	go func() {
		for range 2000 {
			if slices.ContainsFunc(testprovider.Log(r.world), func(l string) bool { return strings.HasPrefix(l, "read odd_thing/theirs") }) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		_ = os.RemoveAll(filepath.Join(r.dir, ".terraform", "providers"))
	}()
	got := once(t, s, "odd_thing")
	got.want(t, "", gapped{"odd_thing": taffrail.ReasonUnconfigured})
}

package module

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// One tree serves several provider processes at once, and the state is read for all of them once.
func TestTreeIsSharedByMany(t *testing.T) {
	dir := folder(t, map[string]string{
		"main.tf":     "module \"net\" { source = \"./net\" }\nprovider \"cloud\" { region = \"${cluster.main.endpoint}${module.net.out}\" }\nresource \"t\" \"n\" {}\n",
		"net/main.tf": "output \"out\" { value = cluster.main.endpoint }\nresource \"t\" \"n\" {}\n",
	})
	root, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := NewTree(root, filepath.Join(dir, ".terraform"))
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	s := Scope{}
	s.State = func(wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
		reads++
		return fromCloudState(wanted)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_ = tree.SensitiveValues(s)
			if _, _, ok := tree.Declaration(addr.Module{{Name: "net"}}, "t", "n"); !ok {
				t.Error("the declaration is lost")
			}
			if got, err := tree.Configure(cloudConfig, cloudSpec, s); err != nil || got.Value.GetAttr("region").AsString() != "https://onehttps://net" {
				t.Errorf("%#v, %v", got, err)
			}
		})
	}
	all.Wait()
	if reads != 1 {
		t.Errorf("the state was read %d times", reads)
	}
}

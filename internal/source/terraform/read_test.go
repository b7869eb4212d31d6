package terraform

import (
	"encoding/json"
	"testing"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func TestReadOne(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", map[string]any{"size": 0.1}), thing("b", nil))
	r.live(testprovider.World{"odd_thing/b": {Set: map[string]json.RawMessage{"name": json.RawMessage(`"other"`)}}})
	got := r.scan()
	for _, o := range got.all {
		t.Log(o.Resource, o.Gap)
		t.Log(string(o.Recorded.AppendCanonical(nil)))
		t.Log(string(o.Live.AppendCanonical(nil)))
	}
	t.Log(r.log)
	t.Log(testprovider.Log(r.world))
}

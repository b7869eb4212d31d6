package terraform

import (
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// Whoever serves a provider under a host of their own may serve anything under a known name: its resources are asked for.
func TestOnlyPublicProvidersAreTakenForStateAlone(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(res{"mode": "managed", "type": "time_static", "name": "x", "provider": `provider["corp.example/hashicorp/time"]`,
		"instances": []any{map[string]any{"attributes": map[string]any{"id": "1"}}}})
	o := r.scan().all[0]
	if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured { // nobody installed it here
		t.Errorf("gap %+v", o.Gap)
	}
}

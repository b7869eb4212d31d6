package terraform

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// calls gives what the provider was asked about resources.
func (r *rig) calls() []string {
	var calls []string
	for _, line := range testprovider.Log(r.world) {
		if strings.HasPrefix(line, "upgrade ") || strings.HasPrefix(line, "read ") {
			calls = append(calls, line)
		}
	}
	return calls
}

func TestGuess(t *testing.T) {
	t.Parallel()
	upgrade := map[string][]byte{"name": []byte(`"upgraded"`)}
	world := func(o testprovider.Object) testprovider.Object {
		for name, text := range upgrade {
			o.Upgrade = map[string]json.RawMessage{name: text}
		}
		return o
	}
	const read, upgraded = "read odd_thing/a", "upgrade odd_thing/a"
	for _, test := range []struct {
		name    string
		live    testprovider.Object
		calls   []string
		changes []string
		gap     taffrail.Reason
	}{
		{name: "in sync", calls: []string{read}},
		{
			name: "drift", live: set("name", `"else"`), calls: []string{read, upgraded},
			changes: []string{`name: "n-a" -> "else"`},
		},
		{name: "gone", live: testprovider.Object{Gone: true}, calls: []string{read, upgraded, read}, changes: []string{` -> null`}},
		{name: "error", live: testprovider.Object{Fault: "diagnostic:boom"}, calls: []string{read, upgraded}, gap: taffrail.ReasonError},
		{name: "denied", live: testprovider.Object{Fault: "diagnostic:403 Forbidden"}, calls: []string{read}, gap: taffrail.ReasonDenied},
		{
			name: "the upgrade answers otherwise, and so it is", live: world(set("name", `"upgraded"`)),
			calls: []string{read, upgraded, read},
		},
		{
			name: "the upgrade answers otherwise, and it is another", live: world(set("name", `"else"`)),
			calls: []string{read, upgraded, read}, changes: []string{`name: "upgraded" -> "else"`},
		},
		{
			name: "no read without the upgrade", live: world(testprovider.Object{Without: "diagnostic:boom"}),
			calls: []string{read, upgraded, read},
		},
		{
			name: "the provider dies of a read without the upgrade", live: world(testprovider.Object{Without: "crash"}),
			calls: []string{read, upgraded, read},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.config.ConfirmMassDeletion = true
			r.install()
			r.state(thing("a", nil))
			r.live(testprovider.World{"odd_thing/a": test.live})
			o := r.scan().all[0]
			if test.name == "gone" {
				if !o.Live.IsNull() {
					t.Errorf("live %s", o.Live.AppendCanonical(nil))
				}
			} else if diff := cmp.Diff(test.changes, changes(o)); test.gap == "" && diff != "" {
				t.Errorf("changes:\n%s", diff)
			}
			if o.Gap == nil && test.gap != "" || o.Gap != nil && o.Gap.Reason != test.gap {
				t.Errorf("gap %+v", o.Gap)
			}
			if diff := cmp.Diff(test.calls, r.calls()); diff != "" {
				t.Errorf("calls:\n%s", diff)
			}
		})
	}
}

// What an older version of the schema wrote is never guessed.
func TestTrap8_OlderSchemaIsUpgradedFirst(t *testing.T) {
	r := newRig(t)
	r.install()
	old := thing("a", map[string]any{"title": "n-a"}).with("schema_version", 1)
	delete(old["instances"].([]any)[0].(map[string]any)["attributes"].(map[string]any), "name")
	r.state(old)
	o := r.scan().all[0]
	if len(changes(o)) > 0 || o.Gap != nil {
		t.Errorf("changes %v, gap %v", changes(o), o.Gap)
	}
	if calls := r.calls(); !slices.Equal(calls, []string{"upgrade odd_thing/a", "read odd_thing/a"}) {
		t.Errorf("calls %q", calls)
	}
}

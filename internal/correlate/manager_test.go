package correlate

import (
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// TestTrap34_ManagersNameTheEventThatCannotBeSeenInto: managedFields give a name and a time, and the person stands in the event alone.
func TestTrap34_ManagersNameTheEventThatCannotBeSeenInto(t *testing.T) {
	const after = `{"metadata":{"managedFields":[{"manager":"kubectl","time":"2026-01-01T00:00:20Z","fieldsV1":{"f:spec":{"f:replicas":{}}}},{"manager":"other","time":"2026-01-01T00:00:30Z","fieldsV1":{"f:spec":{"f:paused":{}}}}]},"spec":{"replicas":3}}`
	seen := func(id, writer, action string, seconds int64) taffrail.Event {
		e := write{id: id, version: seconds}.bare(action)
		e.Writer = writer
		return e
	}
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
	}{
		{"one of that name at that time", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 20), seen("b", "other", "apps:patch deployments", 30)}, "a"},
		{"two of that name", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 20), seen("b", "kubectl", "apps:patch deployments", 20)}, ""},
		{"one of that name, much earlier", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 5), seen("b", "other", "apps:patch deployments", 30)}, ""},
		{"of another name", []taffrail.Event{seen("a", "third", "apps:patch deployments", 20), seen("b", "other", "apps:patch deployments", 30)}, ""},
		{"of the status", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments/status", 20), seen("b", "other", "apps:patch deployments", 30)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, taffrail.Stamp{})
			q.Resources[0].After, q.Events = value(t, after), tc.events
			c := one(t, q)
			got := ""
			if c.Event != nil && c.Basis == string(gradeManager) {
				got = string(c.Event.ID)
			}
			if got != tc.want {
				t.Errorf("got %s by %s, want %q", told(c), c.Basis, tc.want)
			}
		})
	}
}

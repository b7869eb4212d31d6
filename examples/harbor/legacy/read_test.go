package legacy_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-sdk/v2/terraform"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/legacy"
)

// Only the cloud's word that an object is not there removes it.
func TestReadRemovesOnlyWhatIsNotThere(t *testing.T) {
	for _, kind := range []string{"firewall", "bucket", "database", "dns_record"} {
		for _, tc := range []struct{ fault, want string }{
			{"", ""}, {"deny", "HTTP 403"}, {"error", "HTTP 500"}, {"throttle", "HTTP 429"}, {"deleted", "gone"},
		} {
			t.Run(kind+" "+tc.fault, func(t *testing.T) {
				if got := readOnce(t, kind, tc.fault); got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			})
		}
	}
}

// readOnce reads an object while a fault is on. It says "gone", the status that an
// error names, or nothing.
func readOnce(t *testing.T, kind, fault string) string {
	t.Helper()
	c, err := cloud.Open(cloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server := httptest.NewServer(c)
	defer server.Close()
	hand, err := client.New(server.URL, client.Options{Operator: true})
	if err != nil {
		t.Fatal(err)
	}
	o, err := hand.Create(t.Context(), kind, attributes{"name": "x"})
	if err != nil {
		t.Fatal(err)
	}
	switch fault {
	case "":
	case "deleted":
		err = hand.Delete(t.Context(), kind, o.ID)
	default:
		err = hand.SetFault(t.Context(), api.TargetedFault{Target: "*", Fault: api.Fault{Effect: api.Effect(fault)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	p := legacy.New()
	if diags := p.Configure(t.Context(), terraform.NewResourceConfigRaw(attributes{"url": server.URL})); diags.HasError() {
		t.Fatal(diags)
	}
	state, diags := p.ResourcesMap["harborlegacy_"+kind].RefreshWithoutUpgrade(t.Context(), &terraform.InstanceState{ID: o.ID}, p.Meta())
	switch {
	case diags.HasError():
		_, status, _ := strings.Cut(diags[0].Summary, ": ")
		return status
	case state == nil || state.ID == "":
		return "gone"
	}
	return ""
}

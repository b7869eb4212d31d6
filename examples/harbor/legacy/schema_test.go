package legacy_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/taffrail-dev/taffrail/examples/harbor/legacy"
)

func TestSchemasAreValid(t *testing.T) {
	if err := legacy.New().InternalValidate(); err != nil {
		t.Error(err)
	}
}

// The two halves must agree on the provider block, and must not both have a type.
func TestMixedProviderHasBothHalves(t *testing.T) {
	factory, err := legacy.NewMixed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := factory().GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range resp.Diagnostics {
		t.Errorf("%s: %s", d.Summary, d.Detail)
	}
	for _, name := range []string{"firewall", "bucket", "database", "dns_record", "alias"} {
		if resp.ResourceSchemas["harborlegacy_"+name] == nil {
			t.Errorf("there is no harborlegacy_%s", name)
		}
	}
}

// A plan that cannot be decoded runs no code of a type, and yet tells which SDK the
// type is made with: a client can ask before it takes null for "".
func TestOnlyTheOldSDKSaysThatItIsOld(t *testing.T) {
	factory, err := legacy.NewMixed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	null, noObject := &tfprotov6.DynamicValue{MsgPack: []byte{0xc0}}, &tfprotov6.DynamicValue{MsgPack: []byte{0x01}}
	for name, want := range map[string]bool{"firewall": true, "bucket": true, "database": true, "dns_record": true, "alias": false} {
		resp, err := factory().PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
			TypeName: "harborlegacy_" + name, PriorState: null, ProposedNewState: noObject, Config: null,
		})
		if err != nil {
			t.Fatal(err)
		}
		//nolint:staticcheck // it is what the test is about
		if got := resp.UnsafeToUseLegacyTypeSystem; got != want || len(resp.Diagnostics) == 0 {
			t.Errorf("harborlegacy_%s: %v, %d diagnostics", name, got, len(resp.Diagnostics))
		}
	}
}

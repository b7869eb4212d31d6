package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// A foundList is what a listing gave: addresses in order, and the gaps by type as "type: reason".
type foundList struct {
	listing   taffrail.Listing
	addresses []string
	by        map[taffrail.Address]taffrail.Observation
	gaps      map[taffrail.ResourceType]taffrail.Gap
}

func list(t *testing.T, s *stack, types ...taffrail.ResourceType) foundList {
	t.Helper()
	out := foundList{by: map[taffrail.Address]taffrail.Observation{}, gaps: map[taffrail.ResourceType]taffrail.Gap{}}
	var err error
	out.listing, err = s.List(t.Context(), taffrail.Scope{Types: types}, func(o taffrail.Observation) error {
		out.addresses = append(out.addresses, string(o.Resource.Address))
		out.by[o.Resource.Address] = o
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range out.listing.Gaps {
		if _, twice := out.gaps[g.Type]; twice || g.Type == "" || g.Address != "" || g.Detail == "" {
			t.Errorf("gap %+v", g)
		}
		if slices.Contains(out.listing.Listed, g.Type) {
			t.Errorf("%s was listed, and has the gap %+v", g.Type, g)
		}
		out.gaps[g.Type] = g
	}
	return out
}

// once lists and closes the stack.
func once(t *testing.T, s *stack, types ...taffrail.ResourceType) foundList {
	t.Helper()
	defer s.Close()
	return list(t, s, types...)
}

func (f foundList) want(t *testing.T, listed string, reasons map[taffrail.ResourceType]taffrail.Reason, addresses ...string) {
	t.Helper()
	var names []string
	for _, l := range f.listing.Listed {
		names = append(names, string(l))
	}
	if got := strings.Join(names, " "); got != listed {
		t.Errorf("listed %q, want %q", got, listed)
	}
	got := map[taffrail.ResourceType]taffrail.Reason{}
	for typ, g := range f.gaps {
		got[typ] = g.Reason
	}
	if !maps.Equal(got, reasons) {
		t.Errorf("gaps %+v, want %v", f.listing.Gaps, reasons)
	}
	if diff := cmp.Diff(addresses, f.addresses); diff != "" {
		t.Error(diff)
	}
}

// A gapped is which types are gaps, and why.
type gapped = map[taffrail.ResourceType]taffrail.Reason

// narrow are the gaps of the whole stack where records of one zone are listed. The provider has types beside those of the stack that cannot be listed.
var narrow = gapped{"harbor_database": taffrail.ReasonUnsupported, taffrail.EveryType: taffrail.ReasonUnsupported}

// further are types that the stack has none of, and that can be listed.
const further = " harbor_function harbor_instance harbor_key harbor_queue harbor_role harbor_scaling_group harbor_template"

// notAsked adds the further types to gaps, as they are where only certain types are listed.
func notAsked(gaps gapped) gapped {
	for typ := range strings.FieldsSeq(further) {
		gaps[taffrail.ResourceType(typ)] = taffrail.ReasonIgnored
	}
	return gaps
}

func inZone(c *Config) {
	c.List = map[string]map[string]any{"harbor_dns_record": {"zone": "practice.example"}}
}

func TestHarborList(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	t.Run("nothing right after an apply", func(t *testing.T) {
		once(t, h.open(inZone), taffrail.EveryType).want(t, "harbor_bucket harbor_dns_record harbor_firewall"+further, narrow)
	})
	h.by("create", "bucket", "name=shadow", "tags.owner=somebody")
	h.by("create", "firewall", "name=hole")
	h.by("create", "dns_record", "name=x", "zone=practice.example", "type=A", `values=["192.0.2.9"]`)
	h.by("create", "dns_record", "name=x", "zone=elsewhere.example", "type=A", `values=["192.0.2.9"]`)
	t.Run("made by hand", func(t *testing.T) { h.listMadeByHand(t) })
	t.Run("contract", func(t *testing.T) {
		plugtest.Lister(t, plugtest.ListerCase{
			Open:  func(*testing.T) taffrail.Stack { return h.open(inZone) },
			Scope: taffrail.Scope{Types: []taffrail.ResourceType{"harbor_bucket", "harbor_database", "harbor_dns_record"}}, Want: 2,
			Listed: []taffrail.ResourceType{"harbor_bucket", "harbor_dns_record"}, Folder: h.dir,
		})
	})
	t.Run("scope", func(t *testing.T) { h.listScope(t) })
	t.Run("another stack", func(t *testing.T) { h.listWithAnotherStack(t) })
	t.Run("states without identity", func(t *testing.T) { h.listWithoutIdentity(t) })
	t.Run("faults", func(t *testing.T) { h.listMisbehave(t) })
	t.Run("a list that lags", func(t *testing.T) { h.listLags(t) })
	t.Run("the state moves", func(t *testing.T) { h.listRaces(t) })
}

const (
	shadow = "harbor_bucket (unmanaged bkt-0004)"
	hole   = "harbor_firewall (unmanaged fw-0005)"
)

func (h *harbor) listMadeByHand(t *testing.T) {
	s := h.open(inZone)
	(&rig{t: t}).read(s) // the process is warm
	got := list(t, s, taffrail.EveryType)
	record := got.addresses[1]
	got.want(t, "harbor_bucket harbor_dns_record harbor_firewall"+further, narrow, shadow, record, hole)
	if !strings.HasPrefix(record, "harbor_dns_record (unmanaged id=dns-") || !strings.HasSuffix(record, ",zone=practice.example)") {
		t.Errorf("address %s", record)
	}
	o := got.by[shadow]
	name, _ := o.Live.Field("name")
	tags, _ := o.Live.Field("tags")
	owner, _ := tags.Field("owner")
	if !o.Recorded.IsNull() || name.Text() != "shadow" || owner.Text() != "somebody" || o.At.IsZero() {
		t.Errorf("observation %+v", o)
	}
	if r := o.Resource; r.ID != "bkt-0004" || r.Type != "harbor_bucket" || r.Stack == "" || !strings.HasSuffix(r.Provider, "/practice/harbor") {
		t.Errorf("resource %+v", r)
	}
}

func (h *harbor) listScope(t *testing.T) {
	once(t, h.open(), "harbor_bucket").want(t, "harbor_bucket",
		notAsked(gapped{"harbor_dns_record": taffrail.ReasonIgnored, "harbor_firewall": taffrail.ReasonIgnored}), shadow)
	got := once(t, h.open(), "harbor_database", "harbor_dns_record", "harbor_ship")
	got.want(t, "", notAsked(gapped{
		"harbor_bucket": taffrail.ReasonIgnored, "harbor_firewall": taffrail.ReasonIgnored,
		"harbor_database": taffrail.ReasonUnsupported, "harbor_dns_record": taffrail.ReasonUnconfigured, "harbor_ship": taffrail.ReasonUnsupported,
	}))
	if g := got.gaps["harbor_dns_record"]; !strings.Contains(g.Detail, "it needs zone") || !strings.Contains(g.Hint, "harbor_dns_record") {
		t.Errorf("gap %+v", g)
	}
}

// listWithAnotherStack has another state declare what was made by hand: with its identity, and as a state from before identities.
func (h *harbor) listWithAnotherStack(t *testing.T) {
	var state map[string]any
	h.edit(t, func(s map[string]any) { state = s })
	var kept []any
	for _, r := range state["resources"].([]any) {
		if r.(map[string]any)["type"] == "harbor_bucket" {
			kept = append(kept, r)
		}
	}
	// The other stack declares the bucket "shadow", as it is after an import.
	instance := kept[0].(map[string]any)["instances"].([]any)[0].(map[string]any)
	instance["attributes"].(map[string]any)["id"] = "bkt-0004"
	instance["identity"] = map[string]any{"id": "bkt-0004"}
	delete(instance, "index_key")
	kept[0].(map[string]any)["instances"] = []any{instance}
	state["resources"], state["lineage"] = kept[:1], "another"
	for _, tt := range []struct {
		name     string
		identity any
	}{{"by identity", map[string]any{"id": "bkt-0004"}}, {"by id", nil}} {
		t.Run(tt.name, func(t *testing.T) {
			instance["identity"] = tt.identity
			file := filepath.Join(t.TempDir(), "other.tfstate")
			data, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, file, string(data))
			also := func(c *Config) { c.Also = []string{file} }
			once(t, h.open(also), "harbor_bucket").want(t, "harbor_bucket",
				notAsked(gapped{"harbor_dns_record": taffrail.ReasonIgnored, "harbor_firewall": taffrail.ReasonIgnored}))
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		got := once(t, h.open(func(c *Config) { c.Also = []string{filepath.Join(t.TempDir(), "none")} }), "harbor_bucket")
		if g := got.gaps["harbor_bucket"]; len(got.addresses) > 0 || len(got.listing.Listed) > 0 || !g.Reason.IsGap() || !strings.Contains(g.Detail, "none") {
			t.Errorf("%v, %+v", got.addresses, got.listing)
		}
	})
}

// edit changes the stack's state file.
func (h *harbor) edit(t *testing.T, change func(map[string]any)) {
	t.Helper()
	file := filepath.Join(h.dir, "terraform.tfstate")
	data, err := os.ReadFile(file)
	var state map[string]any
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err == nil {
		change(state)
		data, err = json.MarshalIndent(state, "", "  ")
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(data))
}

// Resources that were written down before their provider had identities are asked for them. One whose identity changed is no stranger.
func (h *harbor) listWithoutIdentity(t *testing.T) {
	before, err := os.ReadFile(filepath.Join(h.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	defer writeFile(t, filepath.Join(h.dir, "terraform.tfstate"), string(before))
	each := func(change func(map[string]any)) func(map[string]any) {
		return func(state map[string]any) {
			for _, r := range state["resources"].([]any) {
				for _, i := range r.(map[string]any)["instances"].([]any) {
					change(i.(map[string]any))
				}
			}
		}
	}
	want := once(t, h.open(inZone), taffrail.EveryType).addresses
	h.edit(t, each(func(i map[string]any) { delete(i, "identity"); delete(i, "identity_schema_version") }))
	if diff := cmp.Diff(want, once(t, h.open(inZone), taffrail.EveryType).addresses); diff != "" {
		t.Error(diff)
	}
	h.edit(t, each(func(i map[string]any) {
		if zone, ok := i["attributes"].(map[string]any)["zone"]; ok && zone == "practice.example" {
			i["identity"] = map[string]any{"id": i["attributes"].(map[string]any)["id"], "zone": "before.example"}
		}
	}))
	if diff := cmp.Diff(want, once(t, h.open(inZone), taffrail.EveryType).addresses); diff != "" {
		t.Error(diff)
	}
	h.by("fault", "set", "bucket", "deny")
	defer h.by("fault", "clear")
	if got := once(t, h.open(inZone), taffrail.EveryType); got.by[shadow].Resource.Address != "" || got.gaps["harbor_bucket"].Reason != taffrail.ReasonDenied {
		t.Errorf("%v, %+v", got.addresses, got.listing)
	}
}

func (h *harbor) listMisbehave(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		reason taffrail.Reason
	}{
		{"deny-list", taffrail.ReasonDenied}, {"deny", taffrail.ReasonDenied}, {"error", taffrail.ReasonError},
		{"throttle-list", taffrail.ReasonThrottled}, {"hang", taffrail.ReasonTimeout},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			h.by("fault", "set", "bucket", tt.fault)
			defer h.by("fault", "clear")
			got := once(t, h.open(inZone, func(c *Config) { c.Timeout = 2 * time.Second }), taffrail.EveryType)
			got.want(t, "harbor_dns_record harbor_firewall"+further,
				gapped{"harbor_bucket": tt.reason, "harbor_database": taffrail.ReasonUnsupported, taffrail.EveryType: taffrail.ReasonUnsupported}, got.addresses[0], hole)
		})
	}
}

// listLags deletes what nobody declares: a list may show it for a while, and a read does not.
func (h *harbor) listLags(t *testing.T) {
	h.by("create", "bucket", "name=gone")
	gone := "harbor_bucket (unmanaged bkt-0005)"
	if got := once(t, h.open(), "harbor_bucket"); !slices.Contains(got.addresses, gone) {
		t.Fatalf("found %v", got.addresses)
	}
	time.Sleep(100 * time.Millisecond) // so that it was there for a while
	h.by("delete", "bucket/gone")
	h.by("fault", "set", "bucket", "lag-list=50ms")
	defer h.by("fault", "clear")
	if got := once(t, h.open(), "harbor_bucket"); slices.Contains(got.addresses, gone) {
		t.Errorf("found %v", got.addresses)
	}
}

// listRaces applies while the lists are asked for: what was just created is live before it is written down.
func (h *harbor) listRaces(t *testing.T) {
	s := h.open(func(c *Config) { c.ConfirmDelay = time.Second })
	h.by("fault", "set", "firewall", "latency=300ms")
	defer h.by("fault", "clear")
	moved := time.AfterFunc(400*time.Millisecond, func() {
		h.edit(t, func(state map[string]any) { state["serial"] = state["serial"].(float64) + 1 })
	})
	defer moved.Stop()
	got := list(t, s, "harbor_bucket", "harbor_firewall")
	got.want(t, "", notAsked(gapped{"harbor_bucket": taffrail.ReasonRaced, "harbor_firewall": taffrail.ReasonRaced, "harbor_dns_record": taffrail.ReasonIgnored}))
}

func TestListStops(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	h.by("create", "bucket", "name=shadow")
	h.by("fault", "set", "bucket", "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	listing, err := h.open().List(ctx, taffrail.Scope{Types: []taffrail.ResourceType{"harbor_bucket", "harbor_firewall"}}, func(o taffrail.Observation) error {
		t.Errorf("found %s", o.Resource.Address)
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) || len(listing.Listed) > 0 {
		t.Errorf("%v, %+v", err, listing)
	}
	h.by("fault", "clear")
	stop := errors.New("stop")
	if _, err := h.open().List(t.Context(), taffrail.Scope{Types: []taffrail.ResourceType{"harbor_bucket"}}, func(taffrail.Observation) error { return stop }); err != stop { //nolint:errorlint // as it is, not wrapped
		t.Errorf("emit's error came back as %v", err)
	}
}

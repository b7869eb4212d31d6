package provider

import (
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// payload returns what the cloud is to know of a plan: null is nil, what the
// cloud will choose is left out.
func (r *object) payload(plan tftypes.Value) (map[string]any, error) {
	members, err := membersOf(plan)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, v := range members {
		if !v.IsFullyKnown() || !r.sent(name) || r.apart(plan, name) {
			continue
		}
		if out[name], err = encode(v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// sent tells whether an attribute goes to the cloud with the plan.
func (r *object) sent(name string) bool {
	a := r.kind.schema.Attributes[name]
	written := a.IsRequired() || a.IsOptional()
	return written && !a.IsWriteOnly() && !slices.Contains(r.kind.local, name)
}

// apart tells whether an attribute is that of a resource of its own.
func (r *object) apart(v tftypes.Value, name string) bool {
	return slices.Contains(r.kind.separate, name) && stringAt(v, "parts") == separateParts
}

// addWriteOnly adds the write-only attributes, which stand in the configuration alone.
func (r *object) addWriteOnly(attributes map[string]any, config tftypes.Value) error {
	members, err := membersOf(config)
	if err != nil {
		return err
	}
	for name, remote := range r.kind.writeOnly {
		if attributes[remote], err = encode(members[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// addRotated adds the write-only attributes if one of their versions changed.
func (r *object) addRotated(attributes map[string]any, config, state, plan tftypes.Value) error {
	before, err := membersOf(state)
	if err != nil {
		return err
	}
	after, err := membersOf(plan)
	if err != nil {
		return err
	}
	for name := range r.kind.writeOnly {
		if !before[name+"_version"].Equal(after[name+"_version"]) {
			return r.addWriteOnly(attributes, config)
		}
	}
	return nil
}

func membersOf(v tftypes.Value) (map[string]tftypes.Value, error) {
	var members map[string]tftypes.Value
	err := v.As(&members)
	return members, err
}

// stringAt returns a string attribute, or "" where there is none.
func stringAt(v tftypes.Value, name string) string {
	members, err := membersOf(v)
	if err != nil {
		return ""
	}
	var s string
	if m, ok := members[name]; !ok || !m.IsKnown() || m.IsNull() || m.As(&s) != nil {
		return ""
	}
	return s
}

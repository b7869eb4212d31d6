package terraform

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// owned are the declared resources of a type by their identities.
func (v *visit) owned(t string) map[string][]*record {
	owned := map[string][]*record{}
	for _, r := range v.records(t) {
		if key := cmp.Or(r.key, r.likely); key != "" {
			owned[key] = append(owned[key], r)
		}
	}
	return owned
}

func (v *visit) records(t string) []*record {
	return v.listing.estate.records[kindOf(v.config.Provider, t)]
}

// recognize brings the recorded identities of a type to the provider's present schema of it.
func (v *visit) recognize(ctx context.Context, t string, k *listKind) *provider.Failure {
	ctx, cancel := v.timed(ctx)
	defer cancel()
	v.listing.recognizing.Lock()
	defer v.listing.recognizing.Unlock()
	for _, r := range v.records(t) {
		switch {
		case k.identity == cty.NilType || r.key != "":
			continue
		case r.instance.Identity == nil:
			r.likely = likelyKey(r.instance.Attributes, k.identity)
			continue
		}
		if r.instance.IdentityVersion == k.version {
			if identity, err := value.Decode(nil, r.instance.Identity, k.identity); err == nil {
				r.key = identityKey(identity)
				continue
			}
		}
		raw, f := v.session.process.UpgradeIdentity(ctx, t, r.instance.IdentityVersion, r.instance.Identity)
		if f != nil && f.Lost {
			v.session.lost()
			return f
		}
		if f == nil {
			r.key = decodeKey(raw.GetIdentityData(), k)
		}
	}
	return nil
}

// identityKey is an identity as text, to be compared: the same for the same values. It is empty for one that says nothing.
func identityKey(v cty.Value) string {
	if v.IsNull() || !v.IsWhollyKnown() {
		return ""
	}
	empty := true
	for _, field := range v.AsValueMap() {
		empty = empty && field.IsNull()
	}
	if empty || !writable(v) {
		return ""
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return ""
	}
	return string(text)
}

// writable says whether all numbers in a value can be written in full: one such as 1e99999999 would take minutes, and is no identity.
func writable(v cty.Value) bool {
	const most = 1 << 10 // bits
	return cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() != cty.Number || v.IsNull() {
			return true, nil
		}
		if f := v.AsBigFloat(); f.IsInf() || f.MantExp(nil) > most || f.MantExp(nil) < -most {
			return false, errors.New("a number is too large")
		}
		return true, nil
	}) == nil
}

// likelyKey makes up the identity of a resource from its attributes of the same names, if it has all of them. An object that is listed
// under it is that resource; that none is says nothing, since an attribute may mean another thing or have changed.
func likelyKey(attributes json.RawMessage, t cty.Type) string {
	var stored map[string]json.RawMessage
	if json.Unmarshal(attributes, &stored) != nil {
		return ""
	}
	fields := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		raw, ok := stored[name]
		if !ok {
			return ""
		}
		var err error
		if fields[name], err = value.Decode(nil, raw, at); err != nil {
			return ""
		}
	}
	return identityKey(cty.ObjectVal(fields))
}

func decodeKey(d *tfwire.DynamicValue, k *listKind) string {
	if d == nil || k.identity == cty.NilType {
		return ""
	}
	v, err := value.Decode(d.GetMsgpack(), d.GetJson(), k.identity)
	if err != nil {
		return ""
	}
	return identityKey(v)
}

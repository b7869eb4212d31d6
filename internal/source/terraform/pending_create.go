package terraform

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/planfile"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// creations are the observations of what the code wants and the state does not hold. They are made last, when the schemas are known.
func (r *reading) creations() []taffrail.Observation {
	if r.pending == nil {
		return nil
	}
	var all []taffrail.Observation
	for _, c := range r.pending.created {
		i := &state.Instance{Module: c.Module, Type: c.Type, Name: c.Name}
		res := r.resource(i)
		res.Address, res.Provider = taffrail.Address(c.Address), c.Provider
		o := taffrail.Observation{
			Resource: res, Recorded: taffrail.Null(), Live: taffrail.Null(), Action: c.Action, At: r.stack.env.Now().UTC(),
		}
		if v, err := r.convertCreated(c); err == nil {
			o.Desired = v
		}
		if c.Action == taffrail.ActionImport {
			o = withGap(o, taffrail.Gap{Reason: taffrail.ReasonIgnored, Detail: "waits to be imported: the state does not hold it yet"})
		}
		all = append(all, o)
	}
	return all
}

// convertCreated translates what is to be created. Without a schema the plan itself says what is sensitive, that of schemas included.
func (r *reading) convertCreated(c *planfile.Change) (taffrail.Value, error) {
	known, secrets := r.schemaOf(c)
	t := cty.DynamicPseudoType
	if known != nil {
		t = known.Type
	}
	desired, err := planfile.Value(c.After, c.Unknown, t)
	if err != nil {
		return taffrail.Value{}, err
	}
	if known == nil {
		known = &schema.Resource{Type: desired.Type()}
	}
	marks, err := planfile.Marks(c.AfterSensitive)
	if err != nil {
		return taffrail.Value{}, err
	}
	converter := &value.Converter{Resource: known, Marks: marks, Sealer: r.stack.env.Sealer, Known: secrets}
	converter.Learn(desired)
	return converter.Convert(desired)
}

// schemaOf finds the schema of a type in a session that has it, and all secrets that are known.
func (r *reading) schemaOf(c *planfile.Change) (*schema.Resource, *value.Secrets) {
	secrets := r.secrets()
	var found *schema.Resource
	for _, l := range r.lanes {
		if l.session == nil {
			continue
		}
		secrets = value.Join(secrets, l.session.secrets.Load())
		if s := l.session.resources[c.Type].schema; s != nil && l.config.Provider.String() == c.Provider {
			found = s
		}
	}
	return found, secrets
}

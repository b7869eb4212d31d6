package terraform

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc/status"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tap"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// stateTime bounds how long the state is read after a run.
const stateTime = time.Minute

// scopeWithoutState is what expressions depend on, where nothing is to be taken from the state.
func (r *reading) scopeWithoutState() module.Scope {
	s := r.stack
	return module.Scope{Environ: s.host.environ, Workspace: s.target.workspace, Vars: s.config.Vars, VarFiles: s.config.VarFiles}
}

// recorded is what a state says of resources that no provider is told: their addresses, and what is sensitive because the code says so.
type recorded struct{ by map[recordedKey]recordedAs }

type recordedKey struct{ kind, id string }

type recordedAs struct {
	address taffrail.Address // empty where there is more than one
	marks   []value.Mark
}

func readRecorded(ctx context.Context, s *stack) (*recorded, error) {
	state, err := s.keeper.read(ctx)
	if err != nil {
		return nil, err
	}
	r := &recorded{by: map[recordedKey]recordedAs{}}
	for i := range state.Instances {
		instance := &state.Instances[i]
		id := storedID(instance)
		if id == "" {
			continue
		}
		key := recordedKey{instance.Type, id}
		as := recordedAs{taffrail.Address(instance.Address()), instance.Marks}
		if other, double := r.by[key]; double {
			as.marks = append(as.marks, other.marks...)
			if as.address != other.address {
				as.address = ""
			}
		}
		r.by[key] = as
	}
	return r, nil
}

func (r *recorded) find(kind, id string) (recordedAs, bool) {
	if r == nil || id == "" {
		return recordedAs{}, false
	}
	as, ok := r.by[recordedKey{kind, id}]
	return as, ok
}

func (t *tapped) readAfter(ctx context.Context) (*recorded, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	stack, err := t.watcher.open(t.command, t.line, t.dir)
	if err != nil {
		return nil, err
	}
	defer stack.Close()
	return readRecorded(ctx, stack)
}

// An account makes of the messages that passed what is told of them.
type account struct {
	tapped  *tapped
	after   *recorded
	kinds   map[string]*tappedKind       // by provider and type
	schemas map[string]map[string][]byte // by provider
}

// A tappedKind is a resource type of a provider.
type tappedKind struct {
	resource *schema.Resource
	err      error
}

// A change is one ApplyResourceChange, read.
type change struct {
	tapped    taffrail.Tapped
	prior     cty.Value
	next      cty.Value // what came of it
	converter *value.Converter
	message   string // of a failure, with whatever it quotes
	legible   bool   // prior and next could be read
}

// tell reads what was seen. What cannot be read is left out. What is secret in one resource is secret in all of them, so that all are read
// before the first is told.
func (a *account) tell(seen []tap.Seen) []taffrail.Tapped {
	var changes []*change
	known := []*value.Secrets{a.tapped.known}
	for _, s := range seen {
		c, err := a.read(s)
		if err != nil {
			a.tapped.watcher.env.Logger.Warn("what was applied to a resource cannot be read", "error", a.tapped.known.Message(err.Error()))
			continue
		}
		if c.converter != nil {
			known = append(known, c.converter.Secrets())
		}
		changes = append(changes, c)
	}
	all := value.Join(known...)
	told := []taffrail.Tapped{}
	for _, c := range changes {
		told = append(told, c.tell(all))
	}
	return told
}

// read reads the messages of one change. A provider's bytes must not end the program.
func (a *account) read(s tap.Seen) (c *change, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal: %v", r)
		}
	}()
	in, out, err := s.Decode()
	if err != nil {
		return nil, err
	}
	c = &change{tapped: taffrail.Tapped{
		Type: taffrail.ResourceType(in.GetTypeName()), Started: s.Started.UTC(), Finished: s.Finished.UTC(),
		Action: actionOf(in), Before: taffrail.Unknown(), After: taffrail.Unknown(),
	}, message: failureOf(s, out)}
	k := a.kind(s.Provider, in.GetTypeName(), out.GetLegacyTypeSystem())
	if k.err != nil {
		a.tapped.watcher.env.Logger.Warn("the schema of a resource type cannot be read", "type", in.GetTypeName(), "error", k.err)
		c.tapped.Withheld = true
		return c, nil
	}
	c.converter = &value.Converter{Resource: k.resource, Sealer: a.tapped.watcher.env.Sealer}
	c.prior, err = decode(in.GetPriorState(), k.resource.Type)
	if err == nil {
		c.next, err = decode(cmp.Or(out.GetNewState(), in.GetPriorState()), k.resource.Type)
	}
	if err != nil {
		c.tapped.Withheld = true
		return c, nil //nolint:nilerr // that it was changed is known, and is told
	}
	c.legible = true
	a.identify(c)
	c.converter.Learn(c.prior)
	c.converter.Learn(c.next)
	return c, nil
}

func decode(v *tfwire.DynamicValue, t cty.Type) (cty.Value, error) {
	return value.Decode(v.GetMsgpack(), v.GetJson(), t)
}

// identify says which resource it is, and what of it the code calls sensitive. Where the state does not tell, values are not told either.
func (a *account) identify(c *change) {
	before, after := c.idOf(c.prior), c.idOf(c.next)
	kind := string(c.tapped.Type)
	c.tapped.ID = taffrail.ResourceID(cmp.Or(after, before))
	was, wasThere := a.tapped.before.find(kind, before)
	is, isThere := a.after.find(kind, after)
	c.tapped.Address = cmp.Or(is.address, was.address)
	c.converter.Marks = append(append([]value.Mark{}, was.marks...), is.marks...)
	if c.converter.Marked("id") {
		c.tapped.ID = ""
	}
	// A mark of the code is new with the value that it is put on, and stands in the state that was written after it.
	c.tapped.Withheld = !isThere && (c.tapped.Action != taffrail.ActionDelete || !wasThere)
}

// idOf takes the attribute "id", if it is a text and no secret.
func (c *change) idOf(v cty.Value) string {
	if v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute("id") || c.converter.Resource.Root.Field("id") != nil {
		return ""
	}
	id := v.GetAttr("id")
	if id.IsNull() || !id.IsKnown() || id.Type() != cty.String {
		return ""
	}
	return id.AsString()
}

// tell gives the change without secrets.
func (c *change) tell(known *value.Secrets) taffrail.Tapped {
	t := c.tapped
	t.Error = known.Message(c.message)
	if known.In(string(t.ID)) {
		t.ID = ""
	}
	if !c.legible {
		return t
	}
	c.converter.Known = known
	before, err := c.converter.Convert(c.prior)
	if err != nil {
		t.Withheld = true
		return t
	}
	after, err := c.converter.Convert(c.next)
	if err != nil {
		t.Withheld = true
		return t
	}
	t.Before, t.After, t.Handling = before, after, c.converter.Resource.Handling
	return t
}

// actionOf says what was to be done. A side that is null is one byte, in each of the two forms.
func actionOf(in *tfwire.ApplyResourceChange_Request) taffrail.Action {
	switch {
	case isNull(in.GetPriorState()):
		return taffrail.ActionCreate
	case isNull(in.GetPlannedState()):
		return taffrail.ActionDelete
	}
	return taffrail.ActionUpdate
}

func isNull(v *tfwire.DynamicValue) bool {
	packed, plain := v.GetMsgpack(), v.GetJson()
	return len(packed) == 0 && (len(plain) == 0 || string(plain) == "null") || len(packed) == 1 && packed[0] == packedNil
}

// failureOf says why a change failed; empty if it did not.
func failureOf(s tap.Seen, out *tfwire.ApplyResourceChange_Response) string {
	if s.Err != nil {
		return cmp.Or(status.Convert(s.Err).Message(), "the provider gave no answer")
	}
	for _, d := range out.GetDiagnostics() {
		if d.GetSeverity() == tfwire.Diagnostic_ERROR {
			text := d.GetSummary()
			if d.GetDetail() != "" {
				text += ": " + d.GetDetail()
			}
			return cmp.Or(text, "the provider gave an error without a text")
		}
	}
	return ""
}

// kind compiles the schema of a type, as the provider gave it to the tool.
func (a *account) kind(name, resourceType string, legacy bool) *tappedKind {
	key := name + " " + resourceType
	if k := a.kinds[key]; k != nil {
		return k
	}
	k := &tappedKind{}
	k.resource, k.err = a.compile(name, resourceType, legacy)
	a.kinds[key] = k
	return k
}

func (a *account) compile(name, resourceType string, legacy bool) (*schema.Resource, error) {
	protocol, answer := a.tapped.tap.Schema(name)
	if a.schemas[name] == nil {
		found, err := tap.Schemas(answer)
		if err != nil {
			return nil, err
		}
		a.schemas[name] = found
	}
	raw, ok := a.schemas[name][resourceType]
	if !ok {
		return nil, fmt.Errorf("the provider gave no schema of %q", resourceType)
	}
	s, err := tap.ParseSchema(raw)
	if err != nil {
		return nil, err
	}
	if protocol == 5 {
		provider.RepairSchema(s)
	}
	return schema.Compile(s, legacy)
}

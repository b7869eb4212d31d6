package legacy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// A kind is how objects of one type of the cloud travel: T is the Go struct whose
// JSON the cloud keeps.
type kind[T any] struct {
	name string // the cloud's: "firewall"
	// expand makes the cloud's object of a plan.
	expand func(d *schema.ResourceData) T
	// flatten puts the cloud's object into the state.
	flatten func(d *schema.ResourceData, o api.Object, content T) error
	// afterCreate and afterUpdate settle the state after a write. Where they are
	// nil, the cloud's answer is flattened.
	afterCreate func(d *schema.ResourceData, o api.Object, content T) error
	afterUpdate func(d *schema.ResourceData, o api.Object, content T) error
	// check refuses to read, if it is not nil and has a reason.
	check func(d *schema.ResourceData) error
}

func (k kind[T]) create(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	attributes, err := encode(k.expand(d))
	if err != nil {
		return k.trouble("create", "", err)
	}
	for name, v := range attributes {
		if v == nil {
			delete(attributes, name)
		}
	}
	o, err := meta.(*connection).client.Create(ctx, k.name, attributes)
	if err != nil {
		return k.trouble("create", "", err)
	}
	d.SetId(o.ID)
	return k.settle(d, o, k.afterCreate)
}

func (k kind[T]) read(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	conn := meta.(*connection)
	if k.check != nil {
		if err := k.check(d); err != nil {
			return k.trouble("read", d.Id(), err)
		}
	}
	o, effect, err := conn.client.Get(ctx, k.name, d.Id())
	if effect == api.Crash {
		conn.die(fmt.Sprintf("harborlegacy: crash on request while reading %s%s %s", prefix, k.name, d.Id()))
	}
	switch {
	case client.NotFound(err):
		d.SetId("")
		return nil
	case err != nil:
		return k.trouble("read", d.Id(), err)
	}
	return k.settle(d, o, nil)
}

func (k kind[T]) update(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	attributes, err := encode(k.expand(d))
	if err != nil {
		return k.trouble("update", d.Id(), err)
	}
	o, err := meta.(*connection).client.Patch(ctx, k.name, d.Id(), attributes, "")
	if err != nil {
		d.Partial(true) // the state keeps what the cloud still has
		return k.trouble("update", d.Id(), err)
	}
	return k.settle(d, o, k.afterUpdate)
}

func (k kind[T]) delete(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	err := meta.(*connection).client.Delete(ctx, k.name, d.Id())
	if err != nil && !client.NotFound(err) {
		return k.trouble("delete", d.Id(), err)
	}
	return nil
}

// settle makes the state of what the cloud answered.
func (k kind[T]) settle(d *schema.ResourceData, o api.Object, by func(*schema.ResourceData, api.Object, T) error) diag.Diagnostics {
	content, err := decode[T](o.Attributes)
	if err != nil {
		return k.trouble("understand", o.ID, err)
	}
	if by == nil {
		by = k.flatten
	}
	if err := by(d, o, content); err != nil {
		return k.trouble("remember", o.ID, err)
	}
	return nil
}

// trouble is the diagnostic for an operation that did not work. It names the type,
// the id and the HTTP status, where there was one.
func (k kind[T]) trouble(verb, id string, err error) diag.Diagnostics {
	what := fmt.Sprintf("Cannot %s %s%s %s", verb, prefix, k.name, id)
	var refused *client.Error
	if errors.As(err, &refused) {
		return diag.Diagnostics{{Severity: diag.Error, Summary: fmt.Sprintf("%s: HTTP %d", what, refused.Status), Detail: refused.Code + ": " + refused.Message}}
	}
	return diag.Diagnostics{{Severity: diag.Error, Summary: what, Detail: err.Error()}}
}

// encode turns a struct into the cloud's attributes.
func encode(content any) (map[string]any, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var out map[string]any
	err = api.Decode(bytes.NewReader(text), &out)
	return out, err
}

// decode is the inverse of encode. What T does not know is left out: a person at
// the console may add anything.
func decode[T any](attributes map[string]any) (T, error) {
	var content T
	text, err := json.Marshal(attributes)
	if err == nil {
		err = json.Unmarshal(text, &content)
	}
	return content, err
}

// setAll sets attributes of the state, and stops at the first that does not fit.
func setAll(d *schema.ResourceData, values map[string]any) error {
	for name, v := range values {
		if err := d.Set(name, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// get reads an attribute as the Go type that the SDK has for it.
func get[T any](d *schema.ResourceData, name string) T {
	v, _ := d.Get(name).(T)
	return v
}

// texts turns the SDK's list into strings. An element that code leaves null is "".
func texts(list []any) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i], _ = e.(string)
	}
	return out
}

// blocks turns the SDK's list of blocks into structs. The SDK has nil for a block
// with nothing in it.
func blocks[T any](list []any, expand func(map[string]any) T) []T {
	out := make([]T, len(list))
	for i, e := range list {
		b, _ := e.(map[string]any)
		if b == nil {
			b = map[string]any{}
		}
		out[i] = expand(b)
	}
	return out
}

// flat turns structs into the SDK's list of blocks.
func flat[T any](list []T, flatten func(T) map[string]any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = flatten(e)
	}
	return out
}

// in reads a field of a block as the Go type that the SDK has for it.
func in[T any](block map[string]any, name string) T {
	v, _ := block[name].(T)
	return v
}

// setIn reads a set in a block.
func setIn(block map[string]any, name string) []any {
	if s, ok := block[name].(*schema.Set); ok {
		return s.List()
	}
	return nil
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// A part is a piece of an object of the cloud that is a resource of its own, with
// calls of its own: a bucket's policy, an attachment of a role.
type part struct {
	name      string // harbor_NAME in Terraform
	parent    string // type of the object, whose id is the attribute PARENT_id
	attribute string // of the object, which holds the part
	put, drop string // actions
	// dropped is what drop is given; nil is nothing.
	dropped func(key string) any
	form    form
	// key is the attribute that tells members of the object's attribute apart.
	key string
	// value are the attributes that make the part, beside the key.
	value map[string]schema.Attribute
}

// A form says how the object's attribute holds the part.
type form uint8

const (
	whole   form = iota // the attribute is the part's one value
	fields              // the attribute is an object of the part's values
	element             // the key is an element of a set
	entry               // the key leads to the part's one value in a map
)

func parts() []part {
	text := func(what string) map[string]schema.Attribute {
		return map[string]schema.Attribute{"policy": schema.StringAttribute{Required: true, Description: what}}
	}
	flags := map[string]schema.Attribute{}
	for _, name := range []string{"block_acls", "block_policy", "ignore_acls", "restrict_buckets"} {
		flags[name] = schema.BoolAttribute{Optional: true}
	}
	return []part{
		{name: "bucket_policy", parent: "bucket", attribute: "policy", put: "PutBucketPolicy", drop: "DeleteBucketPolicy", value: text("JSON text.")},
		{name: "bucket_versioning", parent: "bucket", attribute: "versioning", put: "PutBucketVersioning", drop: "PutBucketVersioning", dropped: func(string) any { return false },
			value: map[string]schema.Attribute{"enabled": schema.BoolAttribute{Required: true}}},
		{name: "bucket_encryption", parent: "bucket", attribute: "encryption", put: "PutBucketEncryption", drop: "DeleteBucketEncryption", form: fields,
			value: map[string]schema.Attribute{"algorithm": schema.StringAttribute{Required: true}, "key_id": schema.StringAttribute{Optional: true}}},
		{name: "bucket_public_access", parent: "bucket", attribute: "public_access", put: "PutPublicAccessBlock", drop: "DeletePublicAccessBlock", form: fields, value: flags},
		{name: "role_policy_attachment", parent: "role", attribute: "attached_policies", put: "AttachRolePolicy", drop: "DetachRolePolicy", form: element, key: "policy",
			dropped: func(key string) any { return []any{key} }},
		{name: "role_policy", parent: "role", attribute: "inline_policies", put: "PutRolePolicy", drop: "DeleteRolePolicy", form: entry, key: "name", value: text("JSON text."),
			dropped: func(key string) any { return map[string]any{key: nil} }},
	}
}

func (p part) parentID() string { return p.parent + "_id" }

func (p part) schema() schema.Schema {
	fixed := func(what string) schema.Attribute {
		return schema.StringAttribute{Required: true, Description: what, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}}
	}
	attributes := map[string]schema.Attribute{"id": idAttribute(), p.parentID(): fixed("Id of the " + p.parent + ".")}
	maps.Copy(attributes, p.value)
	if p.key != "" {
		attributes[p.key] = fixed("What it is called there.")
	}
	return schema.Schema{Description: "A part of a " + p.parent + ".", Attributes: attributes}
}

// id is that of the object, and the key behind it.
func (p part) id(parent, key string) string {
	if p.key == "" {
		return parent
	}
	return parent + "/" + key
}

// given is what put is given for a plan.
func (p part) given(plan tftypes.Value) (any, error) {
	members, err := membersOf(plan)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for name := range p.value {
		v, err := encode(members[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if v != nil {
			values[name] = v
		}
	}
	key := stringAt(plan, p.key)
	switch p.form {
	case fields:
		return values, nil
	case element:
		return []any{key}, nil
	case entry:
		return map[string]any{key: p.only(values)}, nil
	}
	return p.only(values), nil
}

// only is the one value of a part that has one.
func (p part) only(values map[string]any) any {
	for name := range p.value {
		return values[name]
	}
	return nil
}

// found gives the part's values as the object has them.
func (p part) found(o api.Object, key string) (values map[string]any, ok bool) {
	held := o.Attributes[p.attribute]
	switch p.form {
	case fields:
		values, ok = held.(map[string]any)
		return values, ok
	case element:
		list, _ := held.([]any)
		return nil, slices.Contains(list, any(key))
	case entry:
		entries, _ := held.(map[string]any)
		held = entries[key]
	}
	for name := range p.value {
		values = map[string]any{name: held}
	}
	return values, held != nil
}

// partResource implements the resource type of a part.
type partResource struct {
	part part
	conn *connection
}

var (
	_ resource.ResourceWithConfigure   = (*partResource)(nil)
	_ resource.ResourceWithImportState = (*partResource)(nil)
)

func (r *partResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.part.name
}

func (r *partResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = r.part.schema()
}

func (r *partResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if conn, ok := req.ProviderData.(*connection); ok {
		r.conn = conn
	}
}

// ImportState takes the id of the object, and the key behind it where there is one.
func (r *partResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	parent, key, keyed := strings.Cut(req.ID, "/")
	if keyed != (r.part.key != "") {
		resp.Diagnostics.AddError("Cannot import harbor_"+r.part.name, "The id is that of the "+r.part.parent+", and behind a / what the part is called there, where it has a name.")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), req.ID)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(r.part.parentID()), parent)...)
	if keyed {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(r.part.key), key)...)
	}
}

func (r *partResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	resp.Diagnostics.Append(r.write(ctx, "create", req.Plan.Raw, &resp.State)...)
}

func (r *partResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.Diagnostics.Append(r.write(ctx, "update", req.Plan.Raw, &resp.State)...)
}

func (r *partResource) write(ctx context.Context, verb string, plan tftypes.Value, state *tfsdk.State) diag.Diagnostics {
	parent := stringAt(plan, r.part.parentID())
	if r.conn == nil {
		return r.trouble(verb, parent, errors.New("the provider is not configured"))
	}
	given, err := r.part.given(plan)
	if err != nil {
		return r.trouble(verb, parent, err)
	}
	o, err := r.conn.client.Act(ctx, r.part.parent, []string{parent}, r.part.put, map[string]any{r.part.attribute: given}, "")
	if err != nil {
		return r.trouble(verb, parent, err)
	}
	return r.settle(ctx, o, plan, state)
}

func (r *partResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	parent := stringAt(req.State.Raw, r.part.parentID())
	if r.conn == nil {
		resp.Diagnostics.Append(r.trouble("read", parent, errors.New("the provider is not configured"))...)
		return
	}
	o, effect, err := r.conn.client.Get(ctx, r.part.parent, parent)
	if effect == api.Crash {
		r.conn.die(fmt.Sprintf("harbor: crash on request while reading harbor_%s %s", r.part.name, parent))
	}
	switch {
	case client.NotFound(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.Append(r.trouble("read", parent, err)...)
	default:
		resp.Diagnostics.Append(r.settle(ctx, o, req.State.Raw, &resp.State)...)
	}
}

// settle makes the state from the object, or removes the resource where the
// object has no such part: the cloud was asked and has answered.
func (r *partResource) settle(ctx context.Context, o api.Object, prior tftypes.Value, state *tfsdk.State) diag.Diagnostics {
	key := stringAt(prior, r.part.key)
	values, ok := r.part.found(o, key)
	if !ok {
		state.RemoveResource(ctx)
		return nil
	}
	t, isObject := r.part.schema().Type().TerraformType(ctx).(tftypes.Object)
	if !isObject {
		return r.trouble("understand", o.ID, errors.New("the schema is no object"))
	}
	out := map[string]tftypes.Value{}
	for name, at := range t.AttributeTypes {
		var v any
		switch name {
		case "id":
			v = r.part.id(o.ID, key)
		case r.part.parentID():
			v = o.ID
		case r.part.key:
			v = key
		default:
			v = values[name]
		}
		var err error
		if out[name], err = decode(v, at, name); err != nil {
			return r.trouble("understand", o.ID, err)
		}
	}
	state.Raw = tftypes.NewValue(t, out)
	return nil
}

func (r *partResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	parent := stringAt(req.State.Raw, r.part.parentID())
	if r.conn == nil {
		resp.Diagnostics.Append(r.trouble("delete", parent, errors.New("the provider is not configured"))...)
		return
	}
	given := map[string]any{}
	if r.part.dropped != nil {
		given[r.part.attribute] = r.part.dropped(stringAt(req.State.Raw, r.part.key))
	}
	_, err := r.conn.client.Act(ctx, r.part.parent, []string{parent}, r.part.drop, given, "")
	if err != nil && !client.NotFound(err) {
		resp.Diagnostics.Append(r.trouble("delete", parent, err)...)
	}
}

func (r *partResource) trouble(verb, id string, err error) diag.Diagnostics {
	o := object{kind: resourceKind{name: r.part.name}}
	return diag.Diagnostics{o.trouble(verb, id, err)}
}

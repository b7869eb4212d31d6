package provider

import (
	"context"
	"iter"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	listschema "github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// maxPage is how many objects the provider asks the cloud for at once: few, so
// that a list of some size takes several pages.
const maxPage = 25

// ListResourceConfigSchema has an attribute for each of which the kind says that a
// list needs it.
func (r *object) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	attributes := map[string]listschema.Attribute{}
	for _, name := range r.kind.listedBy {
		attributes[name] = listschema.StringAttribute{Required: true, Description: "Only objects whose " + name + " is this."}
	}
	resp.Schema = listschema.Schema{Description: "Objects of the cloud, in the order of their ids.", Attributes: attributes}
}

// List streams the objects of the type, page by page, up to the limit. An error
// ends the stream: what came before it is true, and not all that there is.
func (r *object) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var diags diag.Diagnostics
	if !r.ready("list", &diags) {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	wanted := map[string]string{}
	for _, name := range r.kind.listedBy {
		var v types.String
		diags.Append(req.Config.GetAttribute(ctx, path.Root(name), &v)...)
		wanted[name] = v.ValueString()
	}
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	stream.Results = r.results(ctx, req, wanted)
}

func (r *object) results(ctx context.Context, req list.ListRequest, wanted map[string]string) iter.Seq[list.ListResult] {
	return func(push func(list.ListResult) bool) {
		pushed := int64(0)
		for page, err := range r.conn.client.Pages(ctx, r.kind.name, maxPage) {
			if err != nil {
				push(list.ListResult{Diagnostics: diag.Diagnostics{r.trouble("list", "", err)}})
				return
			}
			for _, o := range page {
				if !matches(o, wanted) {
					continue
				}
				if req.Limit > 0 && pushed == req.Limit || !push(r.result(ctx, req, o)) {
					return
				}
				pushed++
			}
		}
	}
}

func matches(o api.Object, wanted map[string]string) bool {
	for name, want := range wanted {
		if have, _ := o.Attributes[name].(string); have != want {
			return false
		}
	}
	return true
}

func (r *object) result(ctx context.Context, req list.ListRequest, o api.Object) list.ListResult {
	result := req.NewListResult(ctx)
	result.DisplayName = o.Name()
	t := r.kind.schema.Type().TerraformType(ctx)
	state, err := r.stateOf(ctx, o, nothing(t))
	if err != nil {
		result.Diagnostics.Append(r.trouble("understand", o.ID, err))
		return result
	}
	result.Diagnostics.Append(r.identify(ctx, state, result.Identity)...)
	if req.IncludeResource {
		result.Resource.Raw = state
	}
	return result
}

// nothing is an object of the type with null in each attribute: what is known of
// an object that no state holds.
func nothing(t tftypes.Type) tftypes.Value {
	members := map[string]tftypes.Value{}
	if t, ok := t.(tftypes.Object); ok {
		for name, at := range t.AttributeTypes {
			members[name] = tftypes.NewValue(at, nil)
		}
	}
	return tftypes.NewValue(t, members)
}

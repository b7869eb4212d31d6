package legacy

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-mux/tf5to6server"
	"github.com/hashicorp/terraform-plugin-mux/tf6muxserver"
)

// NewMixed makes a factory of the provider's mixed form, in the midst of its move
// from one SDK to the other: the types of [New], translated to protocol 6, and
// "harborlegacy_alias", which is made with terraform-plugin-framework.
func NewMixed(ctx context.Context) (func() tfprotov6.ProviderServer, error) {
	upgraded, err := tf5to6server.UpgradeServer(ctx, New().GRPCProvider)
	if err != nil {
		return nil, fmt.Errorf("translate the provider to protocol 6: %w", err)
	}
	mux, err := tf6muxserver.NewMuxServer(ctx,
		func() tfprotov6.ProviderServer { return upgraded },
		providerserver.NewProtocol6(&newHalf{}),
	)
	if err != nil {
		return nil, fmt.Errorf("join the two halves: %w", err)
	}
	return mux.ProviderServer, nil
}

// newHalf is the half that is made with terraform-plugin-framework.
type newHalf struct{}

type newHalfConfig struct {
	URL            types.String `tfsdk:"url"`
	Token          types.String `tfsdk:"token"`
	RequestTimeout types.Int64  `tfsdk:"request_timeout"`
}

func (*newHalf) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "harborlegacy"
}

func (*newHalf) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"url":             schema.StringAttribute{Optional: true, Description: aboutURL},
		"token":           schema.StringAttribute{Optional: true, Sensitive: true, Description: aboutToken},
		"request_timeout": schema.Int64Attribute{Optional: true, Description: aboutTimeout},
	}}
}

func (*newHalf) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var cfg newHalfConfig
	resp.Diagnostics.Append(req.Config.Get(ctx, &cfg)...)
	if resp.Diagnostics.HasError() {
		return
	}
	c, err := connect(cfg.URL.ValueString(), cfg.Token.ValueString(), int(cfg.RequestTimeout.ValueInt64()))
	if err != nil {
		resp.Diagnostics.AddError("The provider is not configured", err.Error())
		return
	}
	resp.ResourceData = &connection{client: c, die: die}
}

func (*newHalf) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (*newHalf) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &alias{} }}
}

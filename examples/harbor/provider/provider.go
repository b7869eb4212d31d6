// Package provider is the Terraform provider of the practice cloud, on
// hashicorp/terraform-plugin-framework, protocol 6.
//
// A resource type is a schema and a row of facts ([resourceKind]); one
// implementation serves all types: it walks the schema to turn Terraform's
// values into the cloud's JSON and back. Read removes a resource only on the
// cloud's positive word that it is not there; every other trouble is an error.
package provider

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// Address is the provider's source address.
const Address = "taffrail.example/practice/harbor"

const (
	envURL         = "HARBOR_URL"
	envToken       = "HARBOR_TOKEN"
	envAccessKey   = "HARBOR_ACCESS_KEY"
	defaultTimeout = 120 * time.Second
)

// New returns a factory of the provider, as providerserver wants it.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &harbor{version: version, die: die} }
}

// die ends the process at once, as a provider with a bug does.
func die(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}

type harbor struct {
	version string
	die     func(message string)
}

// connection is what resources get from the provider.
type connection struct {
	client *client.Client
	die    func(message string)
}

type config struct {
	URL            types.String `tfsdk:"url"`
	Token          types.String `tfsdk:"token"`
	AccessKey      types.String `tfsdk:"access_key"`
	RequestTimeout types.Int64  `tfsdk:"request_timeout"`
}

func (p *harbor) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "harbor", p.version
}

func (p *harbor) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		Description: "The practice cloud: a small local server for demonstrations and tests.",
		Attributes: map[string]schema.Attribute{
			"url":             schema.StringAttribute{Optional: true, Description: "Address of the cloud; else " + envURL + "."},
			"token":           schema.StringAttribute{Optional: true, Sensitive: true, Description: "Bearer token; else " + envToken + "."},
			"access_key":      schema.StringAttribute{Optional: true, Sensitive: true, Description: "Credential of the caller, in a cloud that asks for one; else " + envAccessKey + ". Changes are then made by actions, one for each part of an object."},
			"request_timeout": schema.Int64Attribute{Optional: true, Description: "Seconds to wait for each answer, 120 by default; 0 waits for ever."},
		},
	}
}

func (p *harbor) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var cfg config
	resp.Diagnostics.Append(req.Config.Get(ctx, &cfg)...)
	resp.Diagnostics.Append(checkKnown(cfg)...)
	if resp.Diagnostics.HasError() {
		return
	}
	address := orEnv(cfg.URL, envURL)
	if address == "" {
		resp.Diagnostics.AddAttributeError(path.Root("url"), "The address of the practice cloud is missing",
			"Set url in the provider block, or the environment variable "+envURL+". `harbor serve` starts a cloud and prints its address.")
		return
	}
	timeout := defaultTimeout
	if !cfg.RequestTimeout.IsNull() {
		timeout = time.Duration(cfg.RequestTimeout.ValueInt64()) * time.Second
	}
	c, err := client.New(address, client.Options{Token: orEnv(cfg.Token, envToken), AccessKey: orEnv(cfg.AccessKey, envAccessKey), UserAgent: p.userAgent(req.TerraformVersion), Timeout: timeout})
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("url"), "The address of the practice cloud is no URL", err.Error())
		return
	}
	conn := &connection{client: c, die: p.die}
	resp.ResourceData, resp.ListResourceData = conn, conn
}

// userAgent says which program calls, and what it was told to add.
func (p *harbor) userAgent(program string) string {
	return strings.TrimSpace(fmt.Sprintf("Terraform/%s terraform-provider-harbor/%s %s", program, p.version, os.Getenv("TF_APPEND_USER_AGENT")))
}

// checkKnown refuses a configuration that cannot be used yet.
func checkKnown(cfg config) diag.Diagnostics {
	var out diag.Diagnostics
	unknown := func(name string) {
		out.AddAttributeError(path.Root(name), "The provider's "+name+" is not known yet",
			"It depends on something that is not applied. Give it a value that is known before the plan, or set it by environment ("+envURL+", "+envToken+").")
	}
	if cfg.URL.IsUnknown() {
		unknown("url")
	}
	if cfg.Token.IsUnknown() {
		unknown("token")
	}
	if cfg.AccessKey.IsUnknown() {
		unknown("access_key")
	}
	if cfg.RequestTimeout.IsUnknown() {
		unknown("request_timeout")
	}
	if cfg.RequestTimeout.ValueInt64() < 0 {
		out.AddAttributeError(path.Root("request_timeout"), "The provider's request_timeout is negative", "Give seconds, or 0 to wait for ever.")
	}
	return out
}

func orEnv(v types.String, name string) string {
	if v.IsNull() {
		return os.Getenv(name)
	}
	return v.ValueString()
}

func (p *harbor) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (p *harbor) Resources(context.Context) []func() resource.Resource {
	var out []func() resource.Resource
	for _, k := range resourceKinds() {
		out = append(out, func() resource.Resource { return &object{kind: k} })
	}
	for _, p := range parts() {
		out = append(out, func() resource.Resource { return &partResource{part: p} })
	}
	return out
}

// ListResources are the types whose objects can be listed: not all, as it is with
// most providers.
func (p *harbor) ListResources(context.Context) []func() list.ListResource {
	var out []func() list.ListResource
	for _, k := range resourceKinds() {
		if !k.unlisted {
			out = append(out, func() list.ListResource { return &object{kind: k} })
		}
	}
	return out
}

package testprovider

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Lists say which types can be listed, and what their lists show. Without a file of them the provider lists nothing.
type Lists map[string]List

// A List is what the list of a type shows.
type List struct {
	Entries []Entry `json:"entries"`
	// Fault is how to misbehave: crash, hang, status (denied), diagnostic:TEXT, throttle (the first time), no-import, endless (the
	// entries again and again), drip:TEXT (an error again and again, with pauses).
	Fault string `json:"fault,omitempty"`
}

// An Entry is one entry of a list.
type Entry struct {
	Key   string `json:"key,omitempty"`   // of its identity, and its id; empty for none
	Error string `json:"error,omitempty"` // the entry is an error instead
}

// Write makes the lists what the file beside the world says.
func (l Lists) Write(world string) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.WriteFile(world+".lists.new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(world+".lists.new", world+".lists")
}

func (s *server) lists() Lists {
	data, err := os.ReadFile(s.world + ".lists")
	if err != nil {
		return nil
	}
	var l Lists
	if err := json.Unmarshal(data, &l); err != nil {
		panic(err)
	}
	return l
}

// listConfig is the schema of the configuration of each list.
var listConfig = &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{
	Attributes: []*tfprotov6.SchemaAttribute{attr("region", tftypes.String), attr("most", tftypes.Number)},
	BlockTypes: []*tfprotov6.SchemaNestedBlock{
		block("filter", tfprotov6.SchemaNestedBlockNestingModeList, attr("values", tftypes.List{ElementType: tftypes.String})),
	},
}}

func (s *server) listSchemas() map[string]*tfprotov6.Schema {
	out := map[string]*tfprotov6.Schema{}
	for t := range s.lists() {
		out[t] = listConfig
	}
	return out
}

// GetMetadata says in short what there is.
func (s *server) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	s.log("metadata")
	out := &tfprotov6.GetMetadataResponse{}
	for t := range resources {
		out.Resources = append(out.Resources, tfprotov6.ResourceMetadata{TypeName: t})
	}
	for t := range s.lists() {
		out.ListResources = append(out.ListResources, tfprotov6.ListResourceMetadata{TypeName: t})
	}
	return out, nil
}

// GetResourceIdentitySchemas knows the identity of things alone.
func (s *server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{IdentitySchemas: map[string]*tfprotov6.ResourceIdentitySchema{"odd_thing": identity}}, nil
}

// ValidateListResourceConfig takes every region but "nowhere".
func (s *server) ValidateListResourceConfig(_ context.Context, r *tfprotov6.ValidateListResourceConfigRequest) (*tfprotov6.ValidateListResourceConfigResponse, error) {
	config, err := msgpack.Unmarshal(r.Config.MsgPack, ctyType(listConfig.ValueType()))
	if err != nil {
		return nil, err
	}
	resp := &tfprotov6.ValidateListResourceConfigResponse{}
	if region := config.GetAttr("region"); !region.IsNull() && region.AsString() == "nowhere" {
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure("there is no region nowhere")}
	}
	return resp, nil
}

// ListResource shows what the file of lists says.
func (s *server) ListResource(ctx context.Context, r *tfprotov6.ListResourceRequest) (*tfprotov6.ListResourceServerStream, error) {
	config, err := msgpack.Unmarshal(r.Config.MsgPack, ctyType(listConfig.ValueType()))
	if err != nil {
		return nil, err
	}
	text, err := ctyjson.Marshal(config, config.Type())
	if err != nil {
		return nil, err
	}
	s.log("list %s %s objects=%t", r.TypeName, text, r.IncludeResource)
	l := s.lists()[r.TypeName]
	name, argument, _ := strings.Cut(l.Fault, ":")
	switch name {
	case "crash":
		os.Exit(3)
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "diagnostic", "drip":
		l.Entries = append(l.Entries, Entry{Error: argument})
	case "status":
		return nil, status.Error(codes.PermissionDenied, "as requested")
	case "throttle":
		if s.first("list " + argument) {
			return nil, status.Error(codes.ResourceExhausted, "slow down")
		}
	}
	return &tfprotov6.ListResourceServerStream{Results: func(yield func(tfprotov6.ListResourceResult) bool) {
		for again := true; again; again = name == "endless" || name == "drip" {
			for _, t := range l.Entries {
				if !yield(t.result(r)) {
					return
				}
			}
			if name == "drip" {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}}, nil
}

func (t Entry) result(r *tfprotov6.ListResourceRequest) tfprotov6.ListResourceResult {
	out := tfprotov6.ListResourceResult{DisplayName: "a thing"}
	if t.Error != "" {
		out.Diagnostics = []*tfprotov6.Diagnostic{failure(t.Error)}
		return out
	}
	if t.Key != "" {
		out.Identity = identityOf(t.Key)
	}
	if r.IncludeResource {
		out.Resource = stateOf(r.TypeName, t.Key)
	}
	return out
}

func identityOf(key string) *tfprotov6.ResourceIdentityData {
	v := cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key)})
	packed, err := msgpack.Marshal(v, v.Type())
	if err != nil {
		panic(err)
	}
	return &tfprotov6.ResourceIdentityData{IdentityData: &tfprotov6.DynamicValue{MsgPack: packed}}
}

// stateOf is a resource of which its id and its name are known.
func stateOf(resourceType, id string) *tfprotov6.DynamicValue {
	t := ctyType(resources[resourceType].ValueType())
	stored := map[string]json.RawMessage{"id": json.RawMessage(fmt.Sprintf("%q", id)), "name": json.RawMessage(fmt.Sprintf("%q", "n-"+id))}
	v, err := decodeObject(stored, t)
	if err != nil {
		panic(err)
	}
	packed, err := msgpack.Marshal(v, t)
	if err != nil {
		panic(err)
	}
	return &tfprotov6.DynamicValue{MsgPack: packed}
}

// ImportResourceState takes up whatever it is asked for, unless the type's list says otherwise.
func (s *server) ImportResourceState(_ context.Context, r *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	v, err := msgpack.Unmarshal(r.Identity.IdentityData.MsgPack, ctyType(identity.ValueType()))
	if err != nil {
		return nil, err
	}
	key := v.GetAttr("key").AsString()
	s.log("import %s/%s", r.TypeName, key)
	if s.lists()[r.TypeName].Fault == "no-import" {
		return &tfprotov6.ImportResourceStateResponse{Diagnostics: []*tfprotov6.Diagnostic{failure("nothing can be imported")}}, nil
	}
	return &tfprotov6.ImportResourceStateResponse{ImportedResources: []*tfprotov6.ImportedResource{{
		TypeName: r.TypeName, State: stateOf(r.TypeName, key), Private: []byte("imported"), Identity: r.Identity,
	}}}, nil
}

// Version 5 does not know GetMetadata, as providers did not before version 5.4.

func (s *serverV5) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	return nil, status.Error(codes.Unimplemented, "unknown method GetMetadata")
}

func (s *serverV5) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{IdentitySchemas: map[string]*tfprotov5.ResourceIdentitySchema{"odd_legacy": {
		Version: 1, IdentityAttributes: []*tfprotov5.ResourceIdentitySchemaAttribute{{Name: "key", Type: tftypes.String, RequiredForImport: true}},
	}}}, nil
}

func (s *serverV5) listSchemas() map[string]*tfprotov5.Schema {
	out := map[string]*tfprotov5.Schema{}
	for t, schema := range s.v6.listSchemas() {
		out[t] = schemaV5(schema)
	}
	return out
}

func (s *serverV5) ValidateListResourceConfig(ctx context.Context, r *tfprotov5.ValidateListResourceConfigRequest) (*tfprotov5.ValidateListResourceConfigResponse, error) {
	out, err := s.v6.ValidateListResourceConfig(ctx, &tfprotov6.ValidateListResourceConfigRequest{TypeName: r.TypeName, Config: (*tfprotov6.DynamicValue)(r.Config)})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.ValidateListResourceConfigResponse{Diagnostics: diagnosticsV5(out.Diagnostics)}, nil
}

func (s *serverV5) ListResource(ctx context.Context, r *tfprotov5.ListResourceRequest) (*tfprotov5.ListResourceServerStream, error) {
	out, err := s.v6.ListResource(ctx, &tfprotov6.ListResourceRequest{
		TypeName: r.TypeName, Config: (*tfprotov6.DynamicValue)(r.Config), IncludeResource: r.IncludeResource, Limit: r.Limit,
	})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.ListResourceServerStream{Results: func(yield func(tfprotov5.ListResourceResult) bool) {
		for one := range out.Results {
			if !yield(tfprotov5.ListResourceResult{
				DisplayName: one.DisplayName, Resource: (*tfprotov5.DynamicValue)(one.Resource), Identity: identityV5(one.Identity), Diagnostics: diagnosticsV5(one.Diagnostics),
			}) {
				return
			}
		}
	}}, nil
}

func identityV5(d *tfprotov6.ResourceIdentityData) *tfprotov5.ResourceIdentityData {
	if d == nil {
		return nil
	}
	return &tfprotov5.ResourceIdentityData{IdentityData: (*tfprotov5.DynamicValue)(d.IdentityData)}
}

func (s *serverV5) ImportResourceState(ctx context.Context, r *tfprotov5.ImportResourceStateRequest) (*tfprotov5.ImportResourceStateResponse, error) {
	out, err := s.v6.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{
		TypeName: r.TypeName, Identity: &tfprotov6.ResourceIdentityData{IdentityData: (*tfprotov6.DynamicValue)(r.Identity.IdentityData)},
	})
	if err != nil {
		return nil, err
	}
	resp := &tfprotov5.ImportResourceStateResponse{Diagnostics: diagnosticsV5(out.Diagnostics)}
	for _, i := range out.ImportedResources {
		resp.ImportedResources = append(resp.ImportedResources, &tfprotov5.ImportedResource{
			TypeName: i.TypeName, State: (*tfprotov5.DynamicValue)(i.State), Private: i.Private, Identity: r.Identity,
		})
	}
	return resp, nil
}

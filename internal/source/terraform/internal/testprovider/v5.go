package testprovider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// A serverV5 is the same provider in version 5 of the protocol, with the one type that the old SDK could have made.
type serverV5 struct {
	tfprotov5.ProviderServer
	v6 *server
}

func (s *serverV5) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	s.v6.log("schema")
	return &tfprotov5.GetProviderSchemaResponse{
		Provider: schemaV5(Config), ResourceSchemas: map[string]*tfprotov5.Schema{"odd_legacy": schemaV5(Legacy)},
		ListResourceSchemas: s.listSchemas(),
	}, nil
}

func schemaV5(s *tfprotov6.Schema) *tfprotov5.Schema {
	return &tfprotov5.Schema{Version: s.Version, Block: blockV5(s.Block)}
}

func blockV5(b *tfprotov6.SchemaBlock) *tfprotov5.SchemaBlock {
	out := &tfprotov5.SchemaBlock{}
	for _, a := range b.Attributes {
		out.Attributes = append(out.Attributes, &tfprotov5.SchemaAttribute{
			Name: a.Name, Type: a.Type, Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive,
			WriteOnly: a.WriteOnly, DeprecationMessage: "deprecated since long",
		})
	}
	for _, n := range b.BlockTypes {
		out.BlockTypes = append(out.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: n.TypeName, Nesting: tfprotov5.SchemaNestedBlockNestingMode(n.Nesting), Block: blockV5(n.Block),
		})
	}
	return out
}

func (s *serverV5) PrepareProviderConfig(_ context.Context, r *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *serverV5) ConfigureProvider(ctx context.Context, r *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	out, err := s.v6.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: r.TerraformVersion, Config: (*tfprotov6.DynamicValue)(r.Config),
	})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.ConfigureProviderResponse{Diagnostics: diagnosticsV5(out.Diagnostics)}, nil
}

func (s *serverV5) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	s.v6.log("stop")
	return &tfprotov5.StopProviderResponse{}, nil
}

func (s *serverV5) UpgradeResourceState(ctx context.Context, r *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	out, err := s.v6.UpgradeResourceState(ctx, &tfprotov6.UpgradeResourceStateRequest{
		TypeName: r.TypeName, Version: r.Version, RawState: (*tfprotov6.RawState)(r.RawState),
	})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.UpgradeResourceStateResponse{
		UpgradedState: (*tfprotov5.DynamicValue)(out.UpgradedState), Diagnostics: diagnosticsV5(out.Diagnostics),
	}, nil
}

func (s *serverV5) ReadResource(ctx context.Context, r *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	out, err := s.v6.ReadResource(ctx, &tfprotov6.ReadResourceRequest{
		TypeName: r.TypeName, CurrentState: (*tfprotov6.DynamicValue)(r.CurrentState), Private: r.Private,
	})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.ReadResourceResponse{
		NewState: (*tfprotov5.DynamicValue)(out.NewState), Private: out.Private, Diagnostics: diagnosticsV5(out.Diagnostics),
	}, nil
}

func diagnosticsV5(in []*tfprotov6.Diagnostic) []*tfprotov5.Diagnostic {
	var out []*tfprotov5.Diagnostic
	for _, d := range in {
		out = append(out, &tfprotov5.Diagnostic{Severity: tfprotov5.DiagnosticSeverity(d.Severity), Summary: d.Summary, Detail: d.Detail})
	}
	return out
}

package testprovider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A server implements what a reader calls. All else of the interface is nil, and panics.
type server struct {
	tfprotov6.ProviderServer
	world string

	mu   sync.Mutex
	once map[string]bool
}

func (s *server) log(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.world+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

func (s *server) object(resourceType, id string) Object {
	w := World{}
	data, err := os.ReadFile(s.world)
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil && !os.IsNotExist(err) {
		panic(err)
	}
	return w[resourceType+"/"+id]
}

func (s *server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	s.log("schema")
	return &tfprotov6.GetProviderSchemaResponse{
		Provider: Config, ResourceSchemas: resources, ListResourceSchemas: s.listSchemas(), ProviderMeta: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
	}, nil
}

func (s *server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ConfigureProvider(_ context.Context, r *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	config, err := msgpack.Unmarshal(r.Config.MsgPack, ctyType(Config.ValueType()))
	if err != nil {
		return nil, err
	}
	text, err := ctyjson.Marshal(config, config.Type())
	if err != nil {
		return nil, err
	}
	s.log("configure %s tool=%s", text, r.TerraformVersion)
	resp := &tfprotov6.ConfigureProviderResponse{}
	if token := config.GetAttr("token"); !token.IsNull() && strings.HasPrefix(token.AsString(), "wrong") {
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure("401 Unauthorized: the token " + token.AsString() + " is wrong")}
	}
	return resp, nil
}

func (s *server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	s.log("stop")
	return &tfprotov6.StopProviderResponse{}, nil
}

// UpgradeResourceState knows that the name of a thing was its title before version 2. Attributes that it does not know are
// errors: the tool strips them, and so must we.
func (s *server) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	stored := map[string]json.RawMessage{}
	if err := json.Unmarshal(r.RawState.JSON, &stored); err != nil {
		return nil, err
	}
	var id string
	_ = json.Unmarshal(stored["id"], &id) // an ID that is no text names nothing in the world
	s.log("upgrade %s/%s", r.TypeName, id)
	if id == "no-upgrade" {
		return &tfprotov6.UpgradeResourceStateResponse{Diagnostics: []*tfprotov6.Diagnostic{failure("cannot upgrade " + string(r.RawState.JSON))}}, nil
	}
	if title, ok := stored["title"]; ok && r.Version < 2 {
		stored["name"] = title
		delete(stored, "title")
	}
	t := ctyType(resources[r.TypeName].ValueType())
	maps.Copy(stored, s.object(r.TypeName, id).Upgrade)
	v, err := decodeObject(stored, t)
	if err != nil {
		return &tfprotov6.UpgradeResourceStateResponse{Diagnostics: []*tfprotov6.Diagnostic{failure(err.Error())}}, nil
	}
	packed, err := msgpack.Marshal(v, t)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &tfprotov6.DynamicValue{MsgPack: packed}}, err
}

func decodeObject(stored map[string]json.RawMessage, t cty.Type) (cty.Value, error) {
	values := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		values[name] = cty.NullVal(at)
		if raw, ok := stored[name]; ok {
			v, err := ctyjson.Unmarshal(raw, at)
			if err != nil {
				return cty.NilVal, fmt.Errorf("%s: %w", name, err)
			}
			values[name] = v
		}
		delete(stored, name)
	}
	for name := range stored {
		return cty.NilVal, fmt.Errorf("%s is not in the schema", name)
	}
	return cty.ObjectVal(values), nil
}

func (s *server) UpgradeResourceIdentity(_ context.Context, r *tfprotov6.UpgradeResourceIdentityRequest) (*tfprotov6.UpgradeResourceIdentityResponse, error) {
	t := ctyType(identity.ValueType())
	v, err := ctyjson.Unmarshal(r.RawIdentity.JSON, t)
	if err != nil {
		return nil, err
	}
	packed, err := msgpack.Marshal(v, t)
	return &tfprotov6.UpgradeResourceIdentityResponse{
		UpgradedIdentity: &tfprotov6.ResourceIdentityData{IdentityData: &tfprotov6.DynamicValue{MsgPack: packed}},
	}, err
}

func (s *server) ReadResource(ctx context.Context, r *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	t := ctyType(resources[r.TypeName].ValueType())
	prior, err := msgpack.Unmarshal(r.CurrentState.MsgPack, t)
	if err != nil {
		return nil, err
	}
	id := prior.GetAttr("id").AsString()
	s.log("read %s/%s", r.TypeName, id)
	o := s.object(r.TypeName, id)
	resp := &tfprotov6.ReadResourceResponse{Private: r.Private, NewState: r.CurrentState, NewIdentity: r.CurrentIdentity}
	if o.Without != "" && !o.upgraded(prior, t) {
		return s.misbehave(ctx, o.Without, prior, resp)
	}
	if o.FaultOnce != "" && s.first(r.TypeName+"/"+id) {
		return s.misbehave(ctx, o.FaultOnce, prior, resp)
	}
	if o.Fault != "" {
		return s.misbehave(ctx, o.Fault, prior, resp)
	}
	if problem := o.check(r); problem != "" {
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure(problem)}
		return resp, nil
	}
	if o.Gone || o.GoneOnce && s.first(r.TypeName+"/"+id) {
		resp.NewState = &tfprotov6.DynamicValue{MsgPack: []byte{0xc0}}
		return resp, nil
	}
	resp.NewState.MsgPack, err = o.apply(prior, t)
	return resp, err
}

// check makes sure that the caller gave back what the provider stored beside the state.
func (o Object) check(r *tfprotov6.ReadResourceRequest) string {
	if o.WantPrivate != "" && string(r.Private) != o.WantPrivate {
		return fmt.Sprintf("private is %q", r.Private)
	}
	if o.WantIdentity == "" {
		return ""
	}
	if r.CurrentIdentity == nil {
		return "there is no identity"
	}
	v, err := msgpack.Unmarshal(r.CurrentIdentity.IdentityData.MsgPack, ctyType(identity.ValueType()))
	if err != nil || v.GetAttr("key").AsString() != o.WantIdentity {
		return "the identity is another"
	}
	return ""
}

func (o Object) apply(prior cty.Value, t cty.Type) ([]byte, error) {
	if len(o.Set) == 0 {
		return msgpack.Marshal(prior, t)
	}
	values := prior.AsValueMap()
	for name, raw := range o.Set {
		v, err := ctyjson.Unmarshal(raw, t.AttributeType(name))
		if err != nil {
			return nil, err
		}
		values[name] = v
	}
	return msgpack.Marshal(cty.ObjectVal(values), t)
}

// upgraded says whether a prior state went through the upgrade.
func (o Object) upgraded(prior cty.Value, t cty.Type) bool {
	for name, raw := range o.Upgrade {
		v, err := ctyjson.Unmarshal(raw, t.AttributeType(name))
		if err != nil || !v.RawEquals(prior.GetAttr(name)) {
			return false
		}
	}
	return true
}

func (s *server) first(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once == nil {
		s.once = map[string]bool{}
	}
	seen := s.once[key]
	s.once[key] = true
	return !seen
}

func (s *server) misbehave(ctx context.Context, fault string, prior cty.Value, resp *tfprotov6.ReadResourceResponse) (*tfprotov6.ReadResourceResponse, error) {
	name, argument, _ := strings.Cut(fault, ":")
	switch name {
	case "crash":
		fmt.Fprintln(os.Stderr, "panic: on request")
		os.Exit(3)
	case "hang":
		select {}
	case "slow":
		d, err := time.ParseDuration(argument)
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return resp, nil
	case "diagnostic":
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure(argument)}
	case "leak":
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure("bad password " + prior.GetAttr("password").AsString() + "\nin a request")}
	case "environment":
		s.log("environment %s", strings.Join(os.Environ(), " "))
	case "folder":
		dir, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure(dir)}
	case "warning":
		resp.Diagnostics = []*tfprotov6.Diagnostic{{Severity: tfprotov6.DiagnosticSeverityWarning, Summary: "403 Forbidden, but only a warning"}}
	case "status":
		return nil, status.Error(map[string]codes.Code{
			"unavailable": codes.Unavailable, "denied": codes.PermissionDenied, "exhausted": codes.ResourceExhausted,
		}[argument], "as requested")
	case "garbage":
		resp.NewState = &tfprotov6.DynamicValue{MsgPack: []byte("\x81\xa1")}
	case "silence":
		resp.NewState = &tfprotov6.DynamicValue{}
	case "unknown":
		values := prior.AsValueMap()
		values["name"] = cty.UnknownVal(cty.String)
		packed, err := msgpack.Marshal(cty.ObjectVal(values), prior.Type())
		resp.NewState = &tfprotov6.DynamicValue{MsgPack: packed}
		return resp, err
	case "defer":
		resp.Deferred = &tfprotov6.Deferred{Reason: tfprotov6.DeferredReasonAbsentPrereq}
	}
	return resp, nil
}

func failure(text string) *tfprotov6.Diagnostic {
	return &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: "Read failed", Detail: text}
}

// ctyType is what cty has for a type, by way of JSON, which both write.
func ctyType(t tftypes.Type) cty.Type {
	raw, err := t.MarshalJSON() //nolint:staticcheck // the only way to say it in JSON
	if err != nil {
		panic(err)
	}
	converted, err := ctyjson.UnmarshalType(raw)
	if err != nil {
		panic(err)
	}
	return converted
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

var (
	methodMetadata     = method{"GetMetadata", "GetMetadata"}
	methodIdentities   = method{"GetResourceIdentitySchemas", "GetResourceIdentitySchemas"}
	methodValidateList = method{"ValidateListResourceConfig", "ValidateListResourceConfig"}
	methodList         = method{"ListResource", "ListResource"}
	methodImport       = method{"ImportResourceState", "ImportResourceState"}
)

// Listable is what is needed to list a resource type.
type Listable struct {
	Config   *tfwire.Schema // of the list's own configuration
	Resource *tfwire.Schema
	Identity *tfwire.ResourceIdentitySchema // nil where the provider has none
}

// Listables gives the resource types that can be listed, and the names of all. Lists came with versions 5.10 and 6.10 of the
// protocol: an older provider has none.
func (p *Process) Listables(ctx context.Context) (listable map[string]Listable, types []string, f *Failure) {
	types, none := p.typesWithoutLists(ctx)
	if none {
		return nil, types, nil
	}
	var out tfwire.GetProviderSchema_Response
	if f := p.checked(ctx, "give its schema", methodSchema, &tfwire.GetProviderSchema_Request{}, &out); f != nil {
		return nil, nil, f
	}
	types = nil
	for name := range out.GetResourceSchemas() {
		types = append(types, name)
	}
	if len(out.GetListResourceSchemas()) == 0 {
		return nil, types, nil
	}
	identities, f := p.identities(ctx)
	if f != nil {
		return nil, nil, f
	}
	listable = make(map[string]Listable, len(out.GetListResourceSchemas()))
	for name, config := range out.GetListResourceSchemas() {
		l := Listable{Config: config, Resource: out.GetResourceSchemas()[name], Identity: identities[name]}
		if p.protocol == 5 {
			repairBlock(config.GetBlock())
			repairBlock(l.Resource.GetBlock())
		}
		listable[name] = l
	}
	return listable, types, nil
}

// typesWithoutLists spares the whole schema, which may take tens of megabytes, where the provider says in short that it lists
// nothing. One that does not know the question is asked the long way.
func (p *Process) typesWithoutLists(ctx context.Context) (types []string, none bool) {
	var out tfwire.GetMetadata_Response
	f := p.checked(ctx, "say what it has", methodMetadata, &tfwire.GetMetadata_Request{}, &out)
	if f != nil || len(out.GetListResources()) > 0 {
		return nil, false
	}
	for _, r := range out.GetResources() {
		types = append(types, r.GetTypeName())
	}
	return types, len(types) > 0
}

func (p *Process) identities(ctx context.Context) (map[string]*tfwire.ResourceIdentitySchema, *Failure) {
	var out tfwire.GetResourceIdentitySchemas_Response
	f := p.checked(ctx, "give its identity schemas", methodIdentities, &tfwire.GetResourceIdentitySchemas_Request{}, &out)
	return out.GetIdentitySchemas(), f
}

// A ListRequest asks for the live resources of one type.
type ListRequest struct {
	Type    string
	Config  []byte        // msgpack, of the list's schema
	Objects bool          // give each resource as a whole
	Limit   int64         // at most so many; 0 is no limit. A provider that goes on is not listened to
	Idle    time.Duration // how long the provider may be silent; 0 is for ever
	Total   time.Duration // how long it may talk; 0 is for ever
}

// A Listed is one resource of a list. What the provider did not give is nil.
type Listed struct {
	Identity *tfwire.DynamicValue
	Object   *tfwire.DynamicValue
	Name     string // for people
}

// List has the provider check the configuration, and gives each resource that it lists, one after the other. A failure means that
// there may be more than was given; what was given is true all the same.
func (p *Process) List(ctx context.Context, r ListRequest, each func(Listed)) *Failure {
	config := &tfwire.DynamicValue{Msgpack: r.Config}
	in := &tfwire.ValidateListResourceConfig_Request{TypeName: r.Type, Config: config}
	var valid tfwire.ValidateListResourceConfig_Response
	if f := p.checked(ctx, "accept the list's configuration", methodValidateList, in, &valid); f != nil {
		return unconfigured(f)
	}
	// The provider must not know our deadline: terraform-plugin-go ends a stream whose time is up as if it were complete.
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ctx.Err()) })()
	quiet := func() {}
	if r.Idle > 0 {
		timer := time.AfterFunc(r.Idle, func() { cancel(context.DeadlineExceeded) })
		defer timer.Stop()
		quiet = func() { timer.Reset(r.Idle) }
	}
	if r.Total > 0 {
		timer := time.AfterFunc(r.Total, func() { cancel(errEndless) })
		defer timer.Stop()
	}
	var given int64
	f := p.stream(inner, &tfwire.ListResource_Request{
		TypeName: r.Type, Config: config, IncludeResourceObject: r.Objects, Limit: r.Limit,
	}, func(e *tfwire.ListResource_Event) {
		quiet()
		identity, object := e.GetIdentity().GetIdentityData(), e.GetResourceObject()
		if r.Limit > 0 && given == r.Limit {
			return // it was sent before the provider heard that it is enough
		}
		if identity != nil || object != nil || len(e.GetDiagnostic()) == 0 { // else it is a warning
			each(Listed{Identity: identity, Object: object, Name: e.GetDisplayName()})
			if given++; given == r.Limit {
				cancel(errEnough)
			}
		}
	})
	switch why := context.Cause(inner); {
	case errors.Is(why, errEnough):
		return nil
	case errors.Is(why, errEndless):
		return &Failure{
			Reason: taffrail.ReasonTimeout, Detail: fmt.Sprintf("list the resources: no end after %v", r.Total),
			Hint: "raise the timeout, or look at why the system is slow",
		}
	case why != nil:
		return contextFailure(why, "list the resources")
	}
	return f
}

var (
	errEnough  = errors.New("as many as were asked for")
	errEndless = errors.New("no end in time")
)

// stream gives each event that is no error. An error in one of them is the list's failure, and does not end the stream: a provider may
// go on after it could not look at one resource.
func (p *Process) stream(ctx context.Context, in *tfwire.ListResource_Request, each func(*tfwire.ListResource_Event)) *Failure {
	const op = "list the resources"
	s, err := p.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, p.path(methodList))
	if err == nil {
		err = s.SendMsg(in)
	}
	if err == nil || errors.Is(err, io.EOF) { // the end of a stream that was refused: why is said by what it answers
		err = s.CloseSend()
	}
	if err != nil {
		return p.failure(ctx, op, err)
	}
	var first *Failure
	for {
		var e tfwire.ListResource_Event
		switch err := s.RecvMsg(&e); {
		case errors.Is(err, io.EOF):
			return first
		case err != nil:
			return p.failure(ctx, op, err)
		}
		if f := diagnosticFailure(op, e.GetDiagnostic()); f == nil {
			each(&e)
		} else if first == nil {
			first = f
		}
	}
}

// Find takes up a resource by its identity, as an import would, and reads it. Nothing is imported: what the provider answers is
// kept by nobody. The answer null means that there is no such resource.
func (p *Process) Find(ctx context.Context, resourceType string, identity, meta *tfwire.DynamicValue) (*tfwire.DynamicValue, *Failure) {
	in := &tfwire.ImportResourceState_Request{
		TypeName: resourceType, Identity: &tfwire.ResourceIdentityData{IdentityData: identity}, ClientCapabilities: capabilities(),
	}
	var out tfwire.ImportResourceState_Response
	if f := p.checked(ctx, "take up the resource", methodImport, in, &out); f != nil {
		return nil, f
	}
	for _, i := range out.GetImportedResources() {
		if i.GetTypeName() == resourceType {
			answer, f := p.Read(ctx, Request{
				Type: resourceType, Prior: i.GetState(), Private: i.GetPrivate(), Identity: i.GetIdentity(), Meta: meta,
			})
			return answer.State, f
		}
	}
	return nil, &Failure{Reason: taffrail.ReasonError, Detail: "the provider takes up nothing of this type by its identity"}
}

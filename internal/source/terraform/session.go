package terraform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// maxCrashes is how often a provider may die in one read of the stack. Each resource that kills it costs two.
const maxCrashes = 10

// maxGrowth is by how many bytes a provider may grow before it is started anew. Providers made with terraform-plugin-framework keep
// something of each call until they end (a context, with all that was put into it).
const maxGrowth = 256 << 20

// packedNil is null in msgpack.
const packedNil = 0xc0

// A session keeps one provider process, configured once, from one read of the stack to the next. What it was started with is kept
// beside it: if the lock file or the configuration says something else by then, it is started anew.
//
// Only one goroutine starts and ends the process. While resources are read, the fields do not change.
type session struct {
	stack  *stack
	config addr.ProviderConfig

	limits *limits // of each service; used by one pass at a time

	reading *reading // the present one
	wanted  []string // resource types that it needs
	crashes int
	failed  *provider.Failure // why the session is of no use in this reading

	process       *provider.Process
	locked        install.Locked // what the process was checked against
	memory        int64          // bytes that it had resident when it was ready; 0 where that is not known
	unasked       bool           // it dies when it is asked which SDK a type was made with
	configured    []byte         // what it was configured with
	spec          hcldec.Spec
	meta          *tfwire.DynamicValue // of provider_meta: null, where the provider has such a thing
	resources     map[string]resourceSchema
	configSecrets *value.Secrets                // of the configuration that it was configured with
	secrets       atomic.Pointer[value.Secrets] // of the configuration, variables and the environment: never changed, only replaced

	mu   sync.Mutex
	pack install.Package
}

// A resourceSchema is what is known of a type, or why it is of no use. Neither says that the provider does not have it.
type resourceSchema struct {
	schema *schema.Resource
	err    error
}

// component names the provider for a description of the stack, once it is known.
func (s *session) component() (taffrail.Component, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := taffrail.Component{Name: s.config.Provider.String(), Version: s.pack.Version, Digest: s.pack.Digest}
	return c, s.pack.Executable != ""
}

// renew prepares the session for another reading.
func (s *session) renew(r *reading, types []string) {
	s.reading, s.wanted, s.crashes, s.failed = r, types, 0, nil
	if s.limits == nil {
		s.limits = newLimits(s.stack.config.ServiceConcurrency, s.stack.config.RetryPause)
	}
	s.limits.renew(s.stack.config.ServiceConcurrency)
	s.know()
}

// know puts together what must not be shown of this stack, as far as it is known before any resource is.
func (s *session) know() {
	known := value.Join(s.stack.host.secrets(), s.configSecrets)
	for _, v := range s.reading.tree.SensitiveValues(s.reading.scope()) {
		known.AddAll(v)
	}
	s.secrets.Store(known)
}

// scrub takes what is known by now out of a line that the provider wrote.
func (s *session) scrub(line string) string { return s.secrets.Load().Scrub(line) }

// end ends the process.
func (s *session) end() {
	if s.process != nil {
		s.process.Close()
		s.process = nil
	}
}

// ensure makes sure of a process that is configured as the stack wants it now.
func (s *session) ensure(ctx context.Context) *provider.Failure {
	if ctx.Err() != nil {
		return stopped()
	}
	if s.process != nil && (!s.process.Alive() || s.full() || s.isStale()) {
		s.end()
	}
	for s.process == nil && s.failed == nil {
		if f := s.backOff(ctx); f != nil {
			return f
		}
		f := s.start(ctx)
		switch {
		case f == nil:
		case ctx.Err() != nil:
			return stopped()
		case f.Reason == taffrail.ReasonCrashed && s.crashes == 0:
			s.crashes++ // once more: it may have been killed for want of memory
		default:
			s.failed = f
		}
	}
	return s.failed
}

// full says whether the process has grown so much that another is to take its place as soon as nothing is under way.
func (s *session) full() bool {
	return s.memory > 0 && s.process != nil && s.process.Memory() > s.memory+s.stack.growth
}

// lost takes note that the process died.
func (s *session) lost() {
	s.end()
	s.crashes++
	s.stack.env.Logger.Warn("provider died", slog.String("provider", s.config.String()), slog.Int("times", s.crashes))
	if s.crashes >= maxCrashes {
		s.failed = &provider.Failure{
			Reason: taffrail.ReasonCrashed, Detail: fmt.Sprintf("the provider died %d times in this scan, and was given up", s.crashes),
			Hint: "see the provider's own messages with debug logging on",
		}
	}
}

// backOff waits before a start that follows a crash, longer each time.
func (s *session) backOff(ctx context.Context) *provider.Failure {
	if s.crashes == 0 {
		return nil
	}
	const first, most = 50 * time.Millisecond, 500 * time.Millisecond
	timer := time.NewTimer(min(first<<min(s.crashes, 10), most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return stopped()
	}
}

func stopped() *provider.Failure {
	return &provider.Failure{Reason: taffrail.ReasonCancelled, Detail: "the scan was stopped first"}
}

// isStale says whether a process from an earlier reading is not what the stack wants now.
func (s *session) isStale() bool {
	now, ok := s.reading.finder.Lock[s.config.Provider]
	if ok != (s.locked.Version != "") || now.Version != s.locked.Version || !slices.Equal(now.Hashes, s.locked.Hashes) {
		return true
	}
	if slices.ContainsFunc(s.wanted, func(t string) bool { _, known := s.resources[t]; return !known }) {
		return true // its schema was thrown away
	}
	wanted, err := s.reading.tree.Configure(s.config, s.spec, s.reading.scope())
	if err != nil {
		return true
	}
	packed, err := msgpack.Marshal(wanted.Value, wanted.Value.Type())
	return err != nil || string(packed) != string(s.configured)
}

// start finds, checks, starts and configures the provider. Without an error the process is ready to read.
func (s *session) start(ctx context.Context) *provider.Failure {
	pack, err := s.reading.finder.Find(s.config.Provider)
	if err != nil {
		return unconfigured(err)
	}
	s.mu.Lock()
	s.pack = pack
	s.mu.Unlock()
	dir := s.stack.target.dir
	process, f := provider.Start(ctx, provider.Program{
		Path: pack.Executable, Dir: dir, Env: s.stack.host.providerEnviron(dir),
		Logger: s.stack.env.Logger.With(slog.String("provider", s.config.Provider.String())),
		Scrub:  s.scrub,
	})
	if f != nil {
		return f
	}
	s.locked = s.reading.finder.Lock[s.config.Provider]
	if f := s.configure(ctx, process); f != nil {
		process.Close()
		return f
	}
	s.process, s.memory = process, process.Memory()
	return nil
}

func (s *session) configure(ctx context.Context, process *provider.Process) *provider.Failure {
	ctx, cancel := context.WithTimeout(ctx, s.stack.config.Timeout)
	defer cancel()
	schemas, f := process.Schemas(ctx, func(t string) bool { return slices.Contains(s.wanted, t) })
	if f != nil {
		return f
	}
	if f := s.compile(ctx, process, schemas); f != nil {
		return f
	}
	s.meta = nil
	if schemas.Meta != nil {
		s.meta = &tfwire.DynamicValue{Msgpack: []byte{packedNil}}
	}
	spec, err := schema.Spec(schemas.Provider.GetBlock())
	if err != nil {
		return unconfigured(fmt.Errorf("the provider's own schema: %w", err))
	}
	s.spec = spec
	config, err := s.reading.tree.Configure(s.config, spec, s.reading.scope())
	if err != nil {
		return unconfigured(err)
	}
	s.learn(schemas.Provider, config)
	return s.send(ctx, process, config.Value)
}

// learn takes note of what is secret in the configuration: by the provider's schema, by the code, and by the state.
func (s *session) learn(wire *tfwire.Schema, config module.Configured) {
	known := &value.Secrets{}
	if compiled, err := schema.Compile(wire, false); err == nil {
		c := value.Converter{Resource: compiled}
		c.Learn(config.Value)
		known = value.Join(c.Secrets())
	}
	for _, v := range config.Secrets {
		known.AddAll(v)
	}
	s.configSecrets = known
	s.know()
}

func (s *session) send(ctx context.Context, process *provider.Process, config cty.Value) *provider.Failure {
	packed, err := msgpack.Marshal(config, config.Type())
	if err != nil {
		return unconfigured(fmt.Errorf("the provider's configuration: %w", err))
	}
	s.configured = packed
	return process.Configure(ctx, packed, s.reading.header.Tool)
}

// compile keeps what is needed of the schemas. A type that the provider lacks, or whose schema makes no sense, is noted as such. A
// provider that dies of being asked which SDK a type was made with is not asked again, and taken for a new one.
func (s *session) compile(ctx context.Context, process *provider.Process, schemas provider.Schemas) *provider.Failure {
	s.resources = map[string]resourceSchema{}
	for _, t := range s.wanted {
		wire, ok := schemas.Resources[t]
		if !ok {
			s.resources[t] = resourceSchema{}
			continue
		}
		legacy := false
		if !s.unasked {
			var f *provider.Failure
			if legacy, f = process.IsLegacy(ctx, t); f != nil {
				s.unasked = f.Lost
				return f
			}
		}
		compiled, err := schema.Compile(wire, legacy)
		s.resources[t] = resourceSchema{schema: compiled, err: err}
	}
	return nil
}

// unconfigured turns an error of ours into the failure that it means for resources.
func unconfigured(err error) *provider.Failure {
	detail, hint := err.Error(), taffrail.HintOf(err)
	var e *taffrail.Error
	if errors.As(err, &e) && e.Op == "find provider" {
		detail = e.Err.Error()
	}
	return &provider.Failure{Reason: taffrail.ReasonUnconfigured, Detail: detail, Hint: hint}
}

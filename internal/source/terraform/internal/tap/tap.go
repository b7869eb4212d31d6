// Package tap stands between a tool and its providers while the tool runs, and takes note of what is applied.
//
// For each provider it serves a socket that the tool is told of in TF_REATTACH_PROVIDERS. Each connection that the tool makes gets a
// provider process of its own, as the tool itself would start one for each configuration: a provider that is configured twice would forget
// the first configuration. What passes is not looked into, but for the two messages of each ApplyResourceChange, and the schema; those are
// kept, and read once the tool has ended, so that nothing that could be wrong with them can do harm to the run.
package tap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Variable is the environment variable by which a tool is told of providers that run already.
const Variable = "TF_REATTACH_PROVIDERS"

// An Upstream is a provider that runs.
type Upstream interface {
	Conn() *grpc.ClientConn
	Protocol() int // the major version of the plugin protocol
	Close()
}

// A Provider is one to stand for.
type Provider struct {
	Name  string // its source address
	Start func(context.Context) (Upstream, error)
}

// Options say how a tap is made.
type Options struct {
	Now  func() time.Time
	Idle time.Duration // how long a process that was never configured is kept without a call; it is started again when it is needed
	Keep int           // bytes of messages that are kept; what comes after them is counted alone
}

// A Tap stands for some providers. It must be closed.
type Tap struct {
	options Options
	folder  string // of the sockets
	served  []*served
	failed  []Failed

	base context.Context // of all processes
	stop context.CancelFunc

	mu      sync.Mutex
	kept    int
	all     []Seen
	leftOut int
	count   int // of connections that were used

	connections sync.WaitGroup
	close       sync.Once
}

// Failed is a provider that the tap cannot stand for: the tool starts it as ever.
type Failed struct {
	Name string
	Err  error
}

// Seen is one ApplyResourceChange, as it passed.
type Seen struct {
	Provider string
	Request  []byte // of the protocol's messages
	Response []byte // empty if there was none
	Err      error  // why there was none
	Started  time.Time
	Finished time.Time
}

// Open starts each provider once, to learn which protocol it speaks, and serves it. Those that cannot be started are left to the tool.
func Open(ctx context.Context, options Options, providers []Provider) (*Tap, error) {
	folder, err := os.MkdirTemp("", "tap-")
	if err != nil {
		return nil, fmt.Errorf("make a folder of sockets: %w", err)
	}
	t := &Tap{options: options, folder: folder}
	t.base, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	var started sync.WaitGroup
	for i, p := range providers {
		started.Go(func() { t.open(ctx, p, filepath.Join(folder, strconv.Itoa(i))) })
	}
	started.Wait()
	if err := ctx.Err(); err != nil {
		t.Close()
		return nil, err
	}
	if len(t.served) == 0 {
		t.Close()
		return nil, t.nothing()
	}
	slices.SortFunc(t.served, func(a, b *served) int { return strings.Compare(a.provider.Name, b.provider.Name) })
	slices.SortFunc(t.failed, func(a, b Failed) int { return strings.Compare(a.Name, b.Name) })
	return t, nil
}

func (t *Tap) nothing() error {
	if len(t.failed) == 0 {
		return errors.New("there is no provider to stand for")
	}
	return fmt.Errorf("provider %s: %w", t.failed[0].Name, t.failed[0].Err)
}

func (t *Tap) open(ctx context.Context, p Provider, socket string) {
	s, err := t.serve(ctx, p, socket)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed = append(t.failed, Failed{p.Name, err})
		return
	}
	t.served = append(t.served, s)
}

func (t *Tap) serve(ctx context.Context, p Provider, socket string) (*served, error) {
	spare, err := p.Start(ctx)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		spare.Close()
		return nil, fmt.Errorf("serve the provider: %w", err)
	}
	s := &served{tap: t, provider: p, address: l.Addr(), protocol: spare.Protocol(), spare: spare, listener: &listener{Listener: l}}
	s.server = newServer(s)
	t.connections.Go(func() { _ = s.server.Serve(s.listener) }) // ends with the server
	return s, nil
}

// Reattach is the value of [Variable].
func (t *Tap) Reattach() (string, error) {
	type address struct{ Network, String string }
	type reattach struct {
		Protocol        string
		ProtocolVersion int
		Pid             int
		// Test has the tool take the version from here, and leave it to us to end the process. Without it a tool takes each provider for one
		// of version 5, and kills us when it is done with it.
		Test bool
		Addr address
	}
	all := map[string]reattach{}
	for _, s := range t.served {
		all[s.provider.Name] = reattach{"grpc", s.protocol, os.Getpid(), true, address{s.address.Network(), s.address.String()}}
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// Providers names those that the tap stands for.
func (t *Tap) Providers() (names []string) {
	for _, s := range t.served {
		names = append(names, s.provider.Name)
	}
	return names
}

// Failed are those that it does not stand for.
func (t *Tap) Failed() []Failed { return t.failed }

// Close ends all processes and connections. What was seen can still be read. It may be called more than once.
func (t *Tap) Close() {
	t.close.Do(func() {
		t.stop() // what is about to start does not
		var ended sync.WaitGroup
		for _, s := range t.served {
			ended.Go(s.end)
		}
		ended.Wait()
		t.connections.Wait()
		_ = os.RemoveAll(t.folder)
	})
}

// Seen gives what was applied, in the order in which it began, and how much more there was of which nothing was kept. The tap must be closed.
func (t *Tap) Seen() (all []Seen, leftOut int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all = slices.Clone(t.all)
	slices.SortStableFunc(all, func(a, b Seen) int { return a.Started.Compare(b.Started) })
	return all, t.leftOut
}

// Connections says how many connections the tool made and used.
func (t *Tap) Connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// Schema is the answer of a provider to GetProviderSchema, as it passed; nil if none did.
func (t *Tap) Schema(name string) (protocol int, answer []byte) {
	for _, s := range t.served {
		if s.provider.Name == name {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.protocol, s.schema
		}
	}
	return 0, nil
}

// note keeps what was seen, as long as there is room.
func (t *Tap) note(seen Seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if size := len(seen.Request) + len(seen.Response); t.kept+size <= t.options.Keep {
		t.kept += size
		t.all = append(t.all, seen)
		return
	}
	t.leftOut++
}

func (t *Tap) used() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
}

// Package provider runs the providers of Terraform and OpenTofu, and calls them.
//
// A provider is a program that serves the provider plugin protocol, version 5 or 6, to whoever started it (hashicorp/go-plugin's
// handshake, gRPC over a local socket, mutual TLS). A [Process] is one that was started; it is configured once and can then be
// asked for the live state of resources. Its methods may be called at the same time.
//
// What goes wrong comes back as a [Failure], which says why in the words of [taffrail.Reason]. A provider is someone else's
// program: it may crash, hang or write secrets into its messages, and nothing that it writes to stderr leaves the
// operational log.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/taffrail-dev/taffrail"
)

const (
	// receiveLimit bounds one message of a provider. The largest schema that we know is about 40 MB.
	receiveLimit = 256 << 20
	// startTimeout bounds the time from exec to the handshake.
	startTimeout = time.Minute
	// killGrace is how long a provider may take to end by itself.
	killGrace = 3 * time.Second
)

// handshake is public, and the same for every provider: it keeps a person from running one by mistake, no more.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  4,
	MagicCookieKey:   "TF_PLUGIN_MAGIC_COOKIE",
	MagicCookieValue: "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
}

// A Program is a provider that can be started.
type Program struct {
	Path   string // of the executable
	Dir    string // working directory: providers resolve relative paths against the root module, as under the tool
	Env    []string
	Logger *slog.Logger // gets the provider's stderr, at debug level
	// Scrub takes secrets out of a line of stderr. It may be called from another goroutine at any time; nil changes nothing.
	Scrub func(string) string
}

// A Process is a provider that runs. It must be closed.
type Process struct {
	client   *plugin.Client
	runner   *programRunner
	conn     *grpc.ClientConn
	protocol int
	close    sync.Once
}

// Start starts the program and shakes hands. When ctx ends first, the program is killed.
func Start(ctx context.Context, program Program) (*Process, *Failure) {
	run := newRunner(program)
	p := &Process{runner: run, client: newClient(program, run)}
	stop := context.AfterFunc(ctx, run.kill)
	conn, err := p.connect()
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		p.Close()
		return nil, startFailure(ctx, err)
	}
	p.conn = conn
	p.protocol = p.client.NegotiatedVersion()
	return p, nil
}

func newClient(program Program, run *programRunner) *plugin.Client {
	served := plugin.PluginSet{"provider": connPlugin{}}
	return plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]plugin.PluginSet{5: served, 6: served},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTimeout,
		Logger:           hclog.NewNullLogger(),
		Stderr:           newStderrLog(program.Logger, program.Scrub),
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(receiveLimit))},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, sockets string) (runner.Runner, error) {
			return run, run.prepare(cmd, sockets)
		},
	})
}

func (p *Process) connect() (*grpc.ClientConn, error) {
	protocol, err := p.client.Client()
	if err != nil {
		return nil, err
	}
	dispensed, err := protocol.Dispense("provider")
	if err != nil {
		return nil, err
	}
	return dispensed.(*grpc.ClientConn), nil
}

// connPlugin gives the bare connection: the calls are made by name, without stubs.
type connPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (connPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func (connPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a provider is served by others")
}

// Protocol is the major version of the protocol that was agreed on: 5 or 6.
func (p *Process) Protocol() int { return p.protocol }

// Alive says whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.runner.exited:
		return false
	default:
		return true
	}
}

// ID is the number that the system knows the process by.
func (p *Process) ID() string { return p.runner.ID() }

// Kill ends the process at once, with no word to it. It still must be closed.
func (p *Process) Kill() { p.runner.kill() }

// Close ends the process, and everything that it started. It may be called more than once.
func (p *Process) Close() {
	p.close.Do(func() {
		// A provider that is frozen never answers the polite request to end, and go-plugin would wait for it for ever.
		timer := time.AfterFunc(killGrace, p.runner.kill)
		defer timer.Stop()
		if p.conn != nil && p.Alive() {
			p.stop()
		}
		p.client.Kill()
		p.runner.kill()
		if p.runner.sockets != "" {
			_ = os.RemoveAll(p.runner.sockets) // go-plugin leaves it behind when the program could not be started
		}
	})
}

func startFailure(ctx context.Context, err error) *Failure {
	if ctx.Err() != nil {
		return contextFailure(ctx.Err(), "start the provider")
	}
	return &Failure{
		Reason: taffrail.ReasonCrashed, Detail: fmt.Sprintf("the provider did not start: %v", err),
		Hint: "run the provider's binary by hand: it should say that it is a plugin",
	}
}

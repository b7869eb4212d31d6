package tap

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// requestLimit bounds what the tool may send, as the SDKs of providers do. What a provider answers is bound by the tool alone.
const requestLimit = 256 << 20

// A served is a provider that the tap stands for.
type served struct {
	tap      *Tap
	provider Provider
	address  net.Addr
	protocol int
	server   *grpc.Server
	listener *listener

	mu     sync.Mutex
	spare  Upstream // started to learn the protocol, for the first connection that needs a process
	schema []byte
}

func newServer(s *served) *grpc.Server {
	return grpc.NewServer(
		grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(s.pass), grpc.StatsHandler(connections{s}),
		grpc.MaxRecvMsgSize(requestLimit), grpc.MaxSendMsgSize(math.MaxInt32),
	)
}

// end ends all connections, with their processes. The server would wait for one that has not said anything yet.
func (s *served) end() {
	s.listener.hangUp()
	s.server.Stop()
	if spare := s.takeSpare(); spare != nil {
		spare.Close()
	}
}

func (s *served) takeSpare() Upstream {
	s.mu.Lock()
	defer s.mu.Unlock()
	spare := s.spare
	s.spare = nil
	return spare
}

func (s *served) start() (Upstream, error) {
	if spare := s.takeSpare(); spare != nil {
		return spare, nil
	}
	return s.provider.Start(s.tap.base)
}

// keepSchema keeps the first answer.
func (s *served) keepSchema(answer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema == nil {
		s.schema = answer
	}
}

// A listener knows the connections that it gave.
type listener struct {
	net.Listener

	mu    sync.Mutex
	given []net.Conn
	over  bool
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		_ = conn.Close()
	}
	l.given = append(l.given, conn)
	return conn, nil
}

// hangUp closes all connections.
func (l *listener) hangUp() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, conn := range l.given {
		_ = conn.Close()
	}
}

// connections gives each connection of a server what belongs to it.
type connections struct{ served *served }

type connectionKey struct{}

// TagConn implements [stats.Handler].
func (c connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	c.served.tap.connections.Add(1)
	return context.WithValue(ctx, connectionKey{}, &connection{served: c.served})
}

// HandleConn implements [stats.Handler].
func (c connections) HandleConn(ctx context.Context, s stats.ConnStats) {
	if _, ended := s.(*stats.ConnEnd); !ended {
		return
	}
	go func() {
		defer c.served.tap.connections.Done()
		connectionOf(ctx).end()
	}()
}

// TagRPC implements [stats.Handler].
func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements [stats.Handler].
func (connections) HandleRPC(context.Context, stats.RPCStats) {}

func connectionOf(ctx context.Context) *connection {
	return ctx.Value(connectionKey{}).(*connection)
}

// A connection is one of the tool's, and has a process of its own from its first call on.
//
// As long as the process was not configured it holds nothing that another one would not hold: it is ended when nobody calls it, and started
// again when somebody does. A configured one that has died stays dead, as it would under the tool: another would work with no
// configuration, or with none that the tool knows of.
type connection struct {
	served *served

	mu         sync.Mutex
	process    Upstream
	configured bool
	active     int
	idle       *time.Timer
	round      int // counts the times that it became idle
	used       bool
	over       bool
}

// acquire gives the process for one call, which must be followed by release.
func (c *connection) acquire(configures bool) (Upstream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil, status.Error(codes.Unavailable, "the connection has ended")
	}
	if !c.used {
		c.used = true
		c.served.tap.used()
	}
	if c.process == nil {
		process, err := c.served.start()
		if err != nil {
			return nil, status.Error(codes.Unavailable, fmt.Sprintf("start the provider: %v", err))
		}
		c.process = process
	}
	c.configured = c.configured || configures
	c.active++
	c.round++
	if c.idle != nil {
		c.idle.Stop()
	}
	return c.process, nil
}

func (c *connection) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
	if c.active > 0 || c.configured || c.over {
		return
	}
	round := c.round
	c.idle = time.AfterFunc(c.served.tap.options.Idle, func() { c.rest(round) })
}

// rest ends a process that nobody has called since.
func (c *connection) rest(round int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.round != round || c.active > 0 || c.over || c.process == nil {
		return
	}
	c.process.Close()
	c.process = nil
}

// end ends the process for good.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.idle != nil {
		c.idle.Stop()
	}
	if c.process != nil {
		c.process.Close()
		c.process = nil
	}
}

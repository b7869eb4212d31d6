package tap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// A fleet starts fake providers: servers that answer with what they were asked, after their own number.
type fleet struct {
	t      *testing.T
	refuse error

	mu      sync.Mutex
	started []*fakeProvider
}

type fakeProvider struct {
	number int
	server *grpc.Server
	conn   *grpc.ClientConn
	over   atomic.Bool
	answer func(method string, request []byte, stream grpc.ServerStream) ([]byte, error)
}

func (p *fakeProvider) Conn() *grpc.ClientConn { return p.conn }
func (p *fakeProvider) Protocol() int          { return 6 }
func (p *fakeProvider) Close()                 { p.over.Store(true); _ = p.conn.Close(); p.server.Stop() }

func (f *fleet) provider(name string, answer func(method string, request []byte, stream grpc.ServerStream) ([]byte, error)) Provider {
	return Provider{Name: name, Start: func(ctx context.Context) (Upstream, error) {
		if f.refuse != nil {
			return nil, f.refuse
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return f.start(answer), nil
	}}
}

func (f *fleet) start(answer func(string, []byte, grpc.ServerStream) ([]byte, error)) *fakeProvider {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &fakeProvider{number: len(f.started), answer: answer}
	f.started = append(f.started, p)
	p.server = grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxRecvMsgSize(requestLimit), grpc.UnknownServiceHandler(p.serve))
	path := filepath.Join(f.t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.t.Fatal(err)
	}
	go func() { _ = p.server.Serve(l) }()
	p.conn = dial(f.t, path)
	return p
}

func (p *fakeProvider) serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var f frame
	if err := stream.RecvMsg(&f); err != nil {
		return err
	}
	answer, err := p.answer(method, f, stream)
	if err != nil {
		return err
	}
	if answer == nil {
		answer = append([]byte{byte('0' + p.number)}, f...)
	}
	out := frame(answer)
	return stream.SendMsg(&out)
}

func (f *fleet) alive() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.started {
		if !p.over.Load() {
			n++
		}
	}
	return n
}

func echo(string, []byte, grpc.ServerStream) ([]byte, error) { return nil, nil }

func dial(t *testing.T, path string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func open(t *testing.T, o Options, providers ...Provider) *Tap {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Idle == 0 {
		o.Idle = time.Hour
	}
	if o.Keep == 0 {
		o.Keep = 1 << 20
	}
	tap, err := Open(t.Context(), o, providers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	return tap
}

// socketOf reads where a provider is, as a tool does.
func socketOf(t *testing.T, tap *Tap, name string) string {
	t.Helper()
	text, err := tap.Reattach()
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Protocol        string
		ProtocolVersion int
		Pid             int
		Test            bool
		Addr            struct{ Network, String string }
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	r, ok := all[name]
	if !ok || r.Protocol != "grpc" || r.ProtocolVersion != 6 || r.Pid != os.Getpid() || !r.Test || r.Addr.Network != "unix" {
		t.Fatalf("%s: %s", name, text)
	}
	return r.Addr.String
}

func call(t *testing.T, conn *grpc.ClientConn, method, text string) (string, error) {
	t.Helper()
	in, out := frame(text), frame{}
	err := conn.Invoke(t.Context(), "/tfplugin6.Provider/"+method, &in, &out)
	return string(out), err
}

func mustCall(t *testing.T, conn *grpc.ClientConn, method, text, want string) {
	t.Helper()
	if got, err := call(t, conn, method, text); err != nil || got != want {
		t.Fatalf("%s: %q, %v, and not %q", method, got, err, want)
	}
}

// until waits for something to become so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited too long until ", what)
		}
	}
}

// Each connection has a process of its own, so that no configuration replaces another.
func TestOneProcessForEachConnection(t *testing.T) {
	f := &fleet{t: t}
	tap := open(t, Options{}, f.provider("h/n/a", echo))
	path := socketOf(t, tap, "h/n/a")
	first, second := dial(t, path), dial(t, path)
	mustCall(t, first, "ConfigureProvider", "north", "0north")
	mustCall(t, second, "ConfigureProvider", "south", "1south")
	mustCall(t, first, "ReadResource", "x", "0x")
	mustCall(t, second, "ReadResource", "x", "1x")
	if tap.Connections() != 2 || f.alive() != 2 {
		t.Errorf("%d connections, %d processes", tap.Connections(), f.alive())
	}
	_ = first.Close()
	until(t, "the process of the first is gone", func() bool { return f.alive() == 1 })
	mustCall(t, second, "ReadResource", "y", "1y")
	tap.Close()
	if f.alive() != 0 {
		t.Errorf("%d processes are left", f.alive())
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the sockets is left: %v", err)
	}
}

// A connection that says nothing, as the tool makes one to see whether anybody is there, costs no process, and keeps nothing from ending.
func TestConnectionWithoutACall(t *testing.T) {
	f := &fleet{t: t}
	tap := open(t, Options{}, f.provider("h/n/a", echo))
	path := socketOf(t, tap, "h/n/a")
	for range 3 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	held, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	mustCall(t, dial(t, path), "ReadResource", "x", "0x")
	if len(f.started) != 1 || tap.Connections() != 1 {
		t.Errorf("%d processes, %d connections", len(f.started), tap.Connections())
	}
	var closed atomic.Bool
	go func() { tap.Close(); closed.Store(true) }()
	until(t, "the tap has ended", closed.Load)
}

// A process that was not configured is ended when nobody calls it, and started again unnoticed. One that was configured is not.
func TestIdleProcesses(t *testing.T) {
	f := &fleet{t: t}
	tap := open(t, Options{Idle: time.Millisecond}, f.provider("h/n/a", echo))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	mustCall(t, conn, "GetProviderSchema", "x", "0x")
	until(t, "the idle process is gone", func() bool { return f.alive() == 0 })
	mustCall(t, conn, "ValidateResourceConfig", "x", "1x")
	until(t, "the idle process is gone", func() bool { return f.alive() == 0 })
	mustCall(t, conn, "ConfigureProvider", "x", "2x")
	mustCall(t, conn, "ReadResource", "x", "2x")
	// Another one that was called later has been ended by the time that this one would have been.
	mustCall(t, dial(t, socketOf(t, tap, "h/n/a")), "GetProviderSchema", "x", "3x")
	until(t, "the other process is gone", func() bool { return f.alive() == 1 })
	mustCall(t, conn, "ReadResource", "x", "2x")
}

// A configured provider that dies stays dead: another one would not be configured.
func TestDeadProviderStaysDead(t *testing.T) {
	f := &fleet{t: t}
	tap := open(t, Options{}, f.provider("h/n/a", func(method string, _ []byte, _ grpc.ServerStream) ([]byte, error) {
		if strings.HasSuffix(method, "/ApplyResourceChange") {
			go f.started[0].server.Stop()
			<-t.Context().Done()
		}
		return nil, nil
	}))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	mustCall(t, conn, "ConfigureProvider", "x", "0x")
	for _, method := range []string{"ApplyResourceChange", "ReadResource"} {
		in, out := frame("y"), frame{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := conn.Invoke(ctx, "/tfplugin6.Provider/"+method, &in, &out)
		cancel()
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", method, err)
		}
	}
	if len(f.started) != 1 {
		t.Errorf("%d processes were started", len(f.started))
	}
	tap.Close()
	seen, left := tap.Seen()
	if len(seen) != 1 || left != 0 || status.Code(seen[0].Err) != codes.Unavailable || string(seen[0].Request) != "y" || seen[0].Response != nil {
		t.Errorf("%+v", seen)
	}
}

// What a provider says beside its answer, and how it fails, comes through as it is.
func TestCallsComeThroughAsTheyAre(t *testing.T) {
	f := &fleet{t: t}
	detailed, err := status.New(codes.ResourceExhausted, "slow down").WithDetails(&tfwire.Diagnostic{Summary: "detail"})
	if err != nil {
		t.Fatal(err)
	}
	tap := open(t, Options{}, f.provider("h/n/a", func(method string, _ []byte, stream grpc.ServerStream) ([]byte, error) {
		said, _ := metadata.FromIncomingContext(stream.Context())
		if _, limited := stream.Context().Deadline(); !limited {
			return nil, status.Error(codes.Internal, "the deadline is lost")
		}
		_ = stream.SetHeader(metadata.Pairs("head", said.Get("asked")[0]))
		stream.SetTrailer(metadata.Pairs("tail", "t"))
		if strings.HasSuffix(method, "/ReadResource") {
			return nil, detailed.Err()
		}
		return []byte("fine"), nil
	}))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "asked", "a"), time.Minute)
	defer cancel()
	var head, tail metadata.MD
	in, out := frame("x"), frame{}
	if err := conn.Invoke(ctx, "/tfplugin6.Provider/PlanResourceChange", &in, &out, grpc.Header(&head), grpc.Trailer(&tail)); err != nil || string(out) != "fine" {
		t.Fatal(string(out), err)
	}
	if head.Get("head")[0] != "a" || tail.Get("tail")[0] != "t" {
		t.Errorf("head %v, tail %v", head, tail)
	}
	err = conn.Invoke(ctx, "/tfplugin6.Provider/ReadResource", &in, &out)
	if got := status.Convert(err); !proto.Equal(got.Proto(), detailed.Proto()) {
		t.Errorf("%v and not %v", got.Proto(), detailed.Proto())
	}
}

// A call that the tool gives up is given up by the provider.
func TestGivenUpCalls(t *testing.T) {
	f := &fleet{t: t}
	begun, gone := make(chan struct{}), make(chan struct{})
	tap := open(t, Options{}, f.provider("h/n/a", func(_ string, _ []byte, stream grpc.ServerStream) ([]byte, error) {
		close(begun)
		<-stream.Context().Done()
		close(gone)
		return nil, stream.Context().Err()
	}))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	in, out := frame("x"), frame{}
	if err := conn.Invoke(ctx, "/tfplugin6.Provider/ApplyResourceChange", &in, &out); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	<-gone
}

// Many calls at once, in one connection.
func TestParallelCalls(t *testing.T) {
	f := &fleet{t: t}
	var together sync.WaitGroup
	const many = 50
	together.Add(many)
	tap := open(t, Options{}, f.provider("h/n/a", func(string, []byte, grpc.ServerStream) ([]byte, error) {
		together.Done()
		together.Wait() // nobody is answered before all have asked
		return nil, nil
	}))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	var calls sync.WaitGroup
	for i := range many {
		calls.Go(func() {
			text := strings.Repeat("x", i)
			if got, err := call(t, conn, "ApplyResourceChange", text); err != nil || got != "0"+text {
				t.Error(got, err)
			}
		})
	}
	calls.Wait()
	tap.Close()
	if seen, left := tap.Seen(); len(seen) != many || left != 0 {
		t.Errorf("%d seen, %d left out", len(seen), left)
	}
}

// A schema of a large provider takes more than the four megabytes that gRPC allows by itself; a request of more than the SDKs take is
// refused, and the run goes on.
func TestLargeMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	f := &fleet{t: t}
	large := bytes.Repeat([]byte("s"), 100<<20)
	tap := open(t, Options{}, f.provider("h/n/a", func(method string, request []byte, _ grpc.ServerStream) ([]byte, error) {
		if strings.HasSuffix(method, "Schema") {
			return large, nil
		}
		return []byte{byte(len(request) >> 20)}, nil
	}))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	if got, err := call(t, conn, "GetProviderSchema", "x"); err != nil || len(got) != len(large) {
		t.Fatal(len(got), err)
	}
	if protocol, schema := tap.Schema("h/n/a"); protocol != 6 || len(schema) != len(large) {
		t.Errorf("protocol %d, a schema of %d bytes", protocol, len(schema))
	}
	mustCall(t, conn, "ApplyResourceChange", string(large[:40<<20]), string([]byte{40}))
	if _, err := call(t, conn, "ApplyResourceChange", strings.Repeat("x", requestLimit+1)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v", err)
	}
	mustCall(t, conn, "ReadResource", "x", "\x00")
	tap.Close()
	if seen, left := tap.Seen(); left < 1 {
		t.Errorf("%d seen, %d left out: nothing is kept without a bound", len(seen), left)
	}
}

// The streams that a tool opens beside its calls stay open, and cost no process.
func TestStreamsBeside(t *testing.T) {
	f := &fleet{t: t}
	tap := open(t, Options{}, f.provider("h/n/a", echo))
	conn := dial(t, socketOf(t, tap, "h/n/a"))
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/plugin.GRPCBroker/StartStream")
	if err != nil {
		t.Fatal(err)
	}
	mustCall(t, conn, "ConfigureProvider", "x", "0x")
	in, out := frame{}, frame{}
	if err := conn.Invoke(t.Context(), "/plugin.GRPCController/Shutdown", &in, &out); err != nil {
		t.Error(err)
	}
	if f.alive() != 0 {
		t.Error("a provider outlived its shutdown")
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.RecvMsg(&frame{}) }()
	for range 50 {
		if _, err := call(t, conn, "ReadResource", "x"); status.Code(err) != codes.Unavailable {
			t.Errorf("after the shutdown: %v", err)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the stream ended with the process: %v", err)
	default:
	}
	cancel()
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Errorf("the stream ended with %v", err)
	}
}

// A provider that cannot be started is left to the tool. If that is each of them, there is no tap.
func TestProviderThatDoesNotStart(t *testing.T) {
	good, bad := &fleet{t: t}, &fleet{t: t, refuse: errors.New("it is broken")}
	tap := open(t, Options{}, bad.provider("h/n/b", echo), good.provider("h/n/a", echo))
	if names := tap.Providers(); len(names) != 1 || names[0] != "h/n/a" || len(tap.Failed()) != 1 || tap.Failed()[0].Name != "h/n/b" {
		t.Errorf("%v and not %v", names, tap.Failed())
	}
	if _, err := Open(t.Context(), Options{}, []Provider{bad.provider("h/n/b", echo)}); err == nil || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), Options{}, nil); err == nil {
		t.Error("there is a tap of nothing")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{}, []Provider{good.provider("h/n/a", echo)}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	tap.Close()
	if good.alive() != 0 {
		t.Errorf("%d processes are left", good.alive())
	}
}

func schemaAnswer(t testing.TB) []byte {
	t.Helper()
	raw, err := proto.Marshal(&tfwire.GetProviderSchema_Response{
		Provider: &tfwire.Schema{Version: 9},
		ResourceSchemas: map[string]*tfwire.Schema{
			"a": {Version: 3, Block: &tfwire.Schema_Block{Attributes: []*tfwire.Schema_Attribute{{Name: "x", Type: []byte(`"string"`), Sensitive: true}}}},
			"b": {},
		},
		DataSourceSchemas: map[string]*tfwire.Schema{"c": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSchemas(t *testing.T) {
	all, err := Schemas(schemaAnswer(t))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	s, err := ParseSchema(all["a"])
	if err != nil || s.GetVersion() != 3 || !s.GetBlock().GetAttributes()[0].GetSensitive() {
		t.Error(s, err)
	}
	if _, err := Schemas([]byte{0xff}); err == nil {
		t.Error("garbage has schemas")
	}
}

// Whatever a provider says, it is read or refused.
func FuzzSchemas(f *testing.F) {
	f.Add(schemaAnswer(f))
	f.Add([]byte{0x12, 0x02, 0x0a})
	f.Fuzz(func(_ *testing.T, raw []byte) {
		all, err := Schemas(raw)
		if err != nil {
			return
		}
		for _, schema := range all {
			_, _ = ParseSchema(schema)
		}
	})
}

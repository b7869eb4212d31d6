package provider

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
	"google.golang.org/grpc/codes"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

func TestMain(m *testing.M) {
	testprovider.Main()
	os.Exit(m.Run())
}

func start(t *testing.T, protocol string) (*Process, string) {
	t.Helper()
	world := filepath.Join(t.TempDir(), "world.json")
	dir, err := testprovider.Install(t.TempDir(), "1.0.0", "any", protocol, world)
	if err != nil {
		t.Fatal(err)
	}
	p, f := Start(t.Context(), program(t, filepath.Join(dir, "terraform-provider-odd_v1.0.0")))
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(p.Close)
	return p, world
}

func program(t *testing.T, path string) Program {
	return Program{Path: path, Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")}, Logger: slog.New(slog.DiscardHandler)}
}

func script(t *testing.T, text string) Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "provider")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return program(t, path)
}

// What version 5 of the protocol numbers otherwise arrives all the same: the other side links its real messages.
func TestWriteOnlyInBothProtocols(t *testing.T) {
	for _, protocol := range []string{"5", "6"} {
		p, _ := start(t, protocol)
		schemas, f := p.Schemas(t.Context(), func(name string) bool { return name == "odd_legacy" })
		if f != nil {
			t.Fatal(f)
		}
		if len(schemas.Resources) != 1 {
			t.Errorf("protocol %s: %d types were kept", protocol, len(schemas.Resources))
		}
		if got := p.Protocol(); strings.TrimSpace(protocol) != map[int]string{5: "5", 6: "6"}[got] {
			t.Errorf("protocol %d was agreed on, want %s", got, protocol)
		}
		flags := map[string]string{}
		for _, a := range schemas.Resources["odd_legacy"].GetBlock().GetAttributes() {
			switch {
			case a.GetWriteOnly():
				flags[a.GetName()] = "write-only"
			case a.GetSensitive():
				flags[a.GetName()] = "sensitive"
			case a.GetComputed():
				flags[a.GetName()] = "computed"
			}
			if a.GetNestedType() != nil {
				t.Errorf("protocol %s: %s has a nested type", protocol, a.GetName())
			}
		}
		want := map[string]string{"id": "computed", "password": "sensitive", "token_wo": "write-only"}
		if diff := cmp.Diff(want, flags); diff != "" {
			t.Errorf("protocol %s:\n%s", protocol, diff)
		}
	}
}

func TestStartFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    Program
		want string
	}{
		{"no such file", program(t, filepath.Join(t.TempDir(), "absent")), "no such file"},
		{"ends at once", script(t, "exit 0\n"), "did not start"},
		{"no provider", script(t, "echo hello\nsleep 60\n"), "hello"},
		{"net/rpc", script(t, "echo '1|5|tcp|127.0.0.1:1|netrpc'\nsleep 60\n"), "unsupported plugin protocol"},
		{"protocol 4", script(t, "echo '1|4|tcp|127.0.0.1:1|grpc'\nsleep 60\n"), "incompatible API version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, f := Start(t.Context(), tc.p)
			if f == nil {
				p.Close()
				t.Fatal("it started")
			}
			if f.Reason != taffrail.ReasonCrashed || !strings.Contains(f.Detail, tc.want) {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

func TestStartIsStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, f := Start(ctx, script(t, "sleep 60\n")); f == nil || f.Reason != taffrail.ReasonTimeout {
		t.Errorf("failure %+v", f)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, f := Start(cancelled, script(t, "sleep 60\n")); f == nil || f.Reason != taffrail.ReasonCancelled {
		t.Errorf("failure %+v", f)
	}
}

// A provider that does not answer any more is ended nevertheless, with all that it started.
func TestCloseEndsTheStubborn(t *testing.T) {
	p, world := start(t, "6")
	if err := (testprovider.World{"odd_legacy/a": {Fault: "hang"}}).Write(world); err != nil {
		t.Fatal(err)
	}
	_, f := p.Read(t.Context(), Request{Type: "odd_legacy", Prior: &tfwire.DynamicValue{}})
	if f == nil {
		t.Error("a prior state of nothing was read")
	}
	done := make(chan struct{})
	go func() { p.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		t.Fatal("it still runs")
	}
	p.Close()
	if p.Alive() {
		t.Error("it is alive")
	}
	if _, f := p.Schemas(t.Context(), func(string) bool { return true }); f == nil {
		t.Error("a closed process answered")
	}
}

// A list that never ends is given up, by number where it goes on to show something, and by time where it does not.
func TestListWithoutEnd(t *testing.T) {
	for _, tc := range []struct {
		list   testprovider.List
		reason taffrail.Reason // empty: there was no failure
	}{
		{testprovider.List{Fault: "endless", Entries: []testprovider.Entry{{Key: "a"}}}, ""},
		{testprovider.List{Fault: "drip:cannot look at it"}, taffrail.ReasonTimeout},
	} {
		p, world := start(t, "6")
		if err := (testprovider.Lists{"odd_thing": tc.list}).Write(world); err != nil {
			t.Fatal(err)
		}
		filter := cty.Object(map[string]cty.Type{"values": cty.List(cty.String)})
		empty := cty.ObjectVal(map[string]cty.Value{"region": cty.NullVal(cty.String), "most": cty.NullVal(cty.Number), "filter": cty.ListValEmpty(filter)})
		config, err := msgpack.Marshal(empty, empty.Type())
		if err != nil {
			t.Fatal(err)
		}
		given := 0
		f := p.List(t.Context(), ListRequest{Type: "odd_thing", Config: config, Limit: 7, Idle: time.Minute, Total: 500 * time.Millisecond}, func(Listed) { given++ })
		if tc.reason == "" && (f != nil || given != 7) {
			t.Errorf("%d were given, failure %+v", given, f)
		}
		if tc.reason != "" && (f == nil || f.Reason != tc.reason || !strings.Contains(f.Detail, "no end after")) {
			t.Errorf("failure %+v", f)
		}
	}
}

func TestCrashIsLost(t *testing.T) {
	p, _ := start(t, "6")
	p.Kill()
	_, f := p.Schemas(t.Context(), func(string) bool { return true })
	if f == nil || !f.Lost || f.Reason != taffrail.ReasonCrashed {
		t.Errorf("failure %+v", f)
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]taffrail.Reason{
		"error: StatusCode: 403, AccessDenied":               taffrail.ReasonDenied,
		"User: x is not authorized to perform: s3:GetBucket": taffrail.ReasonDenied,
		"googleapi: Error 401: Invalid Credentials":          taffrail.ReasonDenied,
		"Unauthorized": taffrail.ReasonDenied,
		"operation error: ExpiredToken: the token has expired":        taffrail.ReasonDenied,
		"No valid credential sources found":                           taffrail.ReasonDenied,
		"ThrottlingException: Rate exceeded":                          taffrail.ReasonThrottled,
		"403 rate limit exceeded":                                     taffrail.ReasonThrottled,
		"HTTP 429":                                                    taffrail.ReasonThrottled,
		"Too Many Requests":                                           taffrail.ReasonThrottled,
		"net/http: request canceled (Client.Timeout exceeded)":        taffrail.ReasonTimeout,
		"dial tcp: i/o timeout":                                       taffrail.ReasonTimeout,
		"rpc error: code = DeadlineExceeded desc = deadline exceeded": taffrail.ReasonTimeout,
		"bucket b-4030-x does not exist":                              taffrail.ReasonError,
		"internal server error":                                       taffrail.ReasonError,
		"invalid value for tokens":                                    taffrail.ReasonError,
		"the attribute timeouts is not supported":                     taffrail.ReasonError,
		"": taffrail.ReasonError,
	} {
		if got := classify(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestDiagnosticText(t *testing.T) {
	f := diagnosticFailure("read the resource", []*tfwire.Diagnostic{
		{Severity: tfwire.Diagnostic_WARNING, Summary: "careful"},
		{Severity: tfwire.Diagnostic_ERROR, Summary: "Bad thing.", Detail: "line 1\n\tline 2", Attribute: &tfwire.AttributePath{Steps: []*tfwire.AttributePath_Step{
			{Selector: &tfwire.AttributePath_Step_AttributeName{AttributeName: "rules"}},
			{Selector: &tfwire.AttributePath_Step_ElementKeyInt{ElementKeyInt: 2}},
			{Selector: &tfwire.AttributePath_Step_AttributeName{AttributeName: "port"}},
		}}},
		{Severity: tfwire.Diagnostic_INVALID, Summary: "xxx"},
	})
	if diff := cmp.Diff("read the resource: Bad thing: line 1\n\tline 2 (at rules[2].port); xxx", f.Detail); diff != "" {
		t.Error(diff)
	}
	if f := diagnosticFailure("x", []*tfwire.Diagnostic{{Severity: tfwire.Diagnostic_WARNING, Summary: "w"}}); f != nil {
		t.Errorf("a warning is a failure: %+v", f)
	}
}

func TestStderrIsBounded(t *testing.T) {
	var out strings.Builder
	log := newStderrLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
	for range 1000 {
		_, _ = log.Write([]byte(strings.Repeat("y", 3*stderrLine) + "\nshort\n"))
	}
	if out.Len() > 2*stderrTotal {
		t.Errorf("%d bytes were kept", out.Len())
	}
	if !strings.Contains(out.String(), "line=short") || !strings.Contains(out.String(), "left out") {
		t.Error("lines are lost, or it is not said that they are")
	}
	out.Reset()
	quiet := newStderrLog(slog.New(slog.NewTextHandler(&out, nil)), nil)
	_, _ = quiet.Write([]byte("secret\n"))
	if out.Len() > 0 {
		t.Errorf("above debug level: %s", out.String())
	}
}

func FuzzUnknownBool(f *testing.F) {
	f.Add([]byte{0x50, 1})
	f.Add([]byte{0x5a, 3, 'a', 'b', 'c', 0x50, 1, 0x50})
	f.Fuzz(func(_ *testing.T, b []byte) { unknownBool(b, writeOnlyV5) })
}

func TestExpired(t *testing.T) {
	soon, cancel := context.WithTimeout(t.Context(), lostWait/2)
	defer cancel()
	late, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	for _, tc := range []struct {
		ctx  context.Context
		code codes.Code
		want bool
	}{
		{late, codes.DeadlineExceeded, true}, {soon, codes.Canceled, true}, {late, codes.Canceled, false}, {t.Context(), codes.Canceled, false},
		{soon, codes.Unavailable, false},
	} {
		if got := expired(tc.ctx, tc.code); got != tc.want {
			t.Errorf("%v: %t", tc.code, got)
		}
	}
}

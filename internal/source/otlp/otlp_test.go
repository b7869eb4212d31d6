package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // so that it can be asked for by name
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const (
	token = "token-of-the-collector"
	trail = `{"eventID":"e-1","eventName":"n","eventSource":"s","eventTime":"2026-01-01T00:00:00Z"}`
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func kv(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: str(value)}
}

func kvs(pairs ...*commonpb.KeyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: pairs}}}
}

func list(values ...*commonpb.AnyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: values}}}
}

func export(records ...*logspb.LogRecord) *logspb.LogsData {
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{kv("cloud.account.id", "123456789012")}},
		ScopeLogs: []*logspb.ScopeLogs{{Scope: &commonpb.InstrumentationScope{Name: "audit", Version: "1"}, LogRecords: records}},
	}}}
}

func logRecord() *logspb.LogRecord {
	return &logspb.LogRecord{
		TimeUnixNano: 1767323045000000001, EventName: "bucket.made", SeverityText: "INFO", SeverityNumber: 9, TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{0xcd}, 8),
		Attributes: []*commonpb.KeyValue{kv("user.id", "dana"), kv("log.record.uid", "u-1"), kv("client.address", "192.0.2.7")},
		Body:       kvs(kv("bucket", "assets"), kv("password", "hunter2hunter2")),
	}
}

const wanted = `{"attributes":{"client.address":"192.0.2.7","log.record.uid":"u-1","user.id":"dana"},"body":{"bucket":"assets","password":"hunter2hunter2"},"event_name":"bucket.made",` +
	`"resource":{"cloud.account.id":"123456789012"},"scope":{"name":"audit","version":"1"},"severity_number":9,"severity_text":"INFO","span_id":"cdcdcdcdcdcdcdcd","time_unix_nano":"1767323045000000001","trace_id":"abababababababababababababababab"}`

// As an exporter writes the same in JSON.
const asJSON = `{"resourceLogs":[{"resource":{"attributes":[{"key":"cloud.account.id","value":{"stringValue":"123456789012"}}]},"scopeLogs":[{"scope":{"name":"audit","version":"1"},"logRecords":[
{"timeUnixNano":"1767323045000000001","eventName":"bucket.made","severityText":"INFO","severityNumber":9,"traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd","newer":1,
"attributes":[{"key":"user.id","value":{"stringValue":"dana"}},{"key":"log.record.uid","value":{"stringValue":"u-1"}},{"key":"client.address","value":{"stringValue":"192.0.2.7"}}],
"body":{"kvlistValue":{"values":[{"key":"bucket","value":{"stringValue":"assets"}},{"key":"password","value":{"stringValue":"hunter2hunter2"}}]}}}]}]}]}`

func wire(t *testing.T, m proto.Message) string {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func open[R any](t *testing.T, settings string) R {
	t.Helper()
	var r plug.Registry
	Register(&r)
	opened, err := plug.Open[R](t.Context(), &r, Name, plug.Env{Now: noon, Sealer: plugtest.MarkingSealer()}, plug.Settings{File: "f", YAML: []byte(settings)})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func listening(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("collector "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "listen: 127.0.0.1:0\ntokens_file: " + path + "\n"
}

func post(ctx context.Context, address, media, body string, header ...string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/logs", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", media)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// call sends over gRPC, as an exporter does.
func call(ctx context.Context, address string, as credentials.TransportCredentials, logs *logspb.LogsData, options ...grpc.CallOption) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(as))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, ok := metadata.FromOutgoingContext(ctx); !ok {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", logs, &emptypb.Empty{}, options...)
}

func TestContracts(t *testing.T) {
	for name, send := range map[string]func(ctx context.Context, address string) (bool, error){
		"protobuf": func(ctx context.Context, address string) (bool, error) {
			status, _, err := post(ctx, address, protobufType, wire(t, export(logRecord(), logRecord())))
			return status == http.StatusOK, err
		},
		"gRPC": func(ctx context.Context, address string) (bool, error) {
			err := call(ctx, address, insecure.NewCredentials(), export(logRecord(), logRecord()))
			if status.Code(err) == codes.Unavailable { // what exporters send again
				return false, nil
			}
			return err == nil, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			plugtest.Receiver(t, plugtest.ReceiverCase{
				Open: func(t *testing.T) taffrail.EventReceiver { return open[taffrail.EventReceiver](t, listening(t)) }, Send: send, Records: 2,
			})
		})
	}
	c := plugtest.DecoderCase{
		Open:    func(t *testing.T, _ taffrail.Sealer) taffrail.Decoder { return open[taffrail.Decoder](t, "") },
		Records: [][]byte{[]byte(wanted)}, WithSecret: []byte(wanted), Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

func TestUsualMapping(t *testing.T) {
	e, err := open[taffrail.Decoder](t, "").Decode([]byte(wanted))
	if err != nil || e.ID != "u-1" || e.Action != "bucket.made" || e.Actor.ID != "dana" || e.Address != "192.0.2.7" || e.Account != "123456789012" || e.Time.UnixNano() != 1767323045000000001 {
		t.Errorf("%+v %v", e, err)
	}
}

// A station is a receiver that runs.
type station struct {
	t       *testing.T
	address string
	all     chan taffrail.Record
	err     atomic.Pointer[error] // what emit gives
}

func start(t *testing.T, settings string) *station {
	t.Helper()
	s := &station{t: t, all: make(chan taffrail.Record, 1000)}
	r := open[taffrail.EventReceiver](t, settings)
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(_ context.Context, b taffrail.Batch) error {
			if err := s.err.Load(); err != nil {
				return *err
			}
			for _, rec := range b.Records {
				s.all <- rec
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.address = <-ready
	return s
}

func (s *station) records() (got []string) {
	for len(s.all) > 0 {
		rec := <-s.all
		if rec.Fault != "" {
			rec.Format += "!" + rec.Fault
		}
		got = append(got, rec.Format+" "+string(rec.Raw))
	}
	return got
}

func TestOverHTTP(t *testing.T) {
	s := start(t, listening(t))
	plain := wire(t, export(logRecord()))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(plain))
	_ = w.Close()
	deep := str("x")
	for range maxDepth + 2 {
		deep = list(deep)
	}
	bad := &logspb.LogRecord{Body: deep}
	for name, tc := range map[string]struct {
		media, body string
		header      []string
		status      int
		answer      string
		want        []string
	}{
		"protobuf":             {protobufType, plain, nil, 200, "", []string{Name + " " + wanted}},
		"JSON":                 {jsonType, asJSON, nil, 200, "{}", []string{Name + " " + wanted}},
		"JSON, original names": {jsonType, strings.NewReplacer("resourceLogs", "resource_logs", "scopeLogs", "scope_logs", "logRecords", "log_records").Replace(asJSON), nil, 200, "{}", []string{Name + " " + wanted}},
		"packed":               {protobufType, packed.String(), []string{"Content-Encoding", "gzip"}, 200, "", []string{Name + " " + wanted}},
		"none":                 {protobufType, "", nil, 200, "", nil},
		"none in JSON":         {jsonType, "{}", nil, 200, "{}", nil},
		"CloudTrail as text":   {protobufType, wire(t, export(&logspb.LogRecord{Body: str(trail)})), nil, 200, "", []string{"cloudtrail " + trail}},
		"CloudTrail as a map":  {protobufType, wire(t, export(&logspb.LogRecord{Body: kvs(kv("eventID", "e"), kv("eventName", "n"), kv("eventSource", "s"), kv("eventTime", "t"))})), nil, 200, "", []string{`cloudtrail {"eventID":"e","eventName":"n","eventSource":"s","eventTime":"t"}`}},
		"one of two":           {jsonType, strings.Replace(asJSON, `"logRecords":[`, `"logRecords":[{"timeUnixNano":[]},`, 1), nil, 200, `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"1 log records cannot be read: they are kept as what they are"}}`, []string{Name + `!it is no log record {"timeUnixNano":[]}`, Name + " " + wanted}},
		"too deep":             {protobufType, wire(t, export(bad)), nil, 200, "\n@\b\x01\x12<1 log records cannot be read: they are kept as what they are", []string{Name + "!it is nested too deep " + wire(t, bad)}},
		"no protobuf":          {protobufType, "hello", nil, 400, "\x08\x02\x12\x17it is no export of logs", []string{Name + "!it is no export of logs hello"}},
		"no JSON":              {jsonType, "hello", nil, 400, "", []string{Name + "!it is no export of logs hello"}},
		"a list":               {jsonType, "[]", nil, 400, "", []string{Name + "!it is no export of logs []"}},
		"another type":         {"text/plain", "hello", nil, 415, "", nil},
		"no token":             {protobufType, plain, []string{"Authorization", ""}, 401, "", nil},
	} {
		status, answer, err := post(t.Context(), s.address, tc.media, tc.body, tc.header...)
		if err != nil || status != tc.status || tc.answer != "" && strings.ReplaceAll(answer, " ", "") != strings.ReplaceAll(tc.answer, " ", "") {
			t.Errorf("%s: %d %q %v", name, status, answer, err)
		}
		if diff := cmp.Diff(tc.want, s.records()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if answer, err := http.Get("http://" + s.address + "/v1/logs"); err != nil || answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v", err)
	}
}

func TestValues(t *testing.T) {
	number := func(v *commonpb.AnyValue) *commonpb.KeyValue { return &commonpb.KeyValue{Key: "n", Value: v} }
	for want, v := range map[string]*commonpb.AnyValue{
		`{"n":9007199254740993}`: {Value: &commonpb.AnyValue_IntValue{IntValue: 9007199254740993}}, `{"n":0.5}`: {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}},
		`{"n":"NaN"}`: {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.NaN()}}, `{"n":"+Inf"}`: {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.Inf(1)}},
		`{"n":true}`: {Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}, `{"n":"AQI="}`: {Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{1, 2}}},
		`{"n":null}`: {}, `{"n":["a",{"b":"c"}]}`: list(str("a"), kvs(kv("b", "c"))),
	} {
		tk := &taking{form: protobufForm{}, now: noon()}
		var got []string
		for rec := range tk.records([]byte(wire(t, &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{Body: kvs(number(v))}}}}}}}))) {
			got = append(got, string(rec.Raw))
		}
		if diff := cmp.Diff([]string{`{"body":` + want + `,"taffrail":{"received":"2026-01-02T12:00:00Z"}}`}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOverGRPC(t *testing.T) {
	certs := plugtest.NewCertificates(t)
	plain := start(t, listening(t)+"max_body: 10000\n")
	secure := start(t, listening(t)+fmt.Sprintf("tls: {cert: %s, key: %s}\n", certs.Cert, certs.Key))
	want := []string{Name + " " + wanted}
	full := errors.New("full")
	for name, tc := range map[string]struct {
		to      *station
		as      credentials.TransportCredentials
		logs    *logspb.LogsData
		token   string
		options []grpc.CallOption
		emit    *error
		code    codes.Code
		want    []string
	}{
		"plain":         {to: plain, as: insecure.NewCredentials(), logs: export(logRecord()), want: want},
		"TLS":           {to: secure, as: credentials.NewTLS(certs.Client(t, false)), logs: export(logRecord()), want: want},
		"packed":        {to: plain, as: insecure.NewCredentials(), logs: export(logRecord()), options: []grpc.CallOption{grpc.UseCompressor("gzip")}, want: want},
		"a bomb":        {to: plain, as: insecure.NewCredentials(), logs: export(&logspb.LogRecord{Body: str(strings.Repeat("0", 1_000_000))}), options: []grpc.CallOption{grpc.UseCompressor("gzip")}, code: codes.InvalidArgument},
		"too large":     {to: plain, as: insecure.NewCredentials(), logs: export(&logspb.LogRecord{Body: str(strings.Repeat("0", 1_000_000))}), code: codes.Unknown},
		"a wrong token": {to: plain, as: insecure.NewCredentials(), logs: export(logRecord()), token: "wrong", code: codes.Unauthenticated},
		"not stored":    {to: plain, as: insecure.NewCredentials(), logs: export(logRecord()), emit: &full, code: codes.Unavailable},
		"none":          {to: plain, as: insecure.NewCredentials(), logs: &logspb.LogsData{}},
	} {
		tc.to.err.Store(tc.emit)
		ctx := t.Context()
		if tc.token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tc.token)
		}
		err := call(ctx, tc.to.address, tc.as, tc.logs, tc.options...)
		if status.Code(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, tc.to.records()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMessageOf(t *testing.T) {
	for name, tc := range map[string]struct{ body, encoding string }{
		"empty": {"", ""}, "cut": {"\x00\x00\x00\x00\x02a", ""}, "two": {"\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x01a", ""}, "packed as nothing": {"\x01\x00\x00\x00\x01a", ""},
		"packed as another": {"\x01\x00\x00\x00\x01a", "snappy"}, "not packed": {"\x01\x00\x00\x00\x01a", "gzip"}, "a flag": {"\x02\x00\x00\x00\x01a", "gzip"},
	} {
		if m, err := messageOf([]byte(tc.body), tc.encoding, 100); err == nil {
			t.Errorf("%s: %q", name, m)
		}
	}
	if m, err := messageOf([]byte("\x00\x00\x00\x00\x01a"), "", 100); err != nil || string(m) != "a" {
		t.Errorf("%q %v", m, err)
	}
}

func FuzzExport(f *testing.F) {
	whole, err := proto.Marshal(export(logRecord(), logRecord()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add([]byte(asJSON), true)
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		var fm form = protobufForm{}
		if isJSON {
			fm = jsonForm{}
		}
		if !fm.valid(body) {
			return
		}
		tk := &taking{form: fm, now: noon()}
		for rec := range tk.records(body) {
			if rec.Format == "" || rec.Fault == "" && len(rec.Raw) == 0 {
				t.Errorf("%+v", rec)
			}
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x01a"))
	f.Fuzz(func(_ *testing.T, body []byte) { _, _ = messageOf(body, "gzip", 1000) })
}

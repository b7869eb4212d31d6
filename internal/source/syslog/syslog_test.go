package syslog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const (
	said  = `<165>1 2026-01-02T03:04:05.000003Z host.example app 123 ID47 [a@32473 k="v" e="\"\]"] {"action":"made","user":"dana","password":"hunter2hunter2"}`
	plain = `<34>1 2026-01-02T03:04:05Z host.example su - - - dana did it`
	bare  = `<34>1 - - - - - -`
	trail = `{"eventID":"e-1","eventName":"n","eventSource":"s","eventTime":"t"}`
	kept  = `{"facility":20,"severity":5,"timestamp":"2026-01-02T03:04:05.000003Z","hostname":"host.example","app_name":"app","proc_id":"123","msg_id":"ID47",` +
		`"structured_data":{"a@32473":{"e":"\"]","k":"v"}},"message":"{\"action\":\"made\",\"user\":\"dana\",\"password\":\"hunter2hunter2\"}"}`
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func open[R any](t *testing.T, settings string) (R, error) {
	t.Helper()
	var r plug.Registry
	Register(&r)
	return plug.Open[R](t.Context(), &r, Name, plug.Env{Now: noon, Sealer: plugtest.MarkingSealer()}, plug.Settings{File: "f", YAML: []byte(settings)})
}

func mustOpen[R any](t *testing.T, settings string) R {
	t.Helper()
	opened, err := open[R](t, settings)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

const anyone = "listen: 127.0.0.1:0\nanonymous: true\n"

func counting(messages ...string) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%d %s", len(m), m)
	}
	return b.String()
}

func send(ctx context.Context, address, text string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, text)
	return err
}

func TestContracts(t *testing.T) {
	for name, text := range map[string]string{"lines": said + "\n" + plain + "\n", "counted": counting(said, plain)} {
		t.Run(name, func(t *testing.T) {
			plugtest.Receiver(t, plugtest.ReceiverCase{
				Open:    func(t *testing.T) taffrail.EventReceiver { return mustOpen[taffrail.EventReceiver](t, anyone) },
				Send:    func(ctx context.Context, address string) (bool, error) { return true, send(ctx, address, text) },
				Records: 2, Silent: true,
			})
		})
	}
	c := plugtest.DecoderCase{
		Open:    func(t *testing.T, _ taffrail.Sealer) taffrail.Decoder { return mustOpen[taffrail.Decoder](t, "") },
		Records: [][]byte{[]byte(kept)}, WithSecret: []byte(kept), Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

// A message is read as it was sent, and says the same as what is kept of it.
func TestDecode(t *testing.T) {
	d := mustOpen[taffrail.Decoder](t, "")
	e, err := d.Decode([]byte(said))
	if err != nil || e.Action != "made" || e.Actor.ID != "dana" || !e.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 3000, time.UTC)) || e.Digest != sha256.Sum256([]byte(said)) {
		t.Errorf("%+v %v", e, err)
	}
	k, err := d.(taffrail.Keeper).Keep([]byte(said))
	if err == nil {
		err = plugtest.SameEvent(d, []byte(said), k)
	}
	if err != nil || bytes.Contains(k.Record, []byte("hunter2")) || k.Digest != e.Digest {
		t.Errorf("%s: %v", k.Record, err)
	}
	same, err := d.Decode([]byte(kept))
	if same.Digest = e.Digest; err != nil || cmp.Diff(e, same) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(e, same))
	}
	if e, err = d.Decode([]byte(plain)); err != nil || e.Action != "su" || e.Actor.ID != "unknown" {
		t.Errorf("%+v %v", e, err)
	}
	for _, none := range []string{bare, "<34>1 yesterday h a - - - x", "<34>Oct 11 22:14:15 mymachine su: old", "<999>1 - - - - - -", "<34>1 2026-01-02T03:04:05Z host hunter2hunter2"} {
		if _, err := d.Decode([]byte(none)); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", none, err)
		}
	}
}

func TestFrames(t *testing.T) {
	long := "<34>1 " + strings.Repeat("x", 200)
	for name, tc := range map[string]struct {
		text string
		want []string // with the fault before it
		err  error
	}{
		"lines":                      {"<1>a\n<2>b\r\n\n<3>c\x00\n", []string{"<1>a", "<2>b", "<3>c"}, io.EOF},
		"counted":                    {"4 <1>a5 <2>\nb4 <3>c", []string{"<1>a", "<2>\nb", "<3>c"}, io.EOF},
		"counted, with newlines":     {"5 <1>a\n\n5 <2>b\n\n", []string{"<1>a", "<2>b"}, io.EOF},
		"both":                       {"<1>a\n4 <2>b<3>c\n", []string{"<1>a", "<2>b", "<3>c"}, io.EOF},
		"no newline at the end":      {"<1>a\n<2>b", []string{"<1>a", "the connection ended in it: <2>b"}, io.EOF},
		"fewer than were counted":    {"9 <1>a", []string{"the connection ended in it: <1>a"}, io.EOF},
		"a count alone":              {"12", []string{"the connection ended in it: 12"}, io.EOF},
		"no message":                 {"hello\n<1>a\n", []string{"it does not begin as a message does: hello", "<1>a"}, io.EOF},
		"no message counted":         {"5 hello<1>a\n", []string{"it does not begin as a message does: hello", "<1>a"}, io.EOF},
		"too long":                   {long + "\n<1>a\n", []string{"it has 207 bytes, of which the first are here: " + long[:101], "<1>a"}, io.EOF},
		"too long, counted":          {counting(long) + "<1>a\n", []string{"it has 206 bytes, of which the first are here: " + long[:101], "<1>a"}, io.EOF},
		"a count that is none":       {"12x <1>a\n", []string{"the length of a message cannot be read: 12x "}, errFraming},
		"a count beyond all numbers": {"99999999999999999999 <1>a\n", []string{"the length of a message cannot be read: 9999999999"}, errFraming},
	} {
		for _, way := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			from := bufio.NewReader(way(strings.NewReader(tc.text)))
			var got []string
			var err error
			for err == nil {
				var f frame
				if f, err = readFrame(from, 100); len(f.text) > 0 {
					if f.fault != "" {
						f.fault += ": "
					}
					got = append(got, f.fault+string(f.text))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || !errors.Is(err, tc.err) {
				t.Errorf("%s: %v\n%s", name, err, diff)
			}
		}
	}
}

// A station is a receiver that runs.
type station struct {
	t       *testing.T
	address string
	all     chan taffrail.Record
	origins chan string
	refuse  atomic.Int32 // how many batches are still refused
	end     func() error
}

func start(t *testing.T, r taffrail.EventReceiver) *station {
	t.Helper()
	s := &station{t: t, all: make(chan taffrail.Record, 10_000), origins: make(chan string, 10_000)}
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(_ context.Context, b taffrail.Batch) error {
			if s.refuse.Add(-1) >= 0 {
				return errors.New("the disk is full")
			}
			for _, rec := range b.Records {
				s.all <- rec
			}
			s.origins <- b.Origin
			return nil
		})
	}()
	s.end = func() error { cancel(); return <-ended }
	t.Cleanup(cancel)
	s.address = <-ready
	return s
}

// wants waits for records.
func (s *station) wants(name string, want ...taffrail.Record) {
	s.t.Helper()
	for i, w := range want {
		select {
		case got := <-s.all:
			if diff := cmp.Diff(w, got); diff != "" {
				s.t.Errorf("%s, record %d: %s", name, i, diff)
			}
		case <-time.After(20 * time.Second):
			s.t.Fatalf("%s: record %d never came", name, i)
		}
	}
}

func own(raw string) taffrail.Record { return taffrail.Record{Format: Name, Raw: []byte(raw)} }

func TestReceives(t *testing.T) {
	s := start(t, mustOpen[taffrail.EventReceiver](t, anyone))
	withTrail := `<34>1 2026-01-02T03:04:05Z h a - - - ` + trail
	for name, tc := range map[string]struct {
		text string
		want []taffrail.Record
	}{
		"lines":                 {said + "\n" + plain + "\n", []taffrail.Record{own(said), own(plain)}},
		"counted":               {counting(said, plain), []taffrail.Record{own(said), own(plain)}},
		"CloudTrail":            {withTrail + "\n", []taffrail.Record{{Format: "cloudtrail", Raw: []byte(trail)}}},
		"with a mark":           {strings.Replace(withTrail, "{", "\ufeff{", 1) + "\n", []taffrail.Record{{Format: "cloudtrail", Raw: []byte(trail)}}},
		"without a time":        {bare + "\n", []taffrail.Record{own(`{"facility":4,"severity":2,"taffrail":{"received":"2026-01-02T12:00:00Z"}}`)}},
		"of the old kind":       {"<34>Oct 11 22:14:15 mymachine su: old\n" + plain + "\n", []taffrail.Record{{Format: Name, Raw: []byte("<34>Oct 11 22:14:15 mymachine su: old"), Fault: "it is no message of RFC 5424"}, own(plain)}},
		"cut off":               {plain, []taffrail.Record{{Format: Name, Raw: []byte(plain), Fault: "the connection ended in it"}}},
		"whatever is said here": {"GET / HTTP/1.1\r\n\r\n", []taffrail.Record{{Format: Name, Raw: []byte("GET / HTTP/1.1"), Fault: "it does not begin as a message does"}}},
	} {
		if err := send(t.Context(), s.address, tc.text); err != nil {
			t.Fatal(err)
		}
		s.wants(name, tc.want...)
	}
	if origin := <-s.origins; origin != "127.0.0.1" {
		t.Errorf("origin %q", origin)
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

// What the log refuses is offered to it again, in order, and nothing is lost.
func TestWhatIsRefusedIsOfferedAgain(t *testing.T) {
	r := mustOpen[taffrail.EventReceiver](t, anyone).(*receiver)
	r.times.pause = time.Millisecond
	s := start(t, r)
	s.refuse.Store(5)
	var text strings.Builder
	var want []taffrail.Record
	for i := range 3 * batchRecords {
		m := fmt.Sprintf("%s %d", plain, i)
		text.WriteString(m + "\n")
		want = append(want, own(m))
	}
	if err := send(t.Context(), s.address, text.String()); err != nil {
		t.Fatal(err)
	}
	s.wants("all", want...)
}

// A connection from which nothing is taken is not read: what its sender writes stays with the sender.
func TestNothingIsReadBeforeWhatWasReadIsStored(t *testing.T) {
	r := mustOpen[taffrail.EventReceiver](t, anyone).(*receiver)
	s := start(t, r)
	s.refuse.Store(1 << 30)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	line := bytes.Repeat([]byte(plain+"\n"), 1000)
	written := 0
	for range 10_000 { // of 60 KB each
		n, err := conn.Write(line)
		written += n
		if err != nil {
			t.Logf("%d bytes were written before the sender had to wait", written)
			return
		}
	}
	t.Errorf("%d bytes were read, and none of them is stored", written)
}

func TestOverTLS(t *testing.T) {
	certs := plugtest.NewCertificates(t)
	r := mustOpen[taffrail.EventReceiver](t, fmt.Sprintf("listen: 127.0.0.1:0\ntls: {cert: %s, key: %s, client_ca: %s}\n", certs.Cert, certs.Key, certs.CA))
	s := start(t, r)
	conn, err := tls.Dial("tcp", s.address, certs.Client(t, true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, counting(said)); err != nil {
		t.Fatal(err)
	}
	s.wants("with a certificate", own(said))
	if origin := <-s.origins; origin != "sender at 127.0.0.1" {
		t.Errorf("origin %q", origin)
	}
	if conn, err := tls.Dial("tcp", s.address, certs.Client(t, false)); err == nil {
		_, _ = io.WriteString(conn, counting(said)) // with TLS 1.3 the refusal comes after the handshake
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("without a certificate: %v", err)
		}
	}
	if len(s.all) > 0 {
		t.Errorf("%s was taken", (<-s.all).Raw)
	}
	_ = conn.Close()
}

func TestWhoNeverBeginsTheHandshakeIsCutOff(t *testing.T) {
	certs := plugtest.NewCertificates(t)
	r := mustOpen[taffrail.EventReceiver](t, fmt.Sprintf("listen: 127.0.0.1:0\nanonymous: true\ntls: {cert: %s, key: %s}\n", certs.Cert, certs.Key)).(*receiver)
	r.times.handshake = 50 * time.Millisecond
	s := start(t, r)
	silent, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who never begins the handshake is not cut off: %v", err)
	}
}

func TestASlowMessageIsCutOff(t *testing.T) {
	r := mustOpen[taffrail.EventReceiver](t, anyone).(*receiver)
	r.times.message = 200 * time.Millisecond
	s := start(t, r)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, plain+"\n"+plain[:20]); err != nil {
		t.Fatal(err)
	}
	s.wants("cut off", own(plain), taffrail.Record{Format: Name, Raw: []byte(plain[:20]), Fault: "the connection ended in it"})
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is not cut off: %v", err)
	}
}

// What was read when it ends is stored, and an idle connection does not hold it up.
func TestEnd(t *testing.T) {
	s := start(t, mustOpen[taffrail.EventReceiver](t, anyone))
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, plain+"\n"); err != nil {
		t.Fatal(err)
	}
	s.wants("before", own(plain))
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	for settings, want := range map[string]string{
		anyone + "tokens_file: /x\n": "no syslog message carries one", anyone + "token_digests: [x]\n": "no syslog message carries one", anyone + "max_message: -1\n": "negative",
		"listen: 127.0.0.1:0\n": "anyone", "udp: true\n": "udp",
	} {
		if _, err := open[taffrail.EventReceiver](t, settings); err == nil || !strings.Contains(err.Error(), want) || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("4 <1>a<2>b\n12x \n"), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, limit uint8) {
		from := bufio.NewReaderSize(bytes.NewReader(text), 16)
		for n := 0; ; n++ {
			fr, err := readFrame(from, int(limit)+1)
			if len(fr.text) > max(keptOfLong, int(limit)+2, maxDigits+1) || n > len(text) {
				t.Fatalf("a frame of %d bytes, number %d", len(fr.text), n)
			}
			if err != nil {
				return
			}
			ready(from)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(said))
	f.Add([]byte(bare))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parse(text)
		if err != nil {
			return
		}
		if len(m.object()) == 0 {
			t.Error("it cannot be written")
		}
	})
}

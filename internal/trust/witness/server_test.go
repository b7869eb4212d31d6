package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

func newestOf(origin string) string {
	return fmt.Sprintf("/%x/checkpoint", sha256.Sum256([]byte(origin)))
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHandlerAnswers(t *testing.T) {
	h, unknown := newHistory(t, "log.example/a"), newHistory(t, "log.example/unknown")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	thief := h.fork()
	ten := h.growth(0, h.grow(10, "a"))
	forged := bytes.Replace(ten.Text(), []byte("\n10\n"), []byte("\n11\n"), 1)
	twenty := h.growth(10, h.grow(20, "a"))
	for _, tc := range []struct {
		name   string
		method string
		path   string
		body   []byte
		status int
		media  string
		want   string // the body; "" is not looked at
	}{
		{"nothing yet", "GET", newestOf(h.origin), nil, 404, "text/plain; charset=utf-8", ""},
		{"the first", "POST", "/add-checkpoint", ten.Text(), 200, "text/plain; charset=utf-8", ""},
		{"an unknown log", "POST", "/add-checkpoint", unknown.growth(0, unknown.grow(1, "u")).Text(), 404, "text/plain; charset=utf-8", ""},
		{"a forged one", "POST", "/add-checkpoint", forged, 403, "text/plain; charset=utf-8", ""},
		{"garbage", "POST", "/add-checkpoint", []byte("garbage"), 400, "text/plain; charset=utf-8", ""},
		{"nothing", "POST", "/add-checkpoint", nil, 400, "text/plain; charset=utf-8", ""},
		{"an old size beyond", "POST", "/add-checkpoint", audit.Growth{Old: 30, Checkpoint: twenty.Checkpoint}.Text(), 400, "text/plain; charset=utf-8", ""},
		{"too many hashes", "POST", "/add-checkpoint", audit.Growth{Old: 10, Proof: slices.Repeat(twenty.Proof[:1], 64), Checkpoint: twenty.Checkpoint}.Text(), 400, "text/plain; charset=utf-8", ""},
		{"too much", "POST", "/add-checkpoint", bytes.Repeat([]byte("x"), maxRequest+1), 413, "text/plain; charset=utf-8", ""},
		{"another old size", "POST", "/add-checkpoint", h.growth(5, h.grow(20, "a")).Text(), 409, "text/x.tlog.size", "10\n"},
		{"another tree", "POST", "/add-checkpoint", thief.growth(10, thief.grow(10, "b")).Text(), 409, "text/plain; charset=utf-8", audit.ErrOtherTree.Error() + "\n"},
		{"no proof", "POST", "/add-checkpoint", audit.Growth{Old: 10, Checkpoint: twenty.Checkpoint}.Text(), 422, "text/plain; charset=utf-8", ""},
		{"a fork", "POST", "/add-checkpoint", thief.growth(10, thief.grow(20, "b")).Text(), 422, "text/plain; charset=utf-8", ""},
		{"growth", "POST", "/add-checkpoint", twenty.Text(), 200, "text/plain; charset=utf-8", ""},
		{"the newest", "GET", newestOf(h.origin), nil, 200, "text/plain; charset=utf-8", ""},
		{"an unknown log's newest", "GET", newestOf(unknown.origin), nil, 404, "text/plain; charset=utf-8", ""},
		{"another verb", "GET", "/add-checkpoint", nil, 405, "text/plain; charset=utf-8", ""},
		{"another path", "POST", "/", nil, 404, "text/plain; charset=utf-8", ""},
	} {
		r := s.ask(tc.method, tc.path, tc.body)
		got := body(t, r)
		if r.StatusCode != tc.status || r.Header.Get("Content-Type") != tc.media || tc.want != "" && got != tc.want {
			t.Errorf("%s: status %d, %s, %q", tc.name, r.StatusCode, r.Header.Get("Content-Type"), got)
		}
	}
}

// The newest is what an auditor opens with a policy, and without the log's signature where this process did not see it.
func TestHandlerTellsTheNewest(t *testing.T) {
	h := newHistory(t, "log.example/a")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	cp := h.grow(10, "a")
	_, lines, _ := bytes.Cut(cp.Note, []byte("\n\n"))
	line := strings.Replace(string(lines), h.origin, "strange.example/x", 1)
	g := h.growth(0, cp)
	g.Checkpoint = append(bytes.Clone(cp.Note), line...)
	if r := s.ask("POST", "/add-checkpoint", g.Text()); r.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", r.StatusCode, body(t, r))
	}
	policy, err := audit.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness w %s\nquorum w\n", h.vkey, s.vkey))
	if err != nil {
		t.Fatal(err)
	}
	msg := body(t, s.ask("GET", newestOf(h.origin), nil))
	signed, err := policy.Open([]byte(msg))
	if err != nil || !signed.Quorum || signed.Head != cp.Head || strings.Contains(msg, "strange") {
		t.Errorf("%q is %+v, %v", msg, signed, err)
	}
	// Another process went on meanwhile: what the log signed before does not stand under what it signed there.
	guard, _ := s.memory.of(h.origin)
	cp = h.grow(11, "a")
	if err := guard.Swap(t.Context(), signed.Head, cp.Head); err != nil {
		t.Fatal(err)
	}
	msg = body(t, s.ask("GET", newestOf(h.origin), nil))
	n, err := note.Open([]byte(msg), note.VerifierList(s.verifier))
	if err != nil || len(n.UnverifiedSigs) > 0 {
		t.Fatalf("%q: %v", msg, err)
	}
	if head, err := audit.ParseCheckpoint([]byte(n.Text)); err != nil || head != cp.Head {
		t.Errorf("%q is %+v, %v", msg, head, err)
	}
}

func TestHandlerGrantsARate(t *testing.T) {
	a, b := newHistory(t, "log.example/a"), newHistory(t, "log.example/b")
	now := noon
	s := newStation(t, "witness.example/w", func() time.Time { return now }, func(o *Options) { o.Every, o.Burst = 10*time.Second, 2 }, a, b)
	good := a.growth(0, a.grow(10, "a")).Text()
	again := a.growth(10, a.grow(10, "a")).Text()
	forged := bytes.Replace(good, []byte("\n10\n"), []byte("\n11\n"), 1)
	ask := func(request []byte, want int) *http.Response {
		t.Helper()
		r := s.ask("POST", "/add-checkpoint", request)
		if r.StatusCode != want {
			t.Errorf("status is %d, want %d", r.StatusCode, want)
		}
		return r
	}
	for range 5 { // whoever forges takes nothing away
		ask(forged, 403)
	}
	ask(good, 200)
	ask(again, 200)
	if wait := ask(again, 429).Header.Get("Retry-After"); wait != "10" {
		t.Errorf("it is to be asked again after %q", wait)
	}
	ask(b.growth(0, b.grow(3, "b")).Text(), 200) // each log for itself
	now = now.Add(9500 * time.Millisecond)
	if wait := ask(again, 429).Header.Get("Retry-After"); wait != "1" {
		t.Errorf("it is to be asked again after %q", wait)
	}
	now = now.Add(500 * time.Millisecond)
	ask(again, 200)
	reads := 0
	for reads < 100 && s.ask("GET", newestOf(a.origin), nil).StatusCode == http.StatusOK {
		reads++
	}
	if reads != 20 {
		t.Errorf("%d readings at once", reads)
	}
}

// What is wrong on the witness's side is for its operator alone.
func TestHandlerHidesWhatIsWrongWithIt(t *testing.T) {
	h := newHistory(t, "log.example/a")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	var logged bytes.Buffer
	w := s.logs.Witness(s.witness.Signer, func(string) (audit.Guard, error) {
		return nil, &taffrail.Error{Op: "open guard", Kind: taffrail.KindDenied, Err: errors.New("/secret/place")}
	})
	s.handler = Handler(w, Options{Origins: s.logs.Origins(), Now: atNoon, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	for _, r := range []*http.Response{s.ask("POST", "/add-checkpoint", h.growth(0, h.grow(1, "a")).Text()), s.ask("GET", newestOf(h.origin), nil)} {
		if text := body(t, r); r.StatusCode != http.StatusInternalServerError || strings.Contains(text, "secret") {
			t.Errorf("status %d: %s", r.StatusCode, text)
		}
	}
	if strings.Count(logged.String(), "/secret/place") != 2 {
		t.Errorf("the operator sees %q", logged.String())
	}
}

// A recorder keeps every swap of a guard, and lets others go first where that could hurt.
type recorder struct {
	audit.Guard
	mu    sync.Mutex
	swaps []audit.Head
}

func (g *recorder) Swap(ctx context.Context, old, new audit.Head) error {
	err := g.Guard.Swap(ctx, old, new)
	if err == nil {
		g.mu.Lock()
		g.swaps = append(g.swaps, new)
		g.mu.Unlock()
	}
	for range 20 {
		runtime.Gosched()
	}
	return err
}

// Many at once, of which half show another history under the same key: one history is cosigned, in one order, and no
// cosignature is younger than one of a larger tree.
func TestHandlerKeepsOneOrder(t *testing.T) {
	ours := newHistory(t, "log.example/a")
	theirs := ours.fork()
	var clock atomic.Int64
	tick := func() time.Time { return noon.Add(time.Duration(clock.Add(1)) * time.Second) }
	s := newStation(t, "witness.example/w", tick, nil, ours)
	guard, _ := s.memory.of(ours.origin)
	record := &recorder{Guard: guard}
	s.handler = Handler(s.logs.Witness(s.witness.Signer, func(string) (audit.Guard, error) { return record, nil }),
		Options{Origins: s.logs.Origins(), Now: tick, Logger: slog.New(slog.DiscardHandler), Burst: 1 << 20})
	const sizes = 12
	requests := map[*history][sizes + 1][sizes + 1][]byte{}
	for _, h := range []*history{ours, theirs} {
		var all [sizes + 1][sizes + 1][]byte
		mark := map[bool]string{true: "ours", false: "theirs"}[h == ours]
		for to := range int64(sizes + 1) {
			cp := h.grow(to, mark)
			for from := range to + 1 {
				all[from][to] = h.growth(from, cp).Text()
			}
		}
		requests[h] = all
	}
	type seen struct {
		at   time.Time
		size int64
		root string
	}
	var mu sync.Mutex
	var cosigned []seen
	keep := func(msg []byte) {
		n, err := note.Open(msg, note.VerifierList(s.verifier))
		if err != nil {
			t.Error(err)
			return
		}
		head, err := audit.ParseCheckpoint([]byte(n.Text))
		at, atErr := audit.CosignedAt(n.Sigs[0])
		if err := errors.Join(err, atErr); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		cosigned = append(cosigned, seen{at, head.Size, head.Root.String()})
	}
	var wg sync.WaitGroup
	for i := range 16 {
		h := ours
		if i%2 == 1 {
			h = theirs
		}
		all := requests[h]
		wg.Go(func() {
			for from, to := 0, 1+i%3; to <= sizes; {
				r := s.ask("POST", "/add-checkpoint", all[from][to])
				text := body(t, r)
				switch r.StatusCode {
				case http.StatusOK:
					_, checkpoint, _ := bytes.Cut(all[from][to], []byte("\n\n"))
					head, _, _ := bytes.Cut(checkpoint, []byte("\n\n"))
					keep(append(append(bytes.Clone(head), "\n\n"...), text...))
					from, to = to, to+1+i%2
				case http.StatusConflict:
					size, ok := parseSize([]byte(text))
					if !ok {
						return // another tree of this size
					}
					from, to = int(size), max(to, int(size))
				default:
					return
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				if r := s.ask("GET", newestOf(ours.origin), nil); r.StatusCode == http.StatusOK {
					keep([]byte(body(t, r)))
				}
			}
		})
	}
	wg.Wait()
	for i, head := range record.swaps {
		if i > 0 && head.Size < record.swaps[i-1].Size {
			t.Errorf("size %d comes after %d", head.Size, record.swaps[i-1].Size)
		}
	}
	if len(cosigned) < sizes/2 {
		t.Fatalf("only %d were cosigned", len(cosigned))
	}
	slices.SortFunc(cosigned, func(a, b seen) int { return a.at.Compare(b.at) })
	roots := map[int64]string{}
	for i, c := range cosigned {
		if roots[c.size] == "" {
			roots[c.size] = c.root
		}
		if roots[c.size] != c.root {
			t.Errorf("two trees of size %d were cosigned", c.size)
		}
		if i > 0 && c.size < cosigned[i-1].size {
			t.Errorf("size %d was cosigned at %v, after size %d", c.size, c.at, cosigned[i-1].size)
		}
	}
	if !followsOne(t, roots, ours, theirs) {
		t.Error("what was cosigned is of two histories")
	}
}

// followsOne says whether all roots are those of one history.
func followsOne(t *testing.T, roots map[int64]string, histories ...*history) bool {
	t.Helper()
	for _, h := range histories {
		all := true
		err := h.storage.View(t.Context(), func(r audit.Reader) error {
			return r.Checkpoints(func(size int64, msg []byte) error {
				cp, err := audit.OpenCheckpoint(msg, h.verifier)
				all = all && (roots[size] == "" || roots[size] == cp.Root.String())
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if all {
			return true
		}
	}
	return false
}

// What is being answered when the end comes is answered, and nothing after it.
func TestServeEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in, out := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(in)
			<-out
			if r.Context().Err() != nil {
				t.Error("the request was given up")
			}
			_, _ = io.WriteString(w, "done")
		}), slog.New(slog.DiscardHandler))
	}()
	got := make(chan string)
	go func() {
		r, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		got <- body(t, r)
	}()
	<-in
	cancel()
	for { // the end begins with the listener
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(out)
	if text := <-got; text != "done" {
		t.Errorf("the answer is %q", text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), l, nil, slog.New(slog.DiscardHandler)); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Errorf("a closed listener: %v", err)
	}
}

func TestParseLogs(t *testing.T) {
	a, b := newHistory(t, "log.example/a"), newHistory(t, "log.example/b")
	second := newHistory(t, "log.example/a")
	text := fmt.Sprintf("log %s https://log.example/a\nlog %s\n# taffrail:valid %s 0 10\n# taffrail:valid %s 10 -\nlog %s\n",
		a.vkey, second.vkey, a.ring.Keys().Newest().ID(), second.ring.Keys().Newest().ID(), b.vkey)
	logs, err := ParseLogs([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"log.example/a", "log.example/b"}, logs.Origins()); diff != "" {
		t.Error(diff)
	}
	s := newStation(t, "witness.example/w", atNoon, nil, a)
	w := logs.Witness(s.witness.Signer, s.memory.of)
	for _, tc := range []struct {
		h    *history
		size int64
		want error
	}{{second, 5, audit.ErrNotTheLogs}, {second, 9, audit.ErrNotTheLogs}, {a, 9, nil}, {a, 10, audit.ErrNotTheLogs}} {
		g := tc.h.growth(0, tc.h.grow(tc.size, "x"))
		if _, err := w.AddCheckpoint(t.Context(), g); !errors.Is(err, tc.want) {
			t.Errorf("size %d: %v, want %v", tc.size, err, tc.want)
		}
	}
	if _, err := ParseLogs([]byte(text + "witness w " + s.vkey + "\nquorum w\n")); err != nil {
		t.Errorf("a whole policy: %v", err)
	}
	for _, text := range []string{"", "# nothing", "log x", "log " + a.vkey + "\nlog " + a.vkey, "log " + s.vkey, "quorum none", "logs " + a.vkey} {
		if _, err := ParseLogs([]byte(text)); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseLogs(f *testing.F) {
	h := newHistory(f, "log.example/a")
	f.Add([]byte("log " + h.vkey + "\n# taffrail:valid " + h.ring.Keys().Newest().ID() + " 0 10\n"))
	f.Add([]byte("quorum\tnone\nlog x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if logs, err := ParseLogs(text); err == nil && len(logs.Origins()) == 0 {
			t.Errorf("%q: no log, and no error", text)
		}
	})
}

// FuzzHandler gives the handler what it likes. It answers with a status of the protocol, and cosigns nothing but growth.
func FuzzHandler(f *testing.F) {
	h := newHistory(f, "log.example/a")
	first := h.growth(0, h.grow(10, "a"))
	second := h.growth(10, h.grow(20, "a"))
	for _, g := range []audit.Growth{first, second, {Old: 10, Checkpoint: second.Checkpoint}, {Old: 20, Checkpoint: second.Checkpoint}} {
		f.Add(g.Text())
	}
	f.Add([]byte("old 0\n\nlog.example/a\n0\n"))
	known := map[string]bool{}
	for _, g := range []audit.Growth{first, second} {
		text, _, _ := bytes.Cut(g.Checkpoint, []byte("\n\n"))
		known[string(text)] = true
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		s := newStation(t, "witness.example/w", atNoon, nil, h)
		if r := s.ask("POST", "/add-checkpoint", first.Text()); r.StatusCode != http.StatusOK {
			t.Fatal(r.StatusCode)
		}
		r := s.ask("POST", "/add-checkpoint", request)
		if !slices.Contains([]int{200, 400, 403, 404, 409, 413, 422}, r.StatusCode) {
			t.Errorf("status %d", r.StatusCode)
		}
		if r.StatusCode != http.StatusOK {
			return
		}
		_, checkpoint, _ := bytes.Cut(request, []byte("\n\n"))
		text, _, _ := bytes.Cut(checkpoint, []byte("\n\n"))
		if !known[string(text)] {
			t.Errorf("%q was cosigned", text)
		}
		if _, err := audit.AddCosignatures(checkpoint, []byte(body(t, r)), s.verifier); err != nil {
			t.Error(err)
		}
	})
}

// FuzzAnswer gives the client any answer. What it takes has the form of signature lines, and all else is an error.
func FuzzAnswer(f *testing.F) {
	h := newHistory(f, "log.example/a")
	s := newStation(f, "witness.example/w", atNoon, nil, h)
	g := h.growth(0, h.grow(10, "a"))
	line, err := s.witness.AddCheckpoint(f.Context(), g)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, "", line)
	f.Add(200, "", append([]byte("— other.example/w AAAAAAAA\n"), line...))
	f.Add(409, sizeType, []byte("10\n"))
	f.Add(429, "", []byte(""))
	c, err := tryOpen(f, atNoon, "url: http://w.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, media string, text []byte) {
		if status != http.StatusOK {
			if err := c.(*client).refused(g, &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {media}}}, text); err == nil {
				t.Error("it is no error")
			}
			return
		}
		for line := range bytes.Lines(text) {
			if signatures(g.Checkpoint, text) && (!bytes.HasPrefix(line, []byte("— ")) || !bytes.HasSuffix(line, []byte("\n"))) {
				t.Errorf("%q is taken for a signature line", line)
			}
		}
	})
}

// An installation is a log, the witness that it is for another one, and the panel that it asks.
type installation struct {
	log     *history
	keys    audit.Keys
	policy  *audit.Policy
	panel   *audit.Panel
	witness *station
	url     string // of its witness
}

// Two installations cosign each other's logs over real HTTP, which their auditors read with the code of others, too.
func TestTwoInstallationsWitnessEachOther(t *testing.T) {
	left, right := &installation{log: newHistory(t, "left.example/log")}, &installation{log: newHistory(t, "right.example/log")}
	left.witness = newStation(t, "left.example/witness", atNoon, nil, right.log)
	right.witness = newStation(t, "right.example/witness", atNoon, nil, left.log)
	left.serve(t)
	right.serve(t)
	left.ask(t, right)
	right.ask(t, left)
	for _, size := range []int64{1, 7, 300} {
		for _, i := range []*installation{left, right} {
			cp := i.log.grow(size, "x")
			hearing, err := i.panel.Ask(t.Context(), i.log.storage, i.keys)
			if err != nil || !hearing.Quorum || hearing.Head != cp.Head {
				t.Fatalf("%+v, %v", hearing, err)
			}
			other := map[*installation]*installation{left: right, right: left}[i]
			if !satisfied(t, other.witness.vkey, other.url, hearing.Note) {
				t.Errorf("another implementation is not satisfied with %q", hearing.Note)
			}
		}
	}
	// One of them is set back and goes on from there, under its key. The other one does not go along.
	left.log = left.log.fork()
	left.log.grow(7, "y")
	left.ask(t, right)
	var corrupt *audit.CorruptError
	if hearing, err := left.panel.Ask(t.Context(), left.log.storage, left.keys); !errors.As(err, &corrupt) || hearing.Quorum {
		t.Errorf("a log that was set back: %+v, %v", hearing, err)
	}
	left.log.grow(301, "y")
	if hearing, err := left.panel.Ask(t.Context(), left.log.storage, left.keys); !errors.As(err, &corrupt) || !errors.Is(err, audit.ErrUnprovedTree) || hearing.Quorum {
		t.Errorf("a fork: %+v, %v", hearing, err)
	}
	r, err := http.Get(right.url + newestOf(left.log.origin))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, r); !strings.HasPrefix(text, "left.example/log\n300\n") || !satisfied(t, right.witness.vkey, right.url, []byte(text)) {
		t.Errorf("the newest is %q", text)
	}
}

func (i *installation) serve(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, i.witness.handler, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// ask has the witness of another installation in its panel.
func (i *installation) ask(t *testing.T, other *installation) {
	t.Helper()
	var err error
	if i.policy, err = audit.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness other %s %s\nquorum other\n", i.log.vkey, other.witness.vkey, other.url)); err != nil {
		t.Fatal(err)
	}
	if i.keys, err = i.policy.Keys(i.log.origin); err != nil {
		t.Fatal(err)
	}
	ways := map[string]audit.Cosigning{"other": open(t, atNoon, "url: "+i.policy.Witnesses[0].URL)}
	i.panel = audit.NewPanel(i.policy, ways, time.Minute, atNoon)
}

package socket

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

func TestRegister(t *testing.T) {
	var r plug.Registry
	Register(&r)
	settings := plug.Settings{File: "f", YAML: []byte("path: /run/taffrail/signer.sock\nuids: [1001]\n")}
	if _, err := plug.Open[audit.RemoteSigner](t.Context(), &r, "socket", plug.Env{}, settings); err != nil {
		t.Error(err)
	}
	if _, err := plug.Open[audit.SignerServer](t.Context(), &r, "socket", plug.Env{}, settings); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "path: signer.sock", "path: /a/../b", "path: /a\ntimeout: -1s", "path: /a\nuids: [-1]", "path: /" + strings.Repeat("a", 120)} {
		settings.YAML = []byte(text)
		_, client := plug.Open[audit.RemoteSigner](t.Context(), &r, "socket", plug.Env{}, settings)
		_, server := plug.Open[audit.SignerServer](t.Context(), &r, "socket", plug.Env{}, settings)
		for _, err := range []error{client, server} {
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

// TestLog keeps a log by a signer that is elsewhere.
func TestLog(t *testing.T) {
	w := newWorld(t).serve()
	storage, signer := audittest.NewMemory(), w.client()
	if _, err := audit.Open(t.Context(), storage, signer); !errors.Is(err, audit.ErrNoLog) {
		t.Fatalf("open: %v", err)
	}
	l, err := audit.Begin(t.Context(), storage, signer)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		appendTo(t, storage, n+1)
		if _, err := l.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := audit.Begin(t.Context(), storage, signer); !errors.Is(err, audit.ErrExists) {
		t.Errorf("begin again: %v", err)
	}
	if l, err = audit.Open(t.Context(), storage, w.client()); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Verify(t.Context(), nil); err != nil || r.Size != 210 || r.Signed != 210 {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func appendTo(t *testing.T, s audit.Storage, n int) {
	t.Helper()
	err := s.Write(t.Context(), func(w audit.Writer) error {
		for i := range n {
			if _, err := audit.Append(w, fmt.Appendf(nil, "entry %d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFaults lets each durable step of the other process fail, before and after it took effect. Nothing that was acknowledged is lost, and
// the next signature works.
func TestFaults(t *testing.T) {
	for _, fault := range audittest.Matrix() {
		if fault.Step != audittest.GuardSwap && fault.Step != audittest.Signature {
			continue // the client's own
		}
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t).serve()
			storage, signer := audittest.NewMemory(), w.client()
			l, err := audit.Begin(t.Context(), storage, signer)
			if err != nil {
				t.Fatal(err)
			}
			appendTo(t, storage, 5)
			w.faults.Arm(fault, nil)
			if _, err := l.Sign(t.Context()); err == nil || !strings.Contains(err.Error(), audittest.ErrInjected.Error()) {
				t.Fatalf("sign: %v", err)
			}
			if !w.faults.Disarm() {
				t.Fatal("the fault did not happen")
			}
			cp, err := l.Sign(t.Context())
			if err != nil || cp.Size != 5 {
				t.Fatalf("sign: size %d, %v", cp.Size, err)
			}
			if r, err := l.Verify(t.Context(), nil); err != nil || r.Signed != 5 {
				t.Errorf("verify: %+v, %v", r, err)
			}
		})
	}
}

// seen is what callers look at in an error.
type seen struct {
	Text, Hint string
	Kind       taffrail.Kind
	Is         []string
	Corrupt    *audit.CorruptError
	Cause      string
	Stopped    bool
}

func see(err error) (s seen) {
	if err == nil {
		return s
	}
	s.Text, s.Kind, s.Hint = err.Error(), taffrail.KindOf(err), taffrail.HintOf(err)
	for _, name := range slices.Sorted(maps.Keys(sentinels)) {
		if errors.Is(err, sentinels[name]) {
			s.Is = append(s.Is, name)
		}
	}
	var c *audit.CorruptError
	if errors.As(err, &c) {
		without := *c
		if c.Err != nil {
			s.Cause = c.Err.Error()
		}
		without.Err, s.Corrupt = nil, &without
	}
	return s
}

// TestLies asks for what must be refused, of a signer in the same process and of one elsewhere: both refuse in the same way.
func TestLies(t *testing.T) {
	l := &tree{t: t}
	l.grow(20)
	other := func(h audit.Head) audit.Head { h.Root[0] ^= 1; return h }
	otherTree := func(n tlog.Tree) tlog.Tree { n.Hash[0] ^= 1; return n }
	for name, lie := range map[string]struct {
		old   audit.Head
		new   tlog.Tree
		proof tlog.TreeProof
		is    error // nil is a corrupt one
	}{
		"old is too old":          {l.head(3), l.at(12), l.proof(3, 12), audit.ErrConflict},
		"old was never signed":    {l.head(9), l.at(12), l.proof(9, 12), audit.ErrConflict},
		"old has another root":    {other(l.head(7)), otherTree(l.at(7)), nil, audit.ErrConflict},
		"there was no log":        {audit.Head{}, l.at(0), nil, audit.ErrConflict},
		"begins with entries":     {audit.Head{}, l.at(5), nil, nil},
		"smaller":                 {l.head(7), l.at(6), nil, nil},
		"same size, other root":   {l.head(7), otherTree(l.at(7)), nil, nil},
		"no proof":                {l.head(7), l.at(12), nil, nil},
		"proof of another growth": {l.head(7), l.at(12), l.proof(7, 13), nil},
		"other root than proved":  {l.head(7), otherTree(l.at(12)), l.proof(7, 12), nil},
		"another log's state":     {audit.Head{Origin: "x", Size: 7, Root: l.head(7).Root}, l.at(12), l.proof(7, 12), nil},
		"proof too long":          {l.head(7), l.at(12), append(l.proof(7, 12), tlog.Hash{}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			local := audit.NewSigner(w.ring, w.guard)
			l := &tree{t: t}
			l.begin(local, 7)
			_, here := local.Sign(t.Context(), lie.old, lie.new, lie.proof)
			_, there := w.client().Sign(t.Context(), lie.old, lie.new, lie.proof)
			if diff := cmp.Diff(see(here), see(there)); diff != "" {
				t.Errorf("in the same process and elsewhere:\n%s", diff)
			}
			var c *audit.CorruptError
			if lie.is != nil && !errors.Is(there, lie.is) || lie.is == nil && !errors.As(there, &c) {
				t.Errorf("error is %v", there)
			}
			if held, err := w.guard.Load(t.Context()); err != nil || held != l.head(7) {
				t.Errorf("held is %+v, %v", held, err)
			}
		})
	}
}

// A failing signer answers everything with one error.
type failing struct{ err error }

func (f failing) Head(context.Context) (audit.Head, error) { return audit.Head{}, f.err }
func (f failing) Sign(context.Context, audit.Head, tlog.Tree, tlog.TreeProof) ([]byte, error) {
	return nil, f.err
}
func (f failing) Keys(context.Context) (audit.Keys, error) { return audit.Keys{}, f.err }
func (f failing) Rotate(context.Context, int64, int64) (audit.Keys, error) {
	return audit.Keys{}, f.err
}
func (f failing) Revoke(context.Context, string, int64) (audit.Keys, error) {
	return audit.Keys{}, f.err
}

// TestErrorsTravel: whatever the signer's error is, callers see the same in it at the other end.
func TestErrorsTravel(t *testing.T) {
	all := []error{
		errors.New("plain"),
		fmt.Errorf("load guard state: %w", audit.ErrNoHead),
		&taffrail.Error{Op: "swap guard state", Kind: taffrail.KindUnavailable, Hint: "make room", Err: errors.New("the volume is full")},
		fmt.Errorf("swap guard state: %w", &taffrail.Error{Kind: taffrail.KindConflict, Err: fmt.Errorf("size 3 is held: %w", audit.ErrConflict)}),
		&audit.CorruptError{Part: audit.PartGuard, What: "a", From: 3, To: 9, Hint: "look", Err: errors.New("b")},
		&taffrail.Error{
			Op: "load guard state", Kind: taffrail.KindCorrupt, Hint: "bring it back",
			Err: &audit.CorruptError{Part: audit.PartGuard, What: "guard.json", Hint: "bring it back", Err: errors.New("torn")},
		},
		errors.Join(audit.ErrNoKey, audit.ErrKeyRange), &taffrail.Error{Kind: taffrail.KindDenied},
		errors.New("é " + strings.Repeat("x", 100)),
	}
	for _, sentinel := range sentinels {
		all = append(all, sentinel)
	}
	for _, err := range all {
		w := newWorld(t)
		w.signer, w.control = failing{err}, failing{err}
		c := w.serve().client()
		_, head := c.Head(t.Context())
		_, sign := c.Sign(t.Context(), audit.Head{}, tlog.Tree{}, nil)
		_, keys := c.Keys(t.Context())
		_, rotate := c.Rotate(t.Context(), 1, 2)
		_, revoke := c.Revoke(t.Context(), "a", 1)
		for _, got := range []error{head, sign, keys, rotate, revoke} {
			if diff := cmp.Diff(see(err), see(got)); diff != "" {
				t.Errorf("%v: here and there:\n%s", err, diff)
			}
		}
		w.stop()
	}
}

// TestSentinelsAreComplete compares the names under which errors travel with those that package audit has.
func TestSentinelsAreComplete(t *testing.T) {
	files, err := filepath.Glob("../../../audit/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "witness.go" { // a witness is asked over HTTP
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range exportedErrors(f) {
			found[name] = true
		}
	}
	texts := map[string]bool{}
	for name := range sentinels {
		texts["Err"+strings.ReplaceAll(strings.ToLower(name), "_", "")] = true
	}
	for name := range found {
		if !texts["Err"+strings.ToLower(strings.TrimPrefix(name, "Err"))] {
			t.Errorf("audit.%s does not travel", name)
		}
	}
	if len(found) < len(sentinels) {
		t.Errorf("found %v", found)
	}
}

func exportedErrors(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if strings.HasPrefix(n.Name, "Err") {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// A recorder notes how keys are changed.
type recorder struct {
	keys audit.Keys
	said []string
}

func (r *recorder) Rotate(_ context.Context, from, until int64) (audit.Keys, error) {
	r.said = append(r.said, fmt.Sprint("rotate ", from, " ", until))
	return r.keys, nil
}

func (r *recorder) Revoke(_ context.Context, vkey string, at int64) (audit.Keys, error) {
	r.said = append(r.said, fmt.Sprint("revoke ", vkey, " ", at))
	return r.keys, nil
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	r := &recorder{keys: w.ring.Keys()}
	w.control = r
	c := w.serve().client()
	vkey := w.ring.Keys().Newest().VKey
	got, err := c.Keys(t.Context())
	rotated, rotateErr := c.Rotate(t.Context(), 10, 20)
	revoked, revokeErr := c.Revoke(t.Context(), vkey, 7)
	if err := errors.Join(err, rotateErr, revokeErr); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []audit.Keys{got, rotated, revoked} {
		if keys.String() != r.keys.String() || keys.Origin() != origin {
			t.Errorf("keys are %s", keys)
		}
	}
	if diff := cmp.Diff([]string{"rotate 10 20", "revoke " + vkey + " 7"}, r.said); diff != "" {
		t.Error(diff)
	}
}

func TestKeysStayWhereTheyAre(t *testing.T) {
	c := newWorld(t).serve().client()
	_, rotate := c.Rotate(t.Context(), 1, 2)
	_, revoke := c.Revoke(t.Context(), "a", 2)
	for _, err := range []error{rotate, revoke} {
		if taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) == "" {
			t.Errorf("error is %v", err)
		}
	}
}

// TestStrangers: neither end speaks with a user that it does not know. Users here is all that differs: who we are, the system tells.
func TestStrangers(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		w := newWorld(t)
		w.server.users = users{os.Geteuid() + 1}
		c := w.serve().client()
		l := &tree{t: t}
		_, head := c.Head(t.Context())
		_, sign := c.Sign(t.Context(), audit.Head{}, l.at(0), nil)
		for _, err := range []error{head, sign} {
			if taffrail.KindOf(err) != taffrail.KindUnavailable {
				t.Errorf("error is %v", err)
			}
		}
		w.stop()
		if _, err := w.guard.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
			t.Errorf("held: %v", err)
		}
		if !strings.Contains(w.logged.String(), fmt.Sprintf("user %d", os.Geteuid())) {
			t.Errorf("logged is %q", w.logged)
		}
	})
	t.Run("server", func(t *testing.T) {
		w := newWorld(t).serve()
		l := &tree{t: t}
		c := w.client()
		c.users = users{os.Geteuid() + 1}
		if _, err := c.Sign(t.Context(), audit.Head{}, l.at(0), nil); taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) == "" {
			t.Errorf("error is %v", err)
		}
		w.stop()
		if _, err := w.guard.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
			t.Errorf("it was asked: %v", err)
		}
	})
	t.Run("who is allowed", func(t *testing.T) {
		u, err := checkEnd("test", "/a", []int{1001}, new(time.Duration))
		if err != nil {
			t.Fatal(err)
		}
		for uid, allowed := range map[int]bool{os.Geteuid(): true, 0: true, 1001: true, 54321: false} {
			if (u.check(uid) == nil) != allowed {
				t.Errorf("user %d: %v", uid, u.check(uid))
			}
		}
	})
	t.Run("no Unix socket", func(t *testing.T) {
		w := newWorld(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.serveOn(l)
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = writeFrame(conn, request{Version: protocol, Op: opHead})
		if a, err := receive[answer](conn); err == nil {
			t.Errorf("it answered %+v", a)
		}
	})
}

func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// TestServerRefuses sends what no client sends. It is told so, where it can be, and the next one is served.
func TestServerRefuses(t *testing.T) {
	w := newWorld(t).serve()
	l := &tree{t: t}
	l.begin(w.client(), 3)
	for name, text := range map[string][]byte{
		"version":        frame(`{"version":2,"op":"head"}`),
		"no version":     frame(`{"op":"head"}`),
		"operation":      frame(`{"version":1,"op":"private"}`),
		"unknown field":  frame(`{"version":1,"op":"head","more":1}`),
		"two values":     frame(`{"version":1,"op":"head"}{}`),
		"no JSON":        frame(`head`),
		"empty":          frame(``),
		"null":           frame(`null`),
		"no old":         frame(`{"version":1,"op":"sign","root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}`),
		"no root":        frame(`{"version":1,"op":"sign","old":{"origin":"","size":0,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}`),
		"short root":     frame(`{"version":1,"op":"sign","old":{"origin":"","size":0,"root":"AAAA"},"root":"AAAA"}`),
		"large size":     frame(`{"version":1,"op":"sign","size":1e300}`),
		"revoke nothing": frame(`{"version":1,"op":"revoke"}`),
		"too large":      binary.BigEndian.AppendUint32(nil, 1<<31),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", w.path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(text); err != nil {
				t.Fatal(err)
			}
			a, err := receive[answer](conn)
			if err != nil || taffrail.KindOf(a.Error.err()) != taffrail.KindInvalid || taffrail.HintOf(a.Error.err()) == "" {
				t.Errorf("answer is %+v, %v", a, err)
			}
			if h, err := w.client().Head(t.Context()); err != nil || h != l.head(3) {
				t.Errorf("head is %+v, %v", h, err)
			}
		})
	}
}

// TestServerIsNotHeldUp: whoever says nothing, or half of it, loses its place after a while, and others are served then.
func TestServerIsNotHeldUp(t *testing.T) {
	w := newWorld(t)
	w.server = w.newServer(ServerConfig{Path: w.path, Connections: 1, Timeout: 200 * time.Millisecond})
	w.serve()
	for _, text := range []string{"", "\x00\x00", "\x00\x00\x01\x00{"} {
		conn, err := net.Dial("unix", w.path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.client().Keys(t.Context())
	for range 5 { // on a busy machine the time that is so short here is too short for us, too
		if err == nil {
			return
		}
		_, err = w.client().Keys(t.Context())
	}
	t.Errorf("keys: %v", err)
}

// TestConnectionsAreBounded counts how many are served at once.
func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t)
	counting := &counter{Signer: w.signer, inside: make(chan struct{}, 20), release: make(chan struct{})}
	w.signer = counting
	w.server = w.newServer(ServerConfig{Path: w.path, Connections: 3})
	w.serve()
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() {
			if _, err := w.client().Keys(t.Context()); err != nil {
				t.Errorf("keys: %v", err)
			}
		})
	}
	for range 3 {
		<-counting.inside
	}
	for range 9 {
		counting.release <- struct{}{}
	}
	all.Wait()
	if counting.most != 3 {
		t.Errorf("%d were served at once", counting.most)
	}
}

// A counter counts who asks for keys at once, and lets them wait.
type counter struct {
	audit.Signer
	inside, release chan struct{}
	mu              sync.Mutex
	now, most       int
}

func (c *counter) Keys(ctx context.Context) (audit.Keys, error) {
	c.add(1)
	defer c.add(-1)
	c.inside <- struct{}{}
	<-c.release
	return c.Signer.Keys(ctx)
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

// A held guard waits before it swaps, or after.
type held struct {
	audit.Guard
	before, after func()
}

func (h held) Swap(ctx context.Context, old, new audit.Head) error {
	h.before()
	defer h.after()
	return h.Guard.Swap(ctx, old, new)
}

// TestLostAnswer: the client gives up while the server swaps. Either may be held then; signing the same again tells, and gives the note.
func TestLostAnswer(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		t.Run(fmt.Sprintf("swapped=%v", swapped), func(t *testing.T) {
			w := newWorld(t)
			l := &tree{t: t}
			l.begin(w.signer, 5)
			l.grow(4)
			entered, release := make(chan struct{}), make(chan struct{})
			wait := func() {
				if entered != nil {
					close(entered)
					<-release
				}
			}
			g := held{w.guard, wait, func() {}}
			if swapped {
				g = held{w.guard, func() {}, wait}
			}
			w.signer = audit.NewSigner(w.ring, g)
			c := w.serve().client()
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() {
				_, err := c.Sign(ctx, l.head(5), l.at(9), l.proof(5, 9))
				failed <- err
			}()
			<-entered
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || taffrail.KindOf(err) != taffrail.KindUnavailable {
				t.Errorf("sign: %v", err)
			}
			close(release)
			w.stop() // what was begun is carried to its end
			entered = nil
			w.serve()
			if h, err := c.Head(t.Context()); err != nil || h != l.head(9) {
				t.Fatalf("head is %+v, %v", h, err)
			}
			if _, err := c.Sign(t.Context(), l.head(5), l.at(9), l.proof(5, 9)); !errors.Is(err, audit.ErrConflict) {
				t.Errorf("as if nothing had happened: %v", err)
			}
			signs(t, w, c, l, 9)
		})
	}
}

// signs says whether the state of a size is signed again.
func signs(t *testing.T, w *world, c audit.Signer, l *tree, size int64) {
	t.Helper()
	note, err := c.Sign(t.Context(), l.head(size), l.at(size), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := w.ring.Keys().Open(note); err != nil || cp.Head != l.head(size) {
		t.Errorf("note is of %+v, %v", cp, err)
	}
}

// TestNobodyThere: a server that is not there, or answers nonsense, is one that could not be asked, and never says that nothing was signed.
func TestNobodyThere(t *testing.T) {
	path := socketPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		t.Helper()
		c, l := clientOf(t, path), &tree{t: t}
		c.timeout = 100 * time.Millisecond
		_, head := c.Head(t.Context())
		_, sign := c.Sign(t.Context(), audit.Head{}, l.at(0), nil)
		_, keys := c.Keys(t.Context())
		for _, err := range []error{head, sign, keys} {
			if taffrail.KindOf(err) != taffrail.KindUnavailable || taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", name, err)
			}
			if len(see(err).Is) > 0 || see(err).Corrupt != nil {
				t.Errorf("%s counts as something that the signer said: %v", name, err)
			}
		}
	}
	check("no socket")
	for name, text := range map[string][]byte{
		"says nothing": {}, "closes": nil, "torn": frame(`{"version":1}`)[:7], "version": frame(`{"version":2}`), "nonsense": frame(`hello`), "empty": frame(`{"version":1}`),
		"long": binary.BigEndian.AppendUint32(nil, 1<<30), "bad keys": frame(`{"version":1,"keys":"log x\n"}`),
	} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = readFrame(conn)
				_, _ = conn.Write(text)
				if text != nil && len(text) == 0 {
					_, _ = conn.Read(make([]byte, 1)) // until the client has gone
				}
				conn.Close()
			}
		})
		check(name)
		l.Close()
		all.Wait()
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	check("dead socket")
}

func TestCancelled(t *testing.T) {
	w := newWorld(t).serve()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, l := w.client(), &tree{t: t}
	_, head := c.Head(ctx)
	_, sign := c.Sign(ctx, audit.Head{}, l.at(0), nil)
	for _, err := range []error{head, sign} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
	}
}

// TestManyClients sign at once: each growth counts once.
func TestManyClients(t *testing.T) {
	w := newWorld(t).serve()
	l := &tree{t: t}
	l.begin(w.client(), 1)
	l.grow(60)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 5 {
		c := w.client()
		all.Go(func() {
			for won := 0; won < 10; {
				h, err := c.Head(t.Context())
				if err == nil {
					mu.Lock()
					next, proof := l.at(h.Size+1), l.proof(h.Size, h.Size+1)
					mu.Unlock()
					_, err = c.Sign(t.Context(), h, next, proof)
				}
				switch {
				case err == nil:
					won++
				case !errors.Is(err, audit.ErrConflict):
					t.Errorf("sign: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if h, err := w.client().Head(t.Context()); err != nil || h != l.head(51) {
		t.Errorf("head is %+v, %v", h, err)
	}
}

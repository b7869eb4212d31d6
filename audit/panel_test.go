package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// A cosigning is a witness that does as the test says.
type cosigning func(ctx context.Context, g audit.Growth) ([]byte, error)

func (c cosigning) AddCheckpoint(ctx context.Context, g audit.Growth) ([]byte, error) {
	return c(ctx, g)
}

// A court is a log, its witnesses, and a policy that asks for two of three.
type court struct {
	*archive
	honest map[string]*audit.Witness
	ways   map[string]audit.Cosigning
	vkeys  map[string]string
	time   time.Time
	p      *audit.Policy
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := &court{archive: newArchive(t), honest: map[string]*audit.Witness{}, ways: map[string]audit.Cosigning{}, vkeys: map[string]string{}, time: noon}
	var lines []string
	for _, name := range []string{"x", "y", "z"} {
		w, vkey := newWitness(t, name, c.archive)
		c.honest[name], c.ways[name], c.vkeys[name] = w, w, vkey
		lines = append(lines, "witness "+name+" "+vkey)
	}
	c.p = c.policy(append(lines, "group q 2 x y z", "quorum q")...)
	return c
}

func (c *court) panel() *audit.Panel {
	return audit.NewPanel(c.p, c.ways, time.Second, func() time.Time { return c.time })
}

func (c *court) ask(p *audit.Panel) (audit.Hearing, error) {
	return p.Ask(c.t.Context(), c.storage, c.ring.Keys())
}

// replies are "x cosigned, y silent, ...".
func replies(h audit.Hearing) string {
	var all []string
	for _, a := range h.Answers {
		all = append(all, a.Witness+" "+string(a.Reply))
	}
	return strings.Join(all, ", ")
}

func TestPanel(t *testing.T) {
	c := newCourt(t)
	p := c.panel()
	for _, size := range []int64{1, 5, 5, 300, 700} {
		c.grow(size)
		for range 2 {
			h, err := c.ask(p)
			if err != nil || replies(h) != "x cosigned, y cosigned, z cosigned" || !h.Quorum || h.Size != size || len(h.Cosignatures) != 3 {
				t.Fatalf("size %d: %s, quorum %v of %d, %v", size, replies(h), h.Quorum, len(h.Cosignatures), err)
			}
			for _, a := range h.Answers {
				if !a.At.Equal(noon) || a.Seen != size || a.Err != nil {
					t.Errorf("%+v", a)
				}
			}
		}
		if n := strings.Count(string(c.note(size)), "\n— "); n != 4 {
			t.Errorf("size %d: %d signatures are stored, want 4:\n%s", size, n, c.note(size))
		}
	}
	// A panel that remembers nothing, as after a restart.
	if h, err := c.ask(c.panel()); err != nil || replies(h) != "x cosigned, y cosigned, z cosigned" {
		t.Errorf("after a restart: %s, %v", replies(h), err)
	}
}

func (c *court) note(size int64) []byte {
	for _, cp := range c.storage.State().Checkpoints {
		if cp.Size == size {
			return cp.Note
		}
	}
	return nil
}

// TestPanelWithAWitnessThatIsNoGood has one witness of three misbehave in each way: it never counts, and never keeps the others from it.
func TestPanelWithAWitnessThatIsNoGood(t *testing.T) {
	at := func(c *court, by time.Duration) audit.Cosigning {
		skey, _ := witnessKey(c.t, "x")
		signer, err := audit.NewCosigner(skey, func() time.Time { return c.time.Add(by) })
		if err != nil {
			c.t.Fatal(err)
		}
		return &audit.Witness{Signer: signer, Log: func(string) (audit.Keys, audit.Guard, error) { return c.ring.Keys(), audittest.NewMemoryGuard(), nil }}
	}
	saying := func(line string, err error) func(*court) audit.Cosigning {
		return func(*court) audit.Cosigning {
			return cosigning(func(context.Context, audit.Growth) ([]byte, error) { return []byte(line), err })
		}
	}
	for name, tc := range map[string]struct {
		way   func(*court) audit.Cosigning
		reply audit.Reply
		says  string
	}{
		"no way":                {func(*court) audit.Cosigning { return nil }, audit.ReplySilent, "no way"},
		"gone":                  {saying("", errors.New("connection refused")), audit.ReplySilent, "connection refused"},
		"nothing":               {saying("", nil), audit.ReplyRefused, "no cosignature of this checkpoint"},
		"garbage":               {saying("— x AAAAAAAAAAAA\n", nil), audit.ReplyRefused, "no cosignature of this checkpoint"},
		"no note":               {saying("\n\n\n\x00\xff", nil), audit.ReplyRefused, "no cosignature of this checkpoint"},
		"it does not know us":   {saying("", fmt.Errorf("witness: %w", audit.ErrUnknownLog)), audit.ReplyRefused, "not known"},
		"it knows another key":  {saying("", audit.ErrNotTheLogs), audit.ReplyRefused, "no key of the log"},
		"another empty tree":    {saying("", audit.ErrUnprovedTree), audit.ReplyRefused, "does not contain the one before"},
		"an empty tree twice":   {saying("", audit.ErrOtherTree), audit.ReplyRefused, "another tree of this size"},
		"always behind":         {saying("", &audit.OldSizeError{Size: 3}), audit.ReplyBehind, "last is 3"},
		"a clock in the future": {func(c *court) audit.Cosigning { return at(c, time.Hour) }, audit.ReplyRefused, "1h0m0s off"},
		"a clock in the past":   {func(c *court) audit.Cosigning { return at(c, -time.Hour) }, audit.ReplyRefused, "-1h0m0s off"},
		"a clock a little off":  {func(c *court) audit.Cosigning { return at(c, time.Minute) }, audit.ReplyCosigned, ""},
		"another witness's key": {func(c *court) audit.Cosigning { w, _ := newWitness(c.t, "other", c.archive); return w }, audit.ReplyRefused, "no cosignature"},
		"another checkpoint": {func(c *court) audit.Cosigning {
			earlier := c.grow(4)
			w, _ := newWitness(c.t, "x", c.archive)
			return cosigning(func(ctx context.Context, _ audit.Growth) ([]byte, error) {
				return w.AddCheckpoint(ctx, audit.Growth{Checkpoint: earlier.Note})
			})
		}, audit.ReplyRefused, "no cosignature"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t)
			c.ways["x"] = tc.way(c)
			if c.ways["x"] == nil {
				delete(c.ways, "x")
			}
			c.grow(10)
			h, err := c.ask(c.panel())
			if err != nil || replies(h) != "x "+string(tc.reply)+", y cosigned, z cosigned" || !h.Quorum {
				t.Fatalf("%s, quorum %v, %v", replies(h), h.Quorum, err)
			}
			if a := h.Answers[0]; (a.Err == nil) != (tc.says == "") || tc.says != "" && !strings.Contains(a.Err.Error(), tc.says) {
				t.Errorf("it says %v, want %q", a.Err, tc.says)
			}
			delete(c.ways, "y")
			c.grow(20)
			if h, err = c.ask(c.panel()); err != nil || h.Quorum != (tc.reply == audit.ReplyCosigned) {
				t.Errorf("one more is missing: quorum %v, %s, %v", h.Quorum, replies(h), err)
			}
		})
	}
}

// A witness whose time has come does not hold up the others, and gets no second request while the first one lasts.
func TestPanelWithASlowWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourt(t)
		var running, most atomic.Int64
		let := make(chan struct{})
		c.ways["x"] = cosigning(func(ctx context.Context, g audit.Growth) ([]byte, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-let // it does not heed the end of ctx
			return c.honest["x"].AddCheckpoint(context.WithoutCancel(ctx), g)
		})
		c.grow(10)
		p := c.panel()
		begin := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				h, err := c.ask(p)
				if err != nil || replies(h) != "x silent, y cosigned, z cosigned" || !h.Quorum {
					t.Errorf("%s, quorum %v, %v", replies(h), h.Quorum, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
		close(let)
		synctest.Wait()
		if h, err := c.ask(p); err != nil || replies(h) != "x cosigned, y cosigned, z cosigned" {
			t.Errorf("later: %s, %v", replies(h), err)
		}
		if most.Load() != 1 {
			t.Errorf("it had %d requests at once", most.Load())
		}
	})
}

// TestLogAndGuardSetBackTogether is the attack that no guard sees: an old copy of everything is brought back. The witness remembers.
func TestLogAndGuardSetBackTogether(t *testing.T) {
	c := newCourt(t)
	c.grow(5)
	backup := c.storage.State()
	head, err := c.guard.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.grow(9)
	if _, err := c.ask(c.panel()); err != nil {
		t.Fatal(err)
	}
	c.storage.Restore(backup)
	c.guard.Set(head)
	if _, err := audit.Open(t.Context(), c.storage, audit.NewSigner(c.ring, c.guard)); err != nil {
		t.Fatalf("the guard cannot see it: %v", err)
	}
	h, err := c.ask(c.panel())
	wantCorrupt(t, err, "witness x has seen a log of 9 entries, this one has 5")
	if h.Quorum || replies(h) != "x ahead, y ahead, z ahead" {
		t.Errorf("%s, quorum %v", replies(h), h.Quorum)
	}
	// And when it has grown again, by another history.
	c.clock = c.clock.Add(time.Hour)
	for size, want := range map[int64]string{9: "another tree of 9 entries", 12: "another tree of 9 entries"} {
		c.grow(size)
		h, err := c.ask(c.panel())
		wantCorrupt(t, err, want)
		if h.Quorum || replies(h) != "x refused, y refused, z refused" {
			t.Errorf("size %d: %s, quorum %v", size, replies(h), h.Quorum)
		}
	}
	if n := strings.Count(string(c.note(12)), "\n— "); n != 1 {
		t.Errorf("%d signatures are stored", n)
	}
}

// TestPanelOvertaken has another process sign more, and show it to the witnesses, between our look and our request: no fault.
func TestPanelOvertaken(t *testing.T) {
	c := newCourt(t)
	c.grow(5)
	overtake := func() {
		c.grow(8)
		if _, err := c.ask(audit.NewPanel(c.p, map[string]audit.Cosigning{"x": c.honest["x"]}, time.Second, func() time.Time { return noon })); err != nil {
			t.Error(err)
		}
	}
	c.ways["x"] = cosigning(func(ctx context.Context, g audit.Growth) ([]byte, error) {
		once(&overtake)
		return c.honest["x"].AddCheckpoint(ctx, g)
	})
	p := c.panel()
	h, err := c.ask(p)
	if err != nil || replies(h) != "x ahead, y cosigned, z cosigned" || h.Size != 5 {
		t.Errorf("size %d: %s, %v", h.Size, replies(h), err)
	}
	if h, err = c.ask(p); err != nil || replies(h) != "x cosigned, y cosigned, z cosigned" || h.Size != 8 {
		t.Errorf("size %d: %s, %v", h.Size, replies(h), err)
	}
}

// TestCosignaturesAreKept has the same size signed again, by another key and by one that was there, and cosigned one after the other.
func TestCosignaturesAreKept(t *testing.T) {
	c := newCourt(t)
	c.grow(10)
	for _, alone := range []string{"x", "y", "z"} {
		p := audit.NewPanel(c.p, map[string]audit.Cosigning{alone: c.honest[alone]}, time.Second, func() time.Time { return c.time })
		if _, err := c.ask(p); err != nil {
			t.Fatal(err)
		}
	}
	before := c.note(10)
	if n := strings.Count(string(before), "\n— "); n != 4 {
		t.Fatalf("%d signatures are stored:\n%s", n, before)
	}
	// The log's own signature goes, so that the size is signed again; what the witnesses signed stays.
	c.storage.Tamper(func(s *audittest.State) {
		text, rest, _ := strings.Cut(string(before), "\n\n")
		_, rest, _ = strings.Cut(rest, "\n")
		s.Checkpoints[len(s.Checkpoints)-1].Note = []byte(text + "\n\n" + rest)
	})
	err := c.storage.Write(t.Context(), func(w audit.Writer) error {
		held, err := w.CheckpointAt(10)
		if err != nil {
			return err
		}
		return w.PutCheckpoint(10, audit.MergeNotes(before[:strings.Index(string(before), "\n— x")+1], held))
	})
	if err != nil || string(c.note(10)) != string(before) {
		t.Errorf("%v:\n%s", err, c.note(10))
	}
	// Of another text nothing is taken over.
	text := []byte("another\n1\nroot\n\n— a AAAA\n")
	if got := audit.MergeNotes(text, before); string(got) != string(text) {
		t.Errorf("%s", got)
	}
}

// TestSigningAgainKeepsCosignatures revokes the key that signed a size which witnesses have cosigned.
func TestSigningAgainKeepsCosignatures(t *testing.T) {
	w := newRinged(t)
	l := w.begin()
	w.append(4)
	w.sign(l)
	_, vkey := witnessKey(t, "x")
	skey, _ := witnessKey(t, "x")
	signer, err := audit.NewCosigner(skey, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	policy := func() *audit.Policy {
		p, err := audit.ParsePolicy([]byte(w.keys().String() + "witness x " + vkey + "\nquorum x\n"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	witness := &audit.Witness{Signer: signer, Log: func(string) (audit.Keys, audit.Guard, error) { return w.keys(), audittest.NewMemoryGuard(), nil }}
	p := audit.NewPanel(policy(), map[string]audit.Cosigning{"x": witness}, time.Second, func() time.Time { return noon })
	if h, err := p.Ask(t.Context(), w.storage, w.keys()); err != nil || !h.Quorum {
		t.Fatal(err)
	}
	if _, err := w.keyring.Revoke(t.Context(), w.keys().Newest().VKey, 3); err != nil {
		t.Fatal(err)
	}
	cp := w.sign(w.reopened())
	stored := w.storage.State().Checkpoints[1].Note
	s, err := policy().Open(stored)
	if err != nil || !s.Quorum || s.Size != 4 || w.signed(cp) != "0 1" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A line that pretends to be a witness's, and stands in the database, does not keep its true one away.
func TestForgedLineOfAWitness(t *testing.T) {
	c := newCourt(t)
	cp := c.grow(10)
	if _, err := c.ask(c.panel()); err != nil {
		t.Fatal(err)
	}
	good := c.note(10)
	c.storage.Tamper(func(s *audittest.State) {
		n := &s.Checkpoints[len(s.Checkpoints)-1]
		n.Note = []byte(strings.Replace(string(good), "AAAAA", "BBBBB", 1)) // in the time of the first cosignature
	})
	if string(c.note(10)) == string(good) {
		t.Fatal("nothing was changed")
	}
	h, err := c.ask(c.panel())
	if err != nil || !h.Quorum || len(h.Cosignatures) != 3 || h.Size != cp.Size {
		t.Errorf("%s, %d cosignatures, %v", replies(h), len(h.Cosignatures), err)
	}
}

// TestPanelFaults lets the storing of cosignatures fail: they are got again.
func TestPanelFaults(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		c := newCourt(t)
		c.grow(10)
		var faults audittest.Faults
		faults.Arm(audittest.Fault{Step: audittest.StoreCheckpoint, Persisted: persisted}, nil)
		p := c.panel()
		h, err := p.Ask(t.Context(), audittest.FaultyStorage(c.storage, &faults), c.ring.Keys())
		if !errors.Is(err, audittest.ErrInjected) || h.Quorum {
			t.Errorf("%v, quorum %v", err, h.Quorum)
		}
		if h, err := c.ask(p); err != nil || !h.Quorum || len(h.Cosignatures) != 3 {
			t.Errorf("again: %v", err)
		}
	}
}

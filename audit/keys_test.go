package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// A ringed world has a keyring, whose keys may follow each other.
type ringed struct {
	*world
	keyring *audittest.MemoryKeyring
}

func newRinged(t *testing.T) ringed {
	w := ringed{newWorld(t), audittest.NewMemoryKeyring()}
	if _, err := w.keyring.Create(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w ringed) signer() *audit.GuardedSigner {
	return audit.NewSigner(audittest.FaultyKeys(w.keyring, w.faults), audittest.FaultyGuard(w.guard, w.faults))
}

func (w ringed) begin() *audit.Log {
	w.t.Helper()
	l, err := audit.Begin(w.t.Context(), w.store(), w.signer())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w ringed) verify() audit.Report {
	w.t.Helper()
	r, err := audit.Verify(w.t.Context(), w.storage, w.signer(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w ringed) keys() audit.Keys {
	w.t.Helper()
	r, err := w.keyring.Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Keys()
}

func (w ringed) rotate(from, until int64) audit.Keys {
	w.t.Helper()
	k, err := w.keyring.Rotate(w.t.Context(), from, until)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// signed says which keys signed a checkpoint, the oldest being 0.
func (w ringed) signed(cp audit.Checkpoint) string {
	w.t.Helper()
	var by []string
	for i, k := range w.keys().All() {
		v, err := note.NewVerifier(k.VKey)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := audit.OpenCheckpoint(cp.Note, v); err == nil {
			by = append(by, fmt.Sprint(i))
		}
	}
	return strings.Join(by, " ")
}

func TestRotation(t *testing.T) {
	w := newRinged(t)
	l := w.begin()
	step := func(want string) {
		t.Helper()
		w.append(1)
		if cp := w.sign(l); w.signed(cp) != want {
			t.Errorf("size %d is signed by %q, want %q", cp.Size, w.signed(cp), want)
		}
	}
	step("0")
	w.rotate(3, 5)
	for _, want := range []string{"0", "0 1", "0 1", "1"} { // sizes 2 to 5
		step(want)
	}
	w.rotate(7, 7)
	step("1")
	step("2")
	if r := w.verify(); r.Checkpoints != 8 || len(r.Notes) != 0 { // also those of keys that are history
		t.Errorf("report is %+v", r)
	}
	w.append(1)
	if _, err := audit.Open(t.Context(), w.store(), w.signer()); err != nil {
		t.Error(err)
	}
	if first, _, _ := strings.Cut(strings.SplitN(string(w.storage.State().Checkpoints[4].Note), "\n\n", 2)[1], "\n"); !strings.Contains(first, "— "+origin) {
		t.Errorf("first line is %q", first)
	}
}

// TestRotationWhileOthersSign has two processes sign all the while that a third one changes the keys: everything is acknowledged, and verifies.
func TestRotationWhileOthersSign(t *testing.T) {
	w := newRinged(t)
	w.begin()
	var all sync.WaitGroup
	for range 2 {
		l := w.reopened()
		all.Go(func() {
			for range 100 {
				w.append(1)
				if _, err := l.Sign(t.Context()); err != nil {
					t.Errorf("sign: %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		head, err := w.guard.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if newest := w.keys().Newest(); head.Size >= newest.From {
			w.rotate(head.Size+1, head.Size+1) // nothing keeps the others from going past it meanwhile
		}
	}
	all.Wait()
	w.sign(w.reopened())
	if r := w.verify(); r.Size != 200 || r.Signed != 200 {
		t.Errorf("report is %+v", r)
	}
}

// reopened opens the log as another process does.
func (w ringed) reopened() *audit.Log {
	w.t.Helper()
	l, err := audit.Open(w.t.Context(), w.store(), w.signer())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// TestKeyEndsWhileItSigns has the keys follow each other between the signer's look at them and ours at the note: the successor signs the same.
func TestKeyEndsWhileItSigns(t *testing.T) {
	w := newRinged(t)
	w.begin()
	w.append(2)
	rotate := func() { w.rotate(2, 2) }
	wrapped := audittest.WrapKeys(w.keyring, func(s note.Signer) note.Signer { return lateSigner{s, &rotate} })
	l, err := audit.Open(t.Context(), w.storage, audit.NewSigner(wrapped, w.guard))
	if err != nil {
		t.Fatal(err)
	}
	if cp := w.sign(l); cp.Size != 2 || w.signed(cp) != "1" {
		t.Errorf("size %d is signed by %q", cp.Size, w.signed(cp))
	}
	w.verify()
}

// A lateSigner lets something happen once, when it has signed.
type lateSigner struct {
	note.Signer
	then *func()
}

func (s lateSigner) Sign(msg []byte) ([]byte, error) {
	sig, err := s.Signer.Sign(msg)
	once(s.then)
	return sig, err
}

// TestStolenKey revokes a key from a size on that lies before what it signed: what it signed beyond counts for nothing, whoever holds it, and
// the log goes on under the next key.
func TestStolenKey(t *testing.T) {
	w := newRinged(t)
	l := w.begin()
	stolen, err := w.keyring.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		w.append(1)
		w.sign(l)
	}
	keys, err := w.keyring.Revoke(t.Context(), stolen.Keys().Newest().VKey, 5)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stolen.Sign(audit.Head{Origin: origin, Size: 8, Root: tlog.RecordHash([]byte("forged"))})
	if err != nil {
		t.Fatal(err)
	}
	good, err := stolen.Sign(headOf(5))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := audit.ParsePolicy([]byte(keys.String() + "quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func([]byte) error{
		"keys":   func(msg []byte) error { _, err := keys.Open(msg); return err },
		"policy": func(msg []byte) error { _, err := policy.Open(msg); return err },
	} {
		if err := open(forged); !errors.Is(err, audit.ErrKeyRange) {
			t.Errorf("%s: a forged checkpoint: %v", name, err)
		}
		if err := open(good); err != nil {
			t.Errorf("%s: a checkpoint from before: %v", name, err)
		}
	}
	r := w.verify()
	if r.Checkpoints != 6 || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "size 6 was signed by a key that is not valid for it") {
		t.Errorf("report is %+v", r)
	}
	if cp := w.sign(l); cp.Size != 8 || w.signed(cp) != "1" {
		t.Errorf("size %d is signed by %q", cp.Size, w.signed(cp))
	}
	w.append(1)
	if cp := w.sign(w.reopened()); cp.Size != 9 || w.signed(cp) != "1" {
		t.Errorf("size %d is signed by %q", cp.Size, w.signed(cp))
	}
	// The thief writes to the database: it does not matter, unless it is beyond what the guard knows.
	w.storage.Tamper(func(s *audittest.State) { s.Checkpoints[7].Note = forged })
	w.verify()
	w.sign(w.reopened())
	beyond, err := stolen.Sign(audit.Head{Origin: origin, Size: 50, Root: tlog.RecordHash([]byte("forged"))})
	if err != nil {
		t.Fatal(err)
	}
	w.storage.Tamper(func(s *audittest.State) {
		s.Checkpoints = append(s.Checkpoints, audittest.Note{Size: 50, Note: beyond})
	})
	_, err = audit.Open(t.Context(), w.storage, w.signer())
	wantCorrupt(t, err, "the guard state was set back: it knows 9 entries, a checkpoint signs 50")
	_, err = audit.Verify(t.Context(), w.storage, w.signer(), nil)
	wantCorrupt(t, err, "the guard state was set back")
}

// TestBundleAfterARevocation leaves out the checkpoints that count for nothing, and has the keys in its history.
func TestBundleAfterARevocation(t *testing.T) {
	w := newRinged(t)
	l := w.begin()
	for i := range int64(8) {
		err := w.storage.Write(t.Context(), func(tx audit.Writer) error {
			_, err := audit.Append(tx, fmt.Appendf(nil, `{"counter":%d,"time":"2026-01-01T00:00:00Z","type":"t"}`, i))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.sign(l)
	}
	keys, err := w.keyring.Revoke(t.Context(), w.keys().Newest().VKey, 5)
	if err != nil {
		t.Fatal(err)
	}
	w.sign(l)
	var b bytes.Buffer
	if _, err := audit.WriteBundle(t.Context(), &b, w.storage, keys, audit.BundleRequest{To: 8}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files(t, b.Bytes()) {
		if strings.HasPrefix(f.Name, "checkpoints/") {
			names = append(names, f.Name)
		}
		if f.Name == "keys/history.jsonl" && strings.Count(string(f.data), "\n") != 2 {
			t.Errorf("keys are %s", f.data)
		}
	}
	if want := "checkpoints/1.note checkpoints/2.note checkpoints/3.note checkpoints/4.note checkpoints/5.note"; strings.Join(names, " ") != want {
		t.Errorf("%v", names)
	}
	p, err := audit.ParsePolicy([]byte(keys.String() + "quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, b.Bytes(), p, nil); !r.OK() {
		t.Error(faults(r))
	}
}

// TestFaultsOfARotation lets each durable step of a signature fail just after the keys changed.
func TestFaultsOfARotation(t *testing.T) {
	for _, fault := range audittest.Matrix() {
		w := newRinged(t)
		l := w.begin()
		w.append(3)
		w.sign(l)
		w.rotate(4, 4)
		w.faults.Arm(fault, nil)
		if err := appendTo(t.Context(), w.store()); err == nil {
			_, err = l.Sign(t.Context())
			if !errors.Is(err, audittest.ErrInjected) {
				t.Errorf("%v: %v", fault, err)
			}
		}
		if !w.faults.Disarm() {
			t.Fatalf("%v did not happen", fault)
		}
		w.append(1)
		if cp := w.sign(w.reopened()); w.signed(cp) != "1" {
			t.Errorf("%v: size %d is signed by %q", fault, cp.Size, w.signed(cp))
		}
		w.verify()
	}
}

func TestKeysOfAnotherLogAreRefused(t *testing.T) {
	w := newRinged(t)
	l := w.begin()
	w.append(1)
	w.keyring.Set(audittest.Ring(t, "taffrail.local/other"))
	_, err := l.Sign(t.Context())
	wantCorrupt(t, err, `the keys were of log "taffrail.local/test"`)
}

func TestParseKeysAndStringAreInverses(t *testing.T) {
	w := newRinged(t)
	if w.keys().String() != "log "+w.keys().Newest().VKey+"\n" {
		t.Errorf("one key is %q", w.keys())
	}
	w.rotate(5, 10)
	k := w.rotate(20, 20)
	again, err := audit.ParseKeys([]byte(k.String()))
	if err != nil || !again.Equal(k) || again.String() != k.String() {
		t.Errorf("%s became %s, %v", k, again, err)
	}
	if again.Equal(w.keys()) != k.Equal(w.keys()) || again.Equal(audit.Keys{}) {
		t.Error("keys are equal that are not")
	}
	vkey := k.Newest().VKey
	for name, text := range map[string]string{
		"nothing": "", "a witness": "witness x " + vkey, "a quorum": "log " + vkey + "\nquorum none", "twice": "log " + vkey + "\nlog " + vkey,
		"two logs": "log " + vkey + "\nlog " + audittest.Ring(t, "other.example/log").Keys().Newest().VKey,
	} {
		if k, err := audit.ParseKeys([]byte(text)); err == nil {
			t.Errorf("%s: %s", name, k)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("log taffrail.local/test+3829be6e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n# taffrail:valid taffrail.local/test+3829be6e 3 5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := audit.ParseKeys(text)
		if err != nil {
			return
		}
		again, err := audit.ParseKeys([]byte(k.String()))
		if err != nil || !again.Equal(k) {
			t.Errorf("%q becomes %s, %v", text, k, err)
		}
	})
}

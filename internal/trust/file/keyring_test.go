package file

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

func newKeyring(t *testing.T) *keyring { return &keyring{folder: newGuard(t).folder} }

func TestKeyring(t *testing.T) {
	k := newKeyring(t)
	if _, err := k.Load(t.Context()); !errors.Is(err, audit.ErrNoKey) || taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Fatalf("load where nothing is: %v", err)
	}
	created, err := k.Create(t.Context(), origin)
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, k.path(), 0o600)
	wantMode(t, k.folder, 0o700)
	wantNoTemp(t, k.folder)
	loaded, err := k.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Keys().Equal(created.Keys()) || loaded.Keys().Origin() != origin || loaded.Keys().String() != "log "+loaded.Keys().Newest().VKey+"\n" {
		t.Errorf("loaded %s, created %s", loaded.Keys(), created.Keys())
	}
	msg, err := loaded.Sign(headOf(3))
	if err != nil {
		t.Fatal(err)
	}
	public, err := note.NewVerifier(created.Keys().Newest().VKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(msg, note.VerifierList(public)); err != nil {
		t.Errorf("what one signs the other does not verify: %v", err)
	}
	before, _ := os.ReadFile(k.path())
	if _, err := k.Create(t.Context(), origin); !errors.Is(err, audit.ErrExists) || taffrail.KindOf(err) != taffrail.KindConflict {
		t.Errorf("create again: %v", err)
	}
	if after, _ := os.ReadFile(k.path()); string(after) != string(before) {
		t.Error("the key was replaced")
	}
	wantNoTemp(t, k.folder)
}

// TestKeyringOneWins has many create at once: one key comes of it, and everybody loads that one.
func TestKeyringOneWins(t *testing.T) {
	k := newKeyring(t)
	var wins atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			created, err := (&keyring{folder: k.folder}).Create(t.Context(), origin)
			if err != nil && !errors.Is(err, audit.ErrExists) {
				t.Errorf("create: %v", err)
			}
			loaded, loadErr := k.Load(t.Context())
			if loadErr != nil {
				t.Errorf("load: %v", loadErr)
			}
			if err == nil {
				wins.Add(1)
				if !loaded.Keys().Equal(created.Keys()) {
					t.Error("another key than ours is there")
				}
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d keys were created", wins.Load())
	}
}

func TestKeyringRefusesOrigins(t *testing.T) {
	k := newKeyring(t)
	for _, origin := range []string{"", "a b", "a+b", "a\nb", "a\x7fb", "\xff"} {
		if _, err := k.Create(t.Context(), origin); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	if _, err := os.Stat(k.folder); err == nil {
		t.Error("something was written")
	}
}

func TestKeyringGarbage(t *testing.T) {
	good, _, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := note.GenerateKey(nil, "taffrail.local/other")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":           "",
		"torn":            good[:len(good)/2],
		"without newline": good,
		"two lines":       good + "\n" + good + "\n",
		"spaces":          " " + good + "\n",
		"other name":      strings.Replace(good, origin, "taffrail.local/other", 1) + "\n",
		"other hash":      strings.Replace(good, "+"+strings.Split(good, "+")[3]+"+", "+00000000+", 1) + "\n",
		"public key":      origin + "+00000000+AQ==\n",
		"seed too short":  "PRIVATE+KEY+a+00000000+" + base64.StdEncoding.EncodeToString([]byte{1, 2, 3}) + "\n",
		"nothing":         "\n",
		"another log's":   good + "\n" + foreign + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := &keyring{folder: t.TempDir()}
			if err := os.WriteFile(k.path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := k.Load(t.Context())
			wantCorrupt(t, err, k.path())
			if errors.Is(err, audit.ErrNoKey) {
				t.Errorf("it counts as none: %v", err)
			}
			if len(text) > 20 && strings.Contains(err.Error(), text[len(text)-20:len(text)-2]) {
				t.Errorf("the error has some of the key: %v", err)
			}
			if _, err := k.Create(t.Context(), origin); !errors.Is(err, audit.ErrExists) {
				t.Errorf("create over it: %v", err)
			}
		})
	}
}

// TestKeysOthersCanRead has keys with modes that are too wide.
func TestKeysOthersCanRead(t *testing.T) {
	k := newKeyring(t)
	if _, err := k.Create(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	config := SealerConfig{Folder: k.folder, Create: true}
	if _, err := openSealer(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o610, 0o644, 0o666} {
		for path, load := range map[string]func() error{
			k.path():               func() error { _, err := k.Load(t.Context()); return err },
			k.folder + "/seal.key": func() error { _, err := openSealer(t.Context(), config); return err },
		} {
			chmod(t, path, mode)
			if err := load(); taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) != "chmod 600 "+path {
				t.Errorf("%04o: %v, hint %q", mode, err, taffrail.HintOf(err))
			}
			chmod(t, path, 0o400)
			if err := load(); err != nil {
				t.Errorf("0400: %v", err)
			}
		}
	}
}

// createSteps are the steps of create, and whether the file is there if we stop at one.
var createSteps = []struct {
	name string
	done bool
}{
	{"open temporary file", false},
	{"write", false},
	{"sync file", false},
	{"link", false},
	{"remove temporary file", true},
	{"sync folder", true},
}

// TestKeyringFaults stops a creation at each step. Afterwards there is no key, and one can be made, or there is a whole one.
func TestKeyringFaults(t *testing.T) {
	for _, step := range createSteps {
		t.Run(step.name, func(t *testing.T) {
			k := newKeyring(t)
			k.steps = failAt(step.name)
			if _, err := k.Create(t.Context(), origin); !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("error is %v", err)
			}
			k.steps = nil
			before, err := k.Load(t.Context())
			if (err == nil) != step.done || err != nil && !errors.Is(err, audit.ErrNoKey) {
				t.Fatalf("load: %v", err)
			}
			created, err := k.Create(t.Context(), origin)
			if (err == nil) == step.done || err != nil && !errors.Is(err, audit.ErrExists) {
				t.Fatalf("create again: %v", err)
			}
			after, err := k.Load(t.Context())
			if err != nil || after.Keys().String() != before.Keys().String()+created.Keys().String() {
				t.Errorf("the key is %s, %v", after.Keys(), err)
			}
			wantNoTemp(t, k.folder)
		})
	}
}

func TestKeyringContract(t *testing.T) {
	audittest.Keyring(t, func(t *testing.T) (audit.Keyring, func() audit.Keyring) {
		k := newKeyring(t)
		return k, func() audit.Keyring { return &keyring{folder: k.folder} }
	})
}

// failNth fails at a step by its number, from 1.
func failNth(n int) steps {
	return func(string) error {
		if n--; n == 0 {
			return audittest.ErrInjected
		}
		return nil
	}
}

// TestKeysChangeFaults stops a rotation and a revocation at each step. Afterwards the keys are the old or the new ones, each size has one
// that signs it, and the change can be made.
func TestKeysChangeFaults(t *testing.T) {
	for name, change := range map[string]func(k *keyring, stolen string) error{
		"rotate": func(k *keyring, _ string) error { _, err := k.Rotate(t.Context(), 10, 20); return err },
		"revoke": func(k *keyring, stolen string) error { _, err := k.Revoke(t.Context(), stolen, 9); return err },
	} {
		for n := 1; ; n++ {
			k := newKeyring(t)
			first, err := k.Create(t.Context(), origin)
			if err != nil {
				t.Fatal(err)
			}
			stolen := first.Keys().Newest().VKey
			k.steps = failNth(n)
			err = change(k, stolen)
			if err == nil {
				if want := map[string]int{"rotate": 11, "revoke": 16}[name]; n != want {
					t.Errorf("%s has %d steps, want %d", name, n-1, want-1)
				}
				break
			}
			if !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("%s, step %d: %v", name, n, err)
			}
			again := &keyring{folder: k.folder}
			wantSigned(t, again, 5, 10, 15, 25)
			r, err := again.Load(t.Context())
			if count := len(r.Keys().All()); err != nil || (count == 2) != (n > 9) && n != 9 {
				t.Fatalf("%s, step %d: %d keys, %v", name, n, count, err)
			}
			if name == "rotate" {
				_, err = again.Rotate(t.Context(), 30, 40)
			} else {
				err = change(again, stolen)
			}
			if err != nil {
				t.Fatalf("%s, step %d, again: %v", name, n, err)
			}
			wantSigned(t, again, 5, 10, 15, 25, 35, 45)
			if r, err = again.Load(t.Context()); err != nil || name == "revoke" && len(r.Private()) != 1 {
				t.Errorf("%s, step %d: %d private parts are left, %v", name, n, len(r.Private()), err)
			}
			wantNoTemp(t, k.folder)
		}
	}
}

// wantSigned says that each size can be signed, unless its key was revoked, in which case it is history.
func wantSigned(t *testing.T, k *keyring, sizes ...int64) {
	t.Helper()
	r, err := k.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		if size < 10 && len(r.Private()) == 1 && len(r.Keys().All()) == 2 {
			continue
		}
		msg, err := r.Sign(headOf(size))
		if err != nil {
			t.Errorf("size %d: %v", size, err)
		} else if _, err := r.Keys().Open(msg); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

// TestKeyFilesThatDoNotBelongTogether is refused, and names a file.
func TestKeyFilesThatDoNotBelongTogether(t *testing.T) {
	k, other := newKeyring(t), newKeyring(t)
	for _, k := range []*keyring{k, other} {
		if _, err := k.Create(t.Context(), origin); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Rotate(t.Context(), 10, 20); err != nil {
			t.Fatal(err)
		}
		wantMode(t, k.historyPath(), 0o600)
	}
	good, err := os.ReadFile(k.historyPath())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(other.historyPath())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"of another log": string(theirs), "empty": "", "torn": string(good[:len(good)/3]), "with more": string(good) + "\n", "of a policy": string(good) + "quorum none\n",
		"spelled otherwise": strings.Replace(string(good), " 0 20", " 00 20", 1),
	} {
		if err := os.WriteFile(k.historyPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt || errors.Is(err, audit.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(k.historyPath(), good, 0o600); err != nil {
		t.Fatal(err)
	}
	chmod(t, k.historyPath(), 0o622)
	if _, err := k.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("a history that others may write: %v", err)
	}
	chmod(t, k.historyPath(), 0o600)
	if err := os.Remove(k.path()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("a history without a key: %v", err)
	}
	if _, err := k.Create(t.Context(), origin); !errors.Is(err, audit.ErrExists) {
		t.Errorf("a key is made beside the history of others: %v", err)
	}
}

// TestKeysChangeWhileOthersLoad has processes that load the keys all the while that they change: each finds keys that sign.
func TestKeysChangeWhileOthersLoad(t *testing.T) {
	k := newKeyring(t)
	if _, err := k.Create(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var done atomic.Bool
	for range 3 {
		all.Go(func() {
			other := &keyring{folder: k.folder}
			for !done.Load() {
				r, err := other.Load(t.Context())
				if err == nil {
					_, err = r.Sign(headOf(200))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range int64(20) {
		keys, err := k.Rotate(t.Context(), 3*i+1, 3*i+1)
		if err == nil {
			_, err = k.Revoke(t.Context(), keys.Newest().VKey, 3*i+2)
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	done.Store(true)
	all.Wait()
}

func FuzzKeyFiles(f *testing.F) {
	good, public, _ := note.GenerateKey(nil, origin)
	f.Add(good+"\n", "")
	f.Add(good+"\n", "log "+public+"\n# taffrail:valid x 0 1\n")
	f.Add("PRIVATE+KEY+a+b+c\n", "log x\n")
	f.Fuzz(func(t *testing.T, private, public string) {
		files := keyFiles{private, public}
		r, err := files.ring()
		if err != nil {
			return
		}
		if again := r.Keys().String(); public != "" && again != public {
			t.Fatalf("%q becomes %q", public, again)
		}
		if all, err := parsePrivate(private); err != nil || format(all) != private {
			t.Fatalf("private keys are read and written otherwise: %v", err)
		}
	})
}

// TestFolderThatAnyoneWritesTo has keys and guard in a folder where others could put files of their own in their place.
func TestFolderThatAnyoneWritesTo(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	k := &keyring{folder: g.folder}
	if _, err := k.Create(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		mode os.FileMode
		want taffrail.Kind
	}{{0o777, taffrail.KindDenied}, {0o777 | os.ModeSticky, ""}, {0o755, ""}} {
		if err := os.Chmod(g.folder, tc.mode); err != nil {
			t.Fatal(err)
		}
		_, keys := (&keyring{folder: g.folder}).Load(t.Context())
		_, held := (&guard{folder: g.folder}).Load(t.Context())
		swapped := (&guard{folder: g.folder}).Swap(t.Context(), headOf(0), headOf(0))
		for _, err := range []error{keys, held, swapped} {
			if (err != nil) != (tc.want != "") || err != nil && (taffrail.KindOf(err) != tc.want || taffrail.HintOf(err) != "chmod 700 "+g.folder) {
				t.Errorf("mode %v: %v, hint %q", tc.mode, err, taffrail.HintOf(err))
			}
		}
	}
}

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
	if loaded.Public != created.Public || loaded.Signer.Name() != origin || loaded.Verifier.Name() != origin {
		t.Errorf("loaded %q, created %q", loaded.Public, created.Public)
	}
	msg, err := note.Sign(&note.Note{Text: "text\n"}, loaded.Signer)
	if err != nil {
		t.Fatal(err)
	}
	public, err := note.NewVerifier(created.Public)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []note.Verifier{public, created.Verifier, loaded.Verifier} {
		if _, err := note.Open(msg, note.VerifierList(v)); err != nil {
			t.Errorf("what one signs the other does not verify: %v", err)
		}
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
				if loaded.Public != created.Public {
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
			if err != nil || after.Public != before.Public+created.Public {
				t.Errorf("the key is %q, %v", after.Public, err)
			}
			wantNoTemp(t, k.folder)
		})
	}
}

func FuzzParseKey(f *testing.F) {
	good, _, _ := note.GenerateKey(nil, origin)
	f.Add(good + "\n")
	f.Add("PRIVATE+KEY+a+b+c\n")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseKey(text)
		if err != nil {
			return
		}
		if key.Signer.Name() != key.Verifier.Name() || key.Signer.KeyHash() != key.Verifier.KeyHash() {
			t.Fatalf("%q: signer and verifier differ", text)
		}
	})
}

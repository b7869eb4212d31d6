package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// knownKey is bytes 0 to 31; its id and the digests below were computed with openssl.
var knownKey = func() []byte {
	key := make([]byte, sealKeySize)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}()

const knownFile = "taffrail-seal-key-v1:e5232ab8:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

func TestSealKnownAnswers(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "seal.key"), []byte(knownFile), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSealer(t.Context(), SealerConfig{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		value taffrail.Value
		want  string
	}{
		{taffrail.String("hunter2"), "hmac:e5232ab8:e1c3705a0a06a0e960bf86b38d9215fc5ec88ba52a4103ff270f9b2f1b46f19a"},
		{taffrail.Bool(true), "hmac:e5232ab8:1b5e2bfaebacebdd49e4c852abd698d151138b8357098447b53b965ef8a9e584"},
	} {
		if got := s.Seal(test.value); got.Shape() != taffrail.ShapeSecret || got.Text() != test.want {
			t.Errorf("sealed as %s, want %s", got.Text(), test.want)
		}
	}
}

// TestSealKnownAnswersBySomeoneElse asks openssl, where there is one, whether the answers above are right.
func TestSealKnownAnswersBySomeoneElse(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	for _, value := range []taffrail.Value{taffrail.String("hunter2"), taffrail.Bool(true)} {
		cmd := exec.Command(openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
		cmd.Stdin = bytes.NewReader(taffrail.SealInput(value))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		digest := strings.Fields(string(out))[1]
		if got := (&sealer{"00000000", knownKey}).Seal(value).Text(); got != "hmac:00000000:"+digest {
			t.Errorf("sealed as %s, openssl says %s", got, digest)
		}
	}
}

func TestSealLeavesAlone(t *testing.T) {
	s := &sealer{sealKeyID(knownKey), knownKey}
	sealed := s.Seal(taffrail.String("a"))
	for _, v := range []taffrail.Value{taffrail.Null(), taffrail.Unknown(), sealed} {
		if got := s.Seal(v); !got.Equal(v) {
			t.Errorf("%v became %v", v.Shape(), got.Shape())
		}
	}
	list := s.Seal(taffrail.List(taffrail.String("a")))
	if list.Shape() != taffrail.ShapeSecret || list.Equal(sealed) {
		t.Errorf("a list is sealed as %s", list.Text())
	}
	if _, err := taffrail.ParseSecretDigest(list.Text()); err != nil {
		t.Error(err)
	}
}

func TestSealerFiles(t *testing.T) {
	folder := newGuard(t).folder
	if _, err := openSealer(t.Context(), SealerConfig{Folder: folder}); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Fatalf("open without create: %v", err)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Fatal("something was written")
	}
	var all sync.WaitGroup
	seals := make([]string, 8)
	for i := range seals {
		all.Go(func() {
			s, err := openSealer(t.Context(), SealerConfig{Folder: folder, Create: true})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			seals[i] = s.Seal(taffrail.String("a")).Text()
		})
	}
	all.Wait()
	for _, seal := range seals {
		if seal != seals[0] || seal == "" {
			t.Errorf("sealed as %q and as %q", seal, seals[0])
		}
	}
	wantMode(t, filepath.Join(folder, "seal.key"), 0o600)
	wantNoTemp(t, folder)
	other, err := openSealer(t.Context(), SealerConfig{Folder: newGuard(t).folder, Create: true})
	if err != nil || other.Seal(taffrail.String("a")).Text() == seals[0] {
		t.Errorf("two keys are one, %v", err)
	}
}

func TestSealerGarbage(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"torn":            knownFile[:40],
		"without newline": strings.TrimSuffix(knownFile, "\n"),
		"two lines":       knownFile + knownFile,
		"other id":        strings.Replace(knownFile, "e5232ab8", "00000000", 1),
		"other version":   strings.Replace(knownFile, "v1", "v2", 1),
		"other key":       strings.Replace(knownFile, "AAEC", "AAED", 1),
		"short key":       "taffrail-seal-key-v1:00000000:AAEC\n",
		"no key":          "taffrail-seal-key-v1\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seal.key")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := openSealer(t.Context(), SealerConfig{Folder: filepath.Dir(path), Create: true})
			wantCorrupt(t, err, path)
			if strings.Contains(err.Error(), "BAUG") {
				t.Errorf("the error has some of the key: %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != text {
				t.Error("the file was replaced")
			}
		})
	}
}

func TestSealKeyFaults(t *testing.T) {
	for _, step := range createSteps {
		t.Run(step.name, func(t *testing.T) {
			config := SealerConfig{Folder: newGuard(t).folder, Create: true}
			path := filepath.Join(config.Folder, "seal.key")
			if err := createSealKey(t.Context(), path, failAt(step.name)); !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("error is %v", err)
			}
			if _, err := os.Stat(path); (err == nil) != step.done {
				t.Errorf("key: %v", err)
			}
			first, err := openSealer(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			again, err := openSealer(t.Context(), config)
			if err != nil || !again.Seal(taffrail.Bool(true)).Equal(first.Seal(taffrail.Bool(true))) {
				t.Errorf("another key after a restart, %v", err)
			}
		})
	}
}

func FuzzParseSealKey(f *testing.F) {
	f.Add(knownFile)
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := parseSealKey(text); err == nil && formatSealKey(key) != text {
			t.Fatalf("%q becomes %q", text, formatSealKey(key))
		}
	})
}

// TestRegister opens each role as the program does.
func TestRegister(t *testing.T) {
	var r plug.Registry
	Register(&r)
	folder := newGuard(t).folder
	settings := plug.Settings{File: "test", YAML: []byte("folder: " + folder)}
	g, err := plug.Open[audit.Guard](t.Context(), &r, "file", plug.Env{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	mustSwap(t, g, audit.Head{}, headOf(0))
	k, err := plug.Open[audit.Keyring](t.Context(), &r, "file", plug.Env{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Create(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	settings.YAML = append(settings.YAML, "\ncreate: true"...)
	if _, err := plug.Open[taffrail.Sealer](t.Context(), &r, "file", plug.Env{}, settings); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"guard.json", "log.key", "seal.key"} {
		wantMode(t, filepath.Join(folder, name), 0o600)
	}
	for _, text := range []string{"", "folder: a\nfolders: b"} {
		bad := plug.Settings{File: "test", YAML: []byte(text)}
		_, guardErr := plug.Open[audit.Guard](t.Context(), &r, "file", plug.Env{}, bad)
		_, keyringErr := plug.Open[audit.Keyring](t.Context(), &r, "file", plug.Env{}, bad)
		_, sealerErr := plug.Open[taffrail.Sealer](t.Context(), &r, "file", plug.Env{}, bad)
		for _, err := range []error{guardErr, keyringErr, sealerErr} {
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("settings %q: %v", text, err)
			}
		}
	}
}

// A version's digest is never that of a secret, whatever the value. The known answer was computed with openssl.
func TestFingerprint(t *testing.T) {
	s := &sealer{sealKeyID(knownKey), knownKey}
	key, digest := s.Fingerprint(taffrail.String("hunter2"))
	if got := fmt.Sprintf("%s %x", key, digest); got != "e5232ab8 06068811baa37602d2f18479822666797319e1159262ff6b92f1f58d1ac707c7" {
		t.Error(got)
	}
	for _, v := range []taffrail.Value{
		taffrail.String("a"), taffrail.Int(1), taffrail.Bool(true), taffrail.List(), taffrail.Set(), taffrail.Map(nil), taffrail.Object(nil),
	} {
		_, digest := s.Fingerprint(v)
		if sealed := s.Seal(v).Text(); strings.Contains(sealed, fmt.Sprintf("%x", digest)) {
			t.Errorf("%v is one as a version and as a secret", v.Shape())
		}
		if first := taffrail.FingerprintInput(v)[0]; first == taffrail.SealInput(v)[0] {
			t.Errorf("%v begins with %q either way", v.Shape(), first)
		}
	}
}

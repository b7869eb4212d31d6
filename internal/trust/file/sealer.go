package file

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A sealer is a [taffrail.Sealer] with a key from the file seal.key.
type sealer struct {
	id  string // names the key in each digest
	key []byte
}

const (
	sealPrefix  = "taffrail-seal-key-v1"
	sealKeySize = 32
	sealHint    = "bring seal.key back from where it was kept; with another key, secrets cannot be compared with what was recorded before"
)

// openSealer reads the key, or makes one if that is asked for and there is none.
func openSealer(ctx context.Context, c SealerConfig) (taffrail.Sealer, error) {
	path := filepath.Join(c.Folder, "seal.key")
	s, err := loadSealer(path)
	if errors.Is(err, fs.ErrNotExist) && c.Create {
		if err := createSealKey(ctx, path, nil); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, failed("create sealing key", err)
		}
		s, err = loadSealer(path) // ours, or that of whoever was faster
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &taffrail.Error{Op: "load sealing key", Kind: taffrail.KindNotFound, Err: err, Hint: sealHint}
	}
	if err != nil {
		return nil, failed("load sealing key", err)
	}
	return s, nil
}

func createSealKey(ctx context.Context, path string, s steps) error {
	key := make([]byte, sealKeySize)
	rand.Read(key) // never fails
	text := formatSealKey(key)
	return locked(ctx, filepath.Join(filepath.Dir(path), "keys.lock"), func() error { return create(path, []byte(text), s) })
}

func loadSealer(path string) (*sealer, error) {
	text, err := read(path, 0o077, 0)
	if err != nil {
		return nil, err
	}
	key, err := parseSealKey(string(text))
	if err != nil {
		return nil, corrupt("load sealing key", path, sealHint, err)
	}
	return &sealer{sealKeyID(key), key}, nil
}

// sealKeyID names a key without giving anything of it away.
func sealKeyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("taffrail seal key id"), key...))
	return fmt.Sprintf("%x", sum[:4])
}

func formatSealKey(key []byte) string {
	return fmt.Sprintf("%s:%s:%s\n", sealPrefix, sealKeyID(key), base64.StdEncoding.EncodeToString(key))
}

// parseSealKey is the inverse of formatSealKey. It never has any of the text in an error.
func parseSealKey(text string) ([]byte, error) {
	fields := strings.Split(strings.TrimSuffix(text, "\n"), ":")
	if len(fields) != 3 || fields[0] != sealPrefix {
		return nil, fmt.Errorf("want one line %s:<id>:<base64 of %d bytes>", sealPrefix, sealKeySize)
	}
	key, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(key) != sealKeySize {
		return nil, fmt.Errorf("the key is not the base64 of %d bytes", sealKeySize)
	}
	if formatSealKey(key) != text {
		return nil, errors.New("the key is not the one that its id names")
	}
	return key, nil
}

// Fingerprint implements [taffrail.Fingerprinter].
func (s *sealer) Fingerprint(v taffrail.Value) (key string, digest [32]byte) {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(taffrail.FingerprintInput(v))
	return s.id, [32]byte(mac.Sum(nil))
}

// Seal implements [taffrail.Sealer].
func (s *sealer) Seal(v taffrail.Value) taffrail.Value {
	switch v.Shape() {
	case taffrail.ShapeUnknown, taffrail.ShapeNull, taffrail.ShapeSecret:
		return v
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write(taffrail.SealInput(v))
	return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:%s:%x", s.id, mac.Sum(nil))))
}

package file

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A keyring is an [audit.Keyring] in the file log.key, which holds the one line that [note.GenerateKey] gives.
type keyring struct {
	folder string
	steps  steps
}

const keyHint = "bring log.key back from where it was kept; a log cannot go on under another key"

func (k *keyring) path() string { return filepath.Join(k.folder, "log.key") }

// Load implements [audit.Keyring].
func (k *keyring) Load(ctx context.Context) (audit.Key, error) {
	key, err := k.load(ctx)
	return key, failed("load signing key", err)
}

func (k *keyring) load(ctx context.Context) (audit.Key, error) {
	if err := ctx.Err(); err != nil {
		return audit.Key{}, err
	}
	text, err := read(k.path(), 0o077, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return audit.Key{}, &taffrail.Error{
			Op: "load signing key", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: %w", k.path(), audit.ErrNoKey), Hint: keyHint,
		}
	}
	if err != nil {
		return audit.Key{}, err
	}
	key, err := parseKey(string(text))
	if err != nil {
		return audit.Key{}, corrupt("load signing key", k.path(), keyHint, err)
	}
	return key, nil
}

// Create implements [audit.Keyring].
func (k *keyring) Create(ctx context.Context, origin string) (audit.Key, error) {
	private, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return audit.Key{}, failed("create signing key", err)
	}
	text := private + "\n"
	key, err := parseKey(text)
	if err != nil {
		return audit.Key{}, &taffrail.Error{
			Op: "create signing key", Kind: taffrail.KindInvalid, Err: fmt.Errorf("for a log of origin %q: %w", origin, err),
			Hint: "an origin is like a host and a path, without white space and plus signs",
		}
	}
	err = locked(ctx, filepath.Join(k.folder, "keys.lock"), func() error { return create(k.path(), []byte(text), k.steps) })
	if errors.Is(err, fs.ErrExist) {
		return audit.Key{}, &taffrail.Error{
			Op: "create signing key", Kind: taffrail.KindConflict, Err: fmt.Errorf("%s: %w", k.path(), audit.ErrExists), Hint: "the key that is there is kept",
		}
	}
	if err != nil {
		return audit.Key{}, failed("create signing key", err)
	}
	return key, nil
}

// parseKey never has any of the text in an error.
func parseKey(text string) (audit.Key, error) {
	line, rest, _ := strings.Cut(text, "\n")
	signer, err := note.NewSigner(line)
	if err != nil || rest != "" || text == line {
		return audit.Key{}, errors.New("want one line that begins with PRIVATE+KEY+, as package note writes it, and a newline")
	}
	public, err := publicKey(line)
	if err != nil {
		return audit.Key{}, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return audit.Key{}, err
	}
	if _, err := audit.FormatCheckpoint(audit.EmptyHead(signer.Name())); err != nil {
		return audit.Key{}, err
	}
	return audit.Key{Signer: signer, Verifier: verifier, Public: public}, nil
}

// publicKey derives the verifier key from a signer key that package note has accepted:
// PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the Ed25519 seed>.
func publicKey(private string) (string, error) {
	fields := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil {
		return "", err
	}
	key := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(fields[2], key)
}

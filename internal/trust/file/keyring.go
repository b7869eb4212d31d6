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
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A keyring is an [audit.Keyring] in two files: log.key holds a line for each private key, as [note.GenerateKey] gives it; log.pub says
// which keys sign which sizes. Log.pub decides: a private key that it does not name signs nothing. As long as there was one key only,
// there is no log.pub, and the first line of log.key signs all sizes.
type keyring struct {
	folder string
	steps  steps

	mu   sync.Mutex
	last keyFiles   // what was read last
	ring audit.Ring // that is made of it
	seen keyStamps  // of the files when they were read; zero where those do not tell whether they have changed since
}

// keyFiles are the contents of both files.
type keyFiles struct {
	private, public string
}

const keyHint = "bring log.key and log.pub back from where they were kept; a log cannot go on under a key that nobody handed over to"

func (k *keyring) path() string { return filepath.Join(k.folder, "log.key") }

func (k *keyring) historyPath() string { return filepath.Join(k.folder, "log.pub") }

// Load implements [audit.Keyring].
func (k *keyring) Load(ctx context.Context) (audit.Ring, error) {
	r, _, err := k.load(ctx)
	return r, failed("load signing keys", err)
}

func (k *keyring) load(ctx context.Context) (audit.Ring, keyFiles, error) {
	before, ok := k.stamps()
	if ring, files, same := k.same(before); ok && same {
		return ring, files, ctx.Err()
	}
	files, err := k.read(ctx)
	if err != nil {
		return audit.Ring{}, files, err
	}
	after, ok := k.stamps()
	k.mu.Lock()
	defer k.mu.Unlock()
	if files != k.last || k.ring.Keys().Origin() == "" {
		r, err := files.ring()
		if err != nil {
			return audit.Ring{}, files, corrupt("load signing keys", k.path(), keyHint, err)
		}
		k.last, k.ring = files, r
	}
	if k.seen = after; !ok || after != before {
		k.seen = keyStamps{}
	}
	return k.ring, files, nil
}

// same gives what was read last, if both files are as they were then.
func (k *keyring) same(now keyStamps) (audit.Ring, keyFiles, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring, k.last, k.seen != keyStamps{} && now == k.seen
}

// read reads both files as they belong together: what changes them writes log.key before log.pub or after it, never both at once.
func (k *keyring) read(ctx context.Context) (files keyFiles, err error) {
	var public string
	for public, err = k.history(); err == nil; public = files.public {
		if err := ctx.Err(); err != nil {
			return files, err
		}
		private, err := read(k.path(), 0o077, 0)
		missing := errors.Is(err, fs.ErrNotExist)
		if err != nil && !missing {
			return files, err
		}
		if files.public, err = k.history(); err != nil {
			return files, err
		}
		switch files.private = string(private); {
		case files.public != public: // they were changed meanwhile
		case missing && public == "":
			return files, &taffrail.Error{
				Op: "load signing keys", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: %w", k.path(), audit.ErrNoKey), Hint: keyHint,
			}
		default:
			return files, nil
		}
	}
	return files, err
}

// history is the content of log.pub; empty if there is none.
func (k *keyring) history() (string, error) {
	text, err := read(k.historyPath(), 0o022, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil && len(text) == 0 {
		err = corrupt("load signing keys", k.historyPath(), keyHint, errors.New("it is empty"))
	}
	return string(text), err
}

// Create implements [audit.Keyring].
func (k *keyring) Create(ctx context.Context, origin string) (audit.Ring, error) {
	key, err := newKey(origin)
	if err != nil {
		return audit.Ring{}, &taffrail.Error{
			Op: "create signing key", Kind: taffrail.KindInvalid, Err: fmt.Errorf("for a log of origin %q: %w", origin, err),
			Hint: "an origin is like a host and a path, without white space and plus signs",
		}
	}
	r, err := keyFiles{private: key.line}.ring()
	if err != nil {
		return audit.Ring{}, &taffrail.Error{Op: "create signing key", Kind: taffrail.KindInternal, Err: err}
	}
	err = k.locked(ctx, func() error {
		if public, err := k.history(); err != nil || public != "" {
			return errors.Join(err, fs.ErrExist)
		}
		return create(k.path(), []byte(key.line), k.steps)
	})
	if errors.Is(err, fs.ErrExist) {
		return audit.Ring{}, &taffrail.Error{
			Op: "create signing key", Kind: taffrail.KindConflict, Err: fmt.Errorf("%s: %w", k.path(), audit.ErrExists), Hint: "the key that is there is kept",
		}
	}
	if err != nil {
		return audit.Ring{}, failed("create signing key", err)
	}
	return r, nil
}

func (k *keyring) locked(ctx context.Context, f func() error) error {
	return locked(ctx, filepath.Join(k.folder, "keys.lock"), f)
}

// Rotate implements [audit.Keyring].
func (k *keyring) Rotate(ctx context.Context, from, until int64) (audit.Keys, error) {
	return k.change(ctx, "rotate signing key", "", func(keys audit.Keys, vkey string) (audit.Keys, error) {
		return keys.Rotated(vkey, from, until)
	})
}

// Revoke implements [audit.Keyring].
func (k *keyring) Revoke(ctx context.Context, vkey string, at int64) (audit.Keys, error) {
	return k.change(ctx, "revoke signing key", vkey, func(keys audit.Keys, successor string) (audit.Keys, error) {
		return keys.Revoked(vkey, at, successor)
	})
}

// change makes a key and lets it take its place. Leaving is the key whose private part is removed; empty for none.
func (k *keyring) change(ctx context.Context, op, leaving string, f func(keys audit.Keys, vkey string) (audit.Keys, error)) (keys audit.Keys, err error) {
	err = k.locked(ctx, func() error {
		ring, files, err := k.load(ctx)
		if err != nil {
			return err
		}
		made, err := newKey(ring.Keys().Origin())
		if err != nil {
			return err
		}
		keys, err = f(ring.Keys(), made.vkey)
		if errors.Is(err, audit.ErrNoKey) {
			return &taffrail.Error{Op: op, Kind: taffrail.KindNotFound, Err: err, Hint: "name one of:\n" + ring.Keys().String()}
		}
		if err != nil {
			return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Err: err, Hint: "name sizes beyond what is signed by now"}
		}
		return k.replace(files, keys, made, leaving)
	})
	if err != nil {
		return audit.Keys{}, failed(op, err)
	}
	return keys, nil
}

// replace makes new keys those of the log. The caller holds the lock.
func (k *keyring) replace(files keyFiles, keys audit.Keys, made privateKey, leaving string) error {
	private, err := parsePrivate(files.private)
	if err != nil {
		return err
	}
	private = slices.DeleteFunc(append(private, made), func(p privateKey) bool {
		_, known := keys.Find(p.vkey)
		return !known && p.vkey != leaving // made in vain by one who was cut short
	})
	written := files.private
	if public := keys.String(); public != files.public {
		// If we stop before this is done, nothing has changed. If we stop after it, there is a private key that log.pub does not name, or that
		// is not in the first line: it signs nothing, and the next change removes it.
		written = format(private)
		if err := k.write(k.path(), written); err != nil {
			return err
		}
		// If we stop after this, all is done but for the removal of a private key, which signs nothing above its range any more. Whoever
		// revokes it again removes it.
		if err := k.write(k.historyPath(), public); err != nil {
			return err
		}
	}
	if private = slices.DeleteFunc(private, func(p privateKey) bool { return p.vkey == leaving }); format(private) == written {
		return nil
	}
	return k.write(k.path(), format(private))
}

func (k *keyring) write(path, text string) error {
	if len(text) >= maxFile {
		return &taffrail.Error{Op: "write " + path, Kind: taffrail.KindInvalid, Err: fmt.Errorf("it would have %d bytes, and %d is the most", len(text), maxFile-1)}
	}
	return replace(path, []byte(text), k.steps)
}

// ring puts together what the files say.
func (f keyFiles) ring() (audit.Ring, error) {
	private, err := parsePrivate(f.private)
	if err != nil {
		return audit.Ring{}, err
	}
	keys, err := f.keys(private)
	if err != nil {
		return audit.Ring{}, err
	}
	var signers []note.Signer
	for _, p := range private {
		if p.signer.Name() != keys.Origin() {
			return audit.Ring{}, fmt.Errorf("one key is of log %q, and one of %q", keys.Origin(), p.signer.Name())
		}
		if _, known := keys.Find(p.vkey); known {
			signers = append(signers, p.signer)
		}
	}
	if len(signers) == 0 {
		return audit.Ring{}, errors.New("log.pub names no key that is in log.key")
	}
	return audit.NewRing(keys, signers...)
}

func (f keyFiles) keys(private []privateKey) (audit.Keys, error) {
	if f.public == "" {
		one, err := audit.NewLogKey(private[0].vkey, 0, 0)
		if err != nil {
			return audit.Keys{}, err
		}
		return audit.NewKeys(one)
	}
	keys, err := audit.ParseKeys([]byte(f.public))
	if err == nil && keys.String() != f.public {
		err = errors.New("log.pub was not written by this program")
	}
	return keys, err
}

// A privateKey is a line of log.key.
type privateKey struct {
	line   string // with its newline
	vkey   string
	signer note.Signer
}

func newKey(origin string) (privateKey, error) {
	line, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return privateKey{}, err
	}
	return parseKey(line)
}

func format(private []privateKey) string {
	var b strings.Builder
	for _, p := range private {
		b.WriteString(p.line)
	}
	return b.String()
}

// parsePrivate is the inverse of format. It never has any of the text in an error.
func parsePrivate(text string) (all []privateKey, err error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, errors.New("log.key does not end with a newline")
	}
	for line := range strings.Lines(text) {
		key, err := parseKey(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(p privateKey) bool { return p.vkey == key.vkey }) {
			return nil, errors.New("a key stands in log.key twice")
		}
		all = append(all, key)
	}
	return all, nil
}

// parseKey reads a line without its newline, and never has any of it in an error.
func parseKey(line string) (privateKey, error) {
	signer, err := note.NewSigner(line)
	if err != nil {
		return privateKey{}, errors.New("want lines that begin with PRIVATE+KEY+, as package note writes them")
	}
	vkey, err := publicKey(line)
	if err != nil {
		return privateKey{}, err
	}
	if _, err := audit.NewLogKey(vkey, 0, 0); err != nil {
		return privateKey{}, err
	}
	return privateKey{line + "\n", vkey, signer}, nil
}

// publicKey derives the verifier key from a signer key that package note has accepted:
// PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the Ed25519 seed>.
func publicKey(private string) (string, error) {
	fields := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil {
		return "", errors.New("a key in log.key is no base64")
	}
	key := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(fields[2], key)
}

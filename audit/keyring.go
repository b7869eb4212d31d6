package audit

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/note"
)

// ErrNoKey is what a [Keyring] answers that holds no key.
var ErrNoKey = errors.New("there is no signing key")

// A Key signs a log and bears its name, which is the log's origin.
type Key struct {
	Signer   note.Signer
	Verifier note.Verifier
	Public   string // what auditors keep, as [note.NewVerifier] reads it
}

// A Keyring keeps the key that signs a log.
type Keyring interface {
	// Load gives the key, and [ErrNoKey] if there is none. A key that cannot be read or understood, or that others could
	// read, is another error: it is never taken for none.
	Load(ctx context.Context) (Key, error)

	// Create makes a key for a log of this origin, durable when it returns nil. If there is one already the error wraps
	// [ErrExists], and the key stays.
	Create(ctx context.Context, origin string) (Key, error)
}

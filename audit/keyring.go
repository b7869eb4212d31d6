package audit

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/note"
)

// ErrNoKey is what a [Keyring] answers that holds no key.
var ErrNoKey = errors.New("there is no signing key")

// A Keyring keeps the key that signs a log. The key bears the log's name, which is its origin.
type Keyring interface {
	// Load gives the key, and [ErrNoKey] if there is none. A key that cannot be read or understood, or that others could
	// read, is another error: it is never taken for none.
	Load(ctx context.Context) (note.Signer, note.Verifier, error)

	// Create makes a key for a log of this origin, durable when it returns nil. If there is one already the error wraps
	// [ErrExists], and the key stays.
	Create(ctx context.Context, origin string) (note.Signer, note.Verifier, error)
}

package terraform

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A keeper reads a stack's state from where it is kept: a file, or a backend that the code names. It takes no lock and writes
// nothing.
type keeper struct {
	target target
	config Config
	host   host

	mu         sync.Mutex
	file       *state.File    // nil until it is needed
	remote     backend.Reader // nil until it is needed, and for a file
	version    string         // of the state that header was read from
	header     state.Header
	changed    time.Time // when another version was fetched than before; zero before that
	decrypting bool      // whether remote is OpenTofu, which decrypts
}

// readHeader tells which version of the state is kept now.
func (k *keeper) readHeader(ctx context.Context) (state.Header, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target.unlocated != nil {
		return state.Header{}, k.target.unlocated
	}
	if k.target.backend == nil {
		h, err := k.local().Header()
		if err == nil || !k.turns(ctx, &err) {
			return h, err
		}
	}
	_, err := k.fetch(ctx, k.version)
	return k.header, err
}

// read reads the state as a whole.
func (k *keeper) read(ctx context.Context) (*state.State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target.unlocated != nil {
		return nil, k.target.unlocated
	}
	if k.target.backend == nil {
		s, err := k.local().Read()
		if err == nil || !k.turns(ctx, &err) {
			return s, err
		}
	}
	body, err := k.fetch(ctx, "")
	if err != nil {
		return nil, err
	}
	s, err := state.Parse(body)
	return s, k.named(err)
}

// local is the file that holds the state.
func (k *keeper) local() *state.File {
	if k.file == nil {
		k.file = state.NewFile(k.target.state)
	}
	return k.file
}

// turns says whether a file that could not be read is read by OpenTofu from now on. If that is what it needs and cannot have, the
// error says so instead.
func (k *keeper) turns(ctx context.Context, err *error) bool {
	if taffrail.KindOf(*err) != taffrail.KindInvalid || !isEncryptedFile(k.target.state) {
		return false
	}
	turned, refused := k.decrypt(ctx, []byte(`{"encrypted_data": true}`))
	if refused != nil {
		*err = refused
		return false
	}
	return turned
}

// fetch asks the backend for the state, unless it is of a version that is known: then there is no body.
func (k *keeper) fetch(ctx context.Context, known string) ([]byte, error) {
	if err := k.open(ctx); err != nil {
		return nil, err
	}
	body, version, err := k.remote.Fetch(ctx, known)
	if err != nil || body == nil {
		return nil, err
	}
	h, err := state.ParseHeader(body)
	if err != nil {
		if turned, refused := k.decrypt(ctx, body); refused != nil {
			return nil, k.named(refused)
		} else if turned {
			return k.fetch(ctx, "")
		}
		return nil, k.named(err)
	}
	if k.version != "" && k.version != version {
		k.changed = time.Now()
	}
	k.version, k.header = version, h
	return body, nil
}

func (k *keeper) open(ctx context.Context) (err error) {
	if k.remote == nil {
		k.remote, err = k.connect(ctx)
	}
	return err
}

// named says of what is wrong with a state where that is kept.
func (k *keeper) named(err error) error {
	if err == nil {
		return nil
	}
	return &taffrail.Error{Op: "read state", Kind: taffrail.KindOf(err), Hint: taffrail.HintOf(err), Err: fmt.Errorf("%s: %w", k.remote.Name(), err)}
}

// written is when the state was written, as far as anybody knows: by the file, by the word of the backend, or by our having seen it change.
func (k *keeper) written() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.remote == nil {
		info, err := os.Stat(k.target.state)
		if err != nil {
			return time.Time{} // whoever reads it says so
		}
		return info.ModTime()
	}
	if at := backend.Written(k.remote); !at.IsZero() {
		return at
	}
	return k.changed
}

// locked says whether somebody holds the state's lock, as far as that can be seen: an apply is likely under way.
func (k *keeper) locked(ctx context.Context) (who string, locked bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target.unlocated != nil {
		return "", false, k.target.unlocated
	}
	if k.target.backend == nil {
		who, locked = k.target.locked()
		return who, locked, nil
	}
	if err := k.open(ctx); err != nil {
		return "", false, err
	}
	lock, err := k.remote.Locked(ctx)
	return lock.String(), lock.Held, err
}

// lockUnknown is what locked says of a lock that cannot be seen without taking it.
var lockUnknown = backend.Lock{Unknown: true}.String()

// name says where the state is, for people.
func (k *keeper) name() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target.backend == nil {
		return k.target.state
	}
	if k.remote == nil {
		return k.target.backend.Type
	}
	return k.remote.Name()
}

func (k *keeper) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.remote == nil {
		return nil
	}
	defer func() { k.remote, k.version, k.decrypting = nil, "", false }()
	return k.remote.Close()
}

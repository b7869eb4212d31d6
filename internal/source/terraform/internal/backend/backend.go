// Package backend reads the state of a workspace from wherever a Terraform or OpenTofu stack keeps it.
//
// A reader only reads: it creates no state, no bucket, no table and no workspace, and it takes, extends and breaks no lock. It
// gives the bytes as they are kept, but for the compression that some backends use; what they mean, and whether OpenTofu
// encrypted them, is for the parser of states to say. A state that is not there is an error of the kind not_found, never an
// empty state: an empty state would mean that everything was deleted.
//
// No error holds a secret of the settings or of the environment.
package backend

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/azurerm"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/command"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/consul"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/gcs"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/hcp"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/kubernetes"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/local"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/pg"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/s3"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/web"
)

// Limit is how many bytes of state are read at most, unless a Config says otherwise.
const Limit = remote.DefaultLimit

// Config is a backend's settings and surroundings.
type Config = remote.Config

// Lock is what a backend tells of the lock of a state.
type Lock = remote.Lock

// A Reader reads one state. It may be used for as long as it is open, by one caller at a time.
type Reader interface {
	// Fetch gives the state and its version: an ETag, a generation, a digest. If the version is the known one, there is no body
	// and no error. An empty known fits no version.
	Fetch(ctx context.Context, known string) (body []byte, version string, err error)
	// Locked tells of the state's lock, as far as it can be seen without touching it.
	Locked(ctx context.Context) (Lock, error)
	// Name says where the state is, for people and logs: "s3://bucket/key". It holds no credentials.
	Name() string
	// Close lets go of connections.
	Close() error
}

// Written is when the state that a reader fetched last was written. It is zero where the backend does not say.
func Written(r Reader) time.Time {
	if c, ok := r.(careful); ok {
		r = c.Reader
	}
	if dated, ok := r.(interface{ Written() time.Time }); ok {
		return dated.Written()
	}
	return time.Time{}
}

// readers is the one list of backends.
var readers = map[string]func(context.Context, Config) (Reader, error){
	"azurerm":    opener(azurerm.Open),
	"cloud":      opener(hcp.Open),
	"consul":     opener(consul.Open),
	"gcs":        opener(gcs.Open),
	"http":       opener(web.Open),
	"kubernetes": opener(kubernetes.Open),
	"pg":         opener(pg.Open),
	"remote":     opener(hcp.Open),
	"s3":         opener(s3.Open),
}

// opener fits the Open of a package, which gives its own type, to the list.
func opener[R Reader](open func(context.Context, Config) (R, error)) func(context.Context, Config) (Reader, error) {
	return func(ctx context.Context, c Config) (Reader, error) {
		r, err := open(ctx, c)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
}

// Types lists the backends that can be read, in order.
func Types() []string { return slices.Sorted(maps.Keys(readers)) }

// Readable says whether a backend can be read without the tool.
func Readable(kind string) bool { return readers[kind] != nil }

// Open makes a reader for one workspace of a backend. Most make no request yet; credentials may be looked for.
func Open(ctx context.Context, c Config) (Reader, error) {
	c = c.WithDefaults()
	open := readers[c.Type]
	if open == nil {
		return nil, remote.Invalid("pull the state with the tool and scan the file that it writes", "the backend %q is not known", c.Type)
	}
	r, err := open(ctx, c)
	if err != nil {
		return nil, c.Scrub(err)
	}
	return careful{Reader: r, config: c}, nil
}

// Pull makes a reader that runs `state pull` of the tool, a name or path, in the stack's folder: for backends that are not in
// Types, and for states that OpenTofu encrypted, also in a file: then the type is "local", and the attribute "path" its path. Init must
// have been run there.
func Pull(ctx context.Context, c Config, tool string) (Reader, error) {
	c = c.WithDefaults()
	var native command.Native // stays nil itself where there is no reader
	open := readers[c.Type]
	if c.Type == command.LocalType {
		open = opener(local.Open)
	}
	if open != nil {
		own, err := open(ctx, c)
		if err != nil {
			return nil, c.Scrub(err)
		}
		native = own
	}
	r, err := command.Open(c, tool, native)
	if err != nil {
		if native != nil {
			err = errors.Join(err, native.Close())
		}
		return nil, c.Scrub(err)
	}
	return careful{Reader: r, config: c}, nil
}

// careful keeps secrets out of a reader's errors.
type careful struct {
	Reader
	config Config
}

func (r careful) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	body, version, err := r.Reader.Fetch(ctx, known)
	if err != nil {
		return nil, "", r.config.Scrub(err)
	}
	return body, version, nil
}

func (r careful) Locked(ctx context.Context) (Lock, error) {
	lock, err := r.Reader.Locked(ctx)
	return lock, r.config.Scrub(err)
}

// Package socket lets another process sign, over a Unix socket, so that whoever writes the log never holds its key.
//
// The server has guard and keys, and decides by them what it signs: a client that lies about what was signed, or that was taken over, is
// refused like one in the same process, and gets the same errors. Each end asks the system who is at the other one: the server answers, and
// the client believes, its own user, root, and users that are configured.
//
// A connection carries one request and one answer. Each is a frame: its length in four bytes, the most significant first, and so
// many bytes of JSON, which name the version of the protocol. Frames are bounded in size, and each must arrive within a time.
//
// If the server dies in the midst of a signature, or the answer is lost, the state may have been replaced or not. Signing the same
// again is always allowed, and tells.
package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says where the signer listens, and who it may be.
type Config struct {
	Path    string        `yaml:"path"`    // of the socket, as a whole
	UIDs    []int         `yaml:"uids"`    // numbers of users that may serve it, beside our own and root
	Timeout time.Duration `yaml:"timeout"` // for one request and its answer; 30 seconds if nothing is set
}

// ServerConfig says where we listen, and whom we sign for.
type ServerConfig struct {
	// Path is that of the socket, as a whole. Its folder is ours alone; it is made if it is not there.
	Path string `yaml:"path"`
	// UIDs are numbers of users that we sign for, beside our own and root. With them, others may reach the socket, and are turned away there.
	UIDs        []int         `yaml:"uids"`
	Timeout     time.Duration `yaml:"timeout"`     // for one request and its answer; 30 seconds if nothing is set
	Connections int           `yaml:"connections"` // at once; 16 if nothing is set
}

const (
	defaultTimeout     = 30 * time.Second
	defaultConnections = 16
	maxPath            = 100 // a few less than what systems allow, for a temporary name beside it
)

// Register registers both ends.
func Register(r *plug.Registry) {
	plug.Add(r, "socket", func(_ context.Context, _ plug.Env, c Config) (audit.RemoteSigner, error) { return newClient(c) })
	plug.Add(r, "socket", func(_ context.Context, env plug.Env, c ServerConfig) (audit.SignerServer, error) {
		return newServer(env, c)
	})
}

func newClient(c Config) (*client, error) {
	const op = "open signer"
	users, err := checkEnd(op, c.Path, c.UIDs, &c.Timeout)
	return &client{path: c.Path, users: users, timeout: c.Timeout}, err
}

func newServer(env plug.Env, c ServerConfig) (*server, error) {
	const op = "open signer's server"
	users, err := checkEnd(op, c.Path, c.UIDs, &c.Timeout)
	if err == nil && c.Connections < 0 {
		err = invalid(op, "set `connections` to a number such as 16", "%d connections are none", c.Connections)
	}
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	logger := env.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &server{path: c.Path, users: users, shared: len(c.UIDs) > 0, timeout: c.Timeout, connections: c.Connections, logger: logger}, err
}

// checkEnd looks at what the settings of both ends have.
func checkEnd(op, path string, uids []int, timeout *time.Duration) (users, error) {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path:
		return nil, invalid(op, "set `path` to the whole path of a socket", "path %q depends on the working directory, or is written in a roundabout way", path)
	case len(path) > maxPath:
		return nil, invalid(op, "choose a shorter `path`", "path %s has %d bytes, and a socket's may have %d", path, len(path), maxPath)
	case *timeout < 0:
		return nil, invalid(op, "set `timeout` to a time such as 30s", "timeout is %v", *timeout)
	case slices.ContainsFunc(uids, func(uid int) bool { return uid < 0 || uid >= 1<<32-1 }):
		return nil, invalid(op, "set `uids` to numbers of users", "uids %v are no numbers of users", uids)
	}
	if *timeout == 0 {
		*timeout = defaultTimeout
	}
	return append(users{os.Geteuid(), 0}, uids...), nil
}

func invalid(op, hint, format string, args ...any) error {
	return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// users are those who may be at the other end, by their numbers.
type users []int

// errStranger says that someone else is at the other end.
var errStranger = errors.New("it is not allowed")

func (u users) check(uid int) error {
	if slices.Contains(u, uid) {
		return nil
	}
	return fmt.Errorf("at the other end is user %d: %w", uid, errStranger)
}

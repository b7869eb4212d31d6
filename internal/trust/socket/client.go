package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A client is an [audit.RemoteSigner]. It connects for each request, so that it does not matter whether the server was started anew.
type client struct {
	path    string
	users   users // who may be the server
	timeout time.Duration
}

// Head implements [audit.Signer].
func (c *client) Head(ctx context.Context) (audit.Head, error) {
	a, err := c.ask(ctx, request{Op: opHead})
	if err != nil {
		return audit.Head{}, err
	}
	if a.Head == nil {
		return audit.Head{}, c.nonsense(opHead, errors.New("there is no state in it"))
	}
	return a.Head.head(), nil
}

// Sign implements [audit.Signer]. If we stop while we wait for the answer, old may have been replaced by new or not: to sign the same
// again, or what Head gives then, is allowed.
func (c *client) Sign(ctx context.Context, old audit.Head, new tlog.Tree, proof tlog.TreeProof) ([]byte, error) {
	a, err := c.ask(ctx, request{Op: opSign, Old: formOf(old), Size: new.N, Root: &new.Hash, Proof: proof})
	if err == nil && len(a.Note) == 0 {
		err = c.nonsense(opSign, errors.New("there is no note in it"))
	}
	return a.Note, err
}

// Keys implements [audit.Signer].
func (c *client) Keys(ctx context.Context) (audit.Keys, error) {
	return c.keys(ctx, request{Op: opKeys})
}

// Rotate implements [audit.KeyControl].
func (c *client) Rotate(ctx context.Context, from, until int64) (audit.Keys, error) {
	return c.keys(ctx, request{Op: opRotate, From: from, Until: until})
}

// Revoke implements [audit.KeyControl].
func (c *client) Revoke(ctx context.Context, vkey string, at int64) (audit.Keys, error) {
	return c.keys(ctx, request{Op: opRevoke, VKey: vkey, At: at})
}

func (c *client) keys(ctx context.Context, r request) (audit.Keys, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return audit.Keys{}, err
	}
	keys, err := audit.ParseKeys([]byte(a.Keys))
	if err != nil {
		return audit.Keys{}, c.nonsense(r.Op, err)
	}
	return keys, nil
}

// ask makes one request and takes its answer. What the server says is wrong comes back as the server's own error; all else is that it
// could not be asked.
func (c *client) ask(ctx context.Context, r request) (answer, error) {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r.Version = protocol
	a, err := c.exchange(within, r)
	if err != nil {
		return answer{}, c.failed(ctx, r.Op, err)
	}
	return a, a.Error.err()
}

func (c *client) exchange(ctx context.Context, r request) (answer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.path)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	// Nothing is sent before it is known to whom: what a stranger is told, it could use.
	if err := checkPeer(conn, c.users); err != nil {
		return answer{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := writeFrame(conn, r); err != nil {
		return answer{}, err
	}
	return receive[answer](conn)
}

// checkPeer asks the system who is at the other end.
func checkPeer(conn net.Conn, allowed users) error {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("only a Unix socket tells who is at the other end: %w", errStranger)
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return err
	}
	var uid int
	var asked error
	if err := raw.Control(func(fd uintptr) { uid, asked = peerUID(int(fd)) }); err != nil {
		return err
	}
	if asked != nil {
		return fmt.Errorf("ask who is at the other end: %w", asked)
	}
	return allowed.check(uid)
}

// nonsense is what a server answers that is none of ours, or of another release. What is found in it is no error of the signer's.
func (c *client) nonsense(op operation, err error) error {
	return &taffrail.Error{
		Op: "ask signer to " + string(op), Kind: taffrail.KindUnavailable,
		Err:  fmt.Errorf("%s: its answer cannot be understood: %v", c.path, err), //nolint:errorlint // an ErrNoKey of ours would say that it has none
		Hint: "run signer and client of one release",
	}
}

func (c *client) failed(ctx context.Context, op operation, err error) error {
	e := &taffrail.Error{
		Op: "ask signer to " + string(op), Kind: taffrail.KindUnavailable, Err: fmt.Errorf("%s: %w", c.path, err),
		Hint: "see whether the signer runs",
	}
	ended := ctx.Err()
	switch {
	case ended != nil:
		e.Hint = ""
		if !errors.Is(err, ended) {
			e.Err = fmt.Errorf("%s: %w: %w", c.path, ended, err)
		}
	case errors.Is(err, errStranger):
		e.Kind, e.Hint = taffrail.KindDenied, "name in `uids` the user that the signer runs as, if it is the right one"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "name this user in the `uids` of the signer"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		e.Hint = "see why the signer takes so long, or set a longer `timeout`"
	}
	return e
}

// Package git pushes checkpoints to a branch of a git repository that others clone. Each clone remembers what was shown, and a history
// that was written anew does not fit to it.
//
// # What is pushed
//
// Each checkpoint is one commit on the tip of the branch, with the note in a file of its log's own:
//
//	<origin, with %XX for all but letters, digits, dots, dashes and underscores>/checkpoint
//
// and with origin, size and root in its message. Several logs may share a branch. It only ever grows: nothing is forced, and where
// somebody else was faster, their commit is fetched and ours is put on top of it.
//
// # The receipt
//
// Its data is a JSON object on one line, in this order:
//
//	{"version":1,"url":"...","branch":"...","path":"...","commit":"<hash>","note":"<the bytes that were pushed>"}
//
// It is checked by fetching the branch: the commit must be part of it, and must hold the note. Anybody can do the same in a clone:
//
//	git merge-base --is-ancestor <commit> origin/<branch> && git show <commit>:<path>
//
// Git dates nothing: the time of a commit is the one that we set it to, so this anchor says in which order, and not when.
//
// # What is an alarm
//
// A branch that no longer contains what was pushed, or that is gone, or that holds another tree for a size that we push, is an
// [audit.CorruptError]. A repository that cannot be reached, or that we are not let into, is not: that says nothing of what it holds.
package git

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"strings"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says which repository, and how to get into it.
type Config struct {
	// Name is what its receipts call it.
	Name string `yaml:"name"`
	// URL is https://host/path, ssh://user@host/path, user@host:path, or a path on this machine (which needs the git program).
	URL string `yaml:"url"`
	// Branch is taffrail-checkpoints if it is empty.
	Branch string `yaml:"branch"`
	// Author of the commits, as Name <address>.
	Author string `yaml:"author"`
	// Folder keeps what was fetched, and which commit was pushed last. Without it the branch is fetched as a whole after each start, and a
	// branch that was written anew between two starts shows when receipts are checked, but not earlier.
	Folder string `yaml:"folder"`
	// User and one of PasswordFile and PasswordEnv are for https; a token is a password.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
	// SSHKeyFile is a private key; without it the agent is asked. KnownHostsFile has the keys of hosts; without it that of the user.
	SSHKeyFile     string `yaml:"ssh_key_file"`
	KnownHostsFile string `yaml:"known_hosts_file"`
	// CAFile has certificates, in PEM, that are trusted for https beside those of the system.
	CAFile string `yaml:"ca_file"`
	// Timeout is for all that one checkpoint takes; a minute if it is 0.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	kind           = "git"
	opOpen         = "open git anchor"
	opAnchor       = "push checkpoint"
	opCheck        = "check pushed checkpoint"
	defaultBranch  = "taffrail-checkpoints"
	defaultAuthor  = "taffrail <taffrail@localhost>"
	defaultTimeout = time.Minute
)

// Register registers the anchor.
func Register(r *plug.Registry) {
	plug.Add(r, kind, func(_ context.Context, env plug.Env, c Config) (audit.Anchor, error) {
		a, err := newAnchor(env, c)
		if err != nil {
			return nil, err
		}
		return a, nil
	})
}

// An anchor is an [audit.Anchor].
type anchor struct {
	config Config
	author mail.Address
	branch plumbing.ReferenceName
	ca     []byte
	now    func() time.Time
	turn   chan struct{} // of capacity 1: whoever fills it uses the rest
	clone  *gogit.Repository
}

func newAnchor(env plug.Env, c Config) (*anchor, error) {
	if c.Branch == "" {
		c.Branch = defaultBranch
	}
	if c.Author == "" {
		c.Author = defaultAuthor
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	a := &anchor{config: c, branch: plumbing.NewBranchReferenceName(c.Branch), now: env.Now, turn: make(chan struct{}, 1)}
	author, err := mail.ParseAddress(c.Author)
	switch {
	case c.Name == "":
		return nil, invalid(errors.New("it has no name"), "set `name`: its receipts are found by it")
	case err != nil || author.Name == "":
		return nil, invalid(fmt.Errorf("%q is no author", c.Author), "set `author` to Name <address>")
	case a.branch.Validate() != nil || (&config.Branch{Name: c.Branch, Merge: a.branch}).Validate() != nil:
		return nil, invalid(fmt.Errorf("%q is no name of a branch", c.Branch), "set `branch` to one")
	case c.Timeout < 0:
		return nil, invalid(fmt.Errorf("timeout is %v", c.Timeout), "set `timeout` to a time such as 1m")
	case c.PasswordFile != "" && c.PasswordEnv != "":
		return nil, invalid(errors.New("there are two passwords"), "set one of `password_file` and `password_env`")
	}
	a.author = *author
	if err := checkURL(c); err != nil {
		return nil, invalid(err, "set `url` to https://host/path, ssh://user@host/path, or a path; there are other settings for secrets")
	}
	if c.CAFile != "" {
		if a.ca, err = os.ReadFile(c.CAFile); err != nil {
			return nil, invalid(err, "set `ca_file` to a file that can be read")
		}
	}
	a.clone, err = openClone(c.Folder)
	return a, err
}

// checkURL refuses what would put a secret into messages and receipts, and protocols without one.
func checkURL(c Config) error {
	if c.URL == "" {
		return errors.New("no url is named")
	}
	e, err := transport.NewEndpoint(c.URL)
	if err != nil || strings.ContainsAny(c.URL, "?#\n") {
		return errors.New("the url cannot be understood")
	}
	switch e.Protocol {
	case "ssh", "file":
		if e.Password != "" {
			return errors.New("the url holds a password")
		}
	case "https", "http":
		if e.User != "" || e.Password != "" {
			return errors.New("the url holds a user or a password")
		}
		if e.Protocol == "http" && (c.User != "" || c.PasswordFile != "" || c.PasswordEnv != "") {
			return errors.New("a password would be sent in clear")
		}
	default:
		return fmt.Errorf("the protocol %.20q is not spoken", e.Protocol)
	}
	return nil
}

func invalid(err error, hint string) error {
	return &taffrail.Error{Op: opOpen, Kind: taffrail.KindInvalid, Err: err, Hint: hint}
}

// maxTries bounds how often somebody else may be faster.
const maxTries = 8

// Anchor implements [audit.Anchor]. If we stop before the push is over, the commit is on the branch or it is not; the next one for the
// same checkpoint finds it there, or pushes again.
func (a *anchor) Anchor(ctx context.Context, cp audit.Checkpoint) (audit.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	if err := a.hold(ctx, opAnchor); err != nil {
		return audit.Receipt{}, err
	}
	defer a.release()
	path, err := pathOf(cp)
	if err != nil {
		return audit.Receipt{}, a.error(opAnchor, taffrail.KindInvalid, err, "")
	}
	tip, err := a.fetch(ctx, opAnchor)
	for tries := 1; err == nil; tries++ {
		var commit plumbing.Hash
		if commit, err = a.place(tip, path, cp); err != nil || commit == tip {
			return a.receipt(commit, path, cp, err)
		}
		pushed := a.push(ctx, tip, commit)
		if pushed == nil {
			return a.receipt(commit, path, cp, nil)
		}
		before := tip
		if tip, err = a.fetch(ctx, opAnchor); err == nil && (tip == before || tries == maxTries) {
			err = a.unpushed(ctx, pushed, tip != before)
		}
	}
	return audit.Receipt{}, err
}

// place gives the commit that holds the checkpoint: the tip itself, or a new one on top of it. A branch that is beyond the checkpoint, or
// that contradicts it, is left as it is.
func (a *anchor) place(tip plumbing.Hash, path string, cp audit.Checkpoint) (plumbing.Hash, error) {
	held, err := a.noteAt(tip, path)
	if err != nil {
		return tip, a.internal(err)
	}
	if string(held) == string(cp.Note) {
		return tip, nil
	}
	if held != nil {
		head, err := headOf(held)
		switch {
		case err != nil || head.Origin != cp.Origin:
			return tip, a.corrupt(opAnchor, cp, fmt.Sprintf("branch %s holds what was never written", a.config.Branch), err)
		case head.Size == cp.Size && head.Root != cp.Root:
			return tip, a.corrupt(opAnchor, cp, fmt.Sprintf("branch %s holds another tree of this size", a.config.Branch), nil)
		case head.Size > cp.Size:
			return tip, a.error(opAnchor, taffrail.KindConflict, fmt.Errorf("branch %s holds size %d already, which is beyond %d", a.config.Branch, head.Size, cp.Size),
				"push the newest checkpoint; if this log has no such size, verify it: it may have been set back")
		}
	}
	commit, err := a.commit(tip, path, cp)
	if err != nil {
		return tip, a.internal(err)
	}
	return commit, nil
}

// receipt is for a commit that is on the branch. If we stop before it is remembered, the next fetch finds it there.
func (a *anchor) receipt(commit plumbing.Hash, path string, cp audit.Checkpoint, err error) (audit.Receipt, error) {
	if err == nil {
		err = a.remember(commit)
	}
	if err != nil {
		return audit.Receipt{}, err
	}
	data, err := formatReceipt(receiptForm{
		Version: receiptVersion, URL: a.config.URL, Branch: a.config.Branch, Path: path, Commit: commit.String(), Note: string(cp.Note),
	})
	if err != nil {
		return audit.Receipt{}, a.internal(err)
	}
	return audit.Receipt{Size: cp.Size, Kind: kind, Anchor: a.config.Name, At: a.now().UTC(), Data: data}, nil
}

// Check implements [audit.Anchor]. The time is that of the commit, which is ours.
func (a *anchor) Check(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	var none time.Time
	if r.Kind != kind || r.Anchor != a.config.Name {
		return none, a.error(opCheck, taffrail.KindInvalid, fmt.Errorf("the receipt is of %.40q, by %.80q", r.Kind, r.Anchor), "check each receipt with the anchor that it names")
	}
	f, err := parseReceipt(r.Data)
	if err != nil {
		return none, a.corrupt(opCheck, cp, "the receipt holds what was never written", err)
	}
	if head, err := headOf([]byte(f.Note)); err != nil || head != cp.Head || r.Size != cp.Size {
		return none, a.corrupt(opCheck, cp, "the receipt is for another checkpoint", err)
	}
	if f.URL != a.config.URL || f.Branch != a.config.Branch {
		return none, a.error(opCheck, taffrail.KindInvalid, fmt.Errorf("the receipt is of branch %.80q at %.200q", f.Branch, f.URL),
			"the repository has moved: check with an anchor that has the settings of then, or verify in a clone by hand")
	}
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	if err := a.hold(ctx, opCheck); err != nil {
		return none, err
	}
	defer a.release()
	tip, err := a.fetch(ctx, opCheck)
	if err != nil {
		return none, err
	}
	return a.found(cp, f, tip)
}

// found looks for what a receipt names in the history of a tip.
func (a *anchor) found(cp audit.Checkpoint, f receiptForm, tip plumbing.Hash) (time.Time, error) {
	var none time.Time
	commit := plumbing.NewHash(f.Commit)
	contains, err := a.contains(tip, commit)
	if err != nil {
		return none, a.internal(err)
	}
	if !contains {
		return none, a.corrupt(opCheck, cp, fmt.Sprintf("branch %s does not contain commit %s, which was pushed: its history was written anew", a.config.Branch, f.Commit), nil)
	}
	held, err := a.noteAt(commit, f.Path)
	if err != nil {
		return none, a.internal(err)
	}
	if string(held) != f.Note {
		return none, a.corrupt(opCheck, cp, fmt.Sprintf("commit %s holds another checkpoint than the receipt", f.Commit), nil)
	}
	at, err := a.timeOf(commit)
	if err != nil {
		return none, a.internal(err)
	}
	return at, nil
}

func (a *anchor) hold(ctx context.Context, op string) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return a.error(op, taffrail.KindUnavailable, ctx.Err(), "")
	}
}

func (a *anchor) release() { <-a.turn }

// corrupt says that the branch, or a receipt, and the checkpoint contradict each other.
func (a *anchor) corrupt(op string, cp audit.Checkpoint, what string, err error) error {
	const hint = "keep clones of the branch, and the log, as they are as evidence; ask who may write to the repository, and verify the log"
	c := &audit.CorruptError{
		Part: audit.PartCheckpoints, What: fmt.Sprintf("%s, size %d: %s", a.config.Name, cp.Size, what), From: 0, To: cp.Size, Hint: hint, Err: err,
	}
	return &taffrail.Error{Op: op, Kind: taffrail.KindCorrupt, Err: c, Hint: hint}
}

func (a *anchor) internal(err error) error {
	return a.error(opAnchor, taffrail.KindUnavailable, err, "if `folder` was damaged, move it away: it is fetched again")
}

func (a *anchor) error(op string, k taffrail.Kind, err error, hint string) error {
	return &taffrail.Error{Op: op, Kind: k, Err: fmt.Errorf("%s: %w", a.config.Name, err), Hint: hint}
}

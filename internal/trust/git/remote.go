package git

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// References of the clone. They are nobody else's.
const (
	refFetched = plumbing.ReferenceName("refs/taffrail/fetched") // the tip of the branch, as it was seen
	refNext    = plumbing.ReferenceName("refs/taffrail/next")    // what is being pushed
	refPushed  = plumbing.ReferenceName("refs/taffrail/pushed")  // what is on the branch for sure
)

func (a *anchor) remote() *gogit.Remote {
	return gogit.NewRemote(a.clone.Storer, &config.RemoteConfig{Name: gogit.DefaultRemoteName, URLs: []string{a.config.URL}})
}

// fetch gives the tip of the branch, with its whole history in the clone; zero if there is no such branch. A tip that does not
// contain what was pushed is an alarm.
func (a *anchor) fetch(ctx context.Context, op string) (plumbing.Hash, error) {
	auth, err := a.auth(op)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	spec := config.RefSpec(fmt.Sprintf("+%s:%s", a.branch, refFetched))
	err = a.remote().FetchContext(ctx, &gogit.FetchOptions{RefSpecs: []config.RefSpec{spec}, Auth: auth, Tags: gogit.NoTags, CABundle: a.ca})
	tip := plumbing.ZeroHash
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository), errors.Is(err, gogit.NoMatchingRefSpecError{}):
	case err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate):
		return tip, a.failed(ctx, op, err)
	default:
		ref, err := a.clone.Reference(refFetched, true)
		if err != nil {
			return tip, a.internal(err)
		}
		tip = ref.Hash()
	}
	return tip, a.still(op, tip)
}

// still says whether a tip contains what was pushed last.
func (a *anchor) still(op string, tip plumbing.Hash) error {
	pushed, err := a.clone.Reference(refPushed, true)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil
	}
	if err != nil {
		return a.internal(err)
	}
	contains, err := a.contains(tip, pushed.Hash())
	if err != nil {
		return a.internal(err)
	}
	if contains {
		return nil
	}
	var cp audit.Checkpoint
	if commit, err := a.clone.CommitObject(pushed.Hash()); err == nil {
		cp.Size = sizeIn(commit.Message)
	}
	what := fmt.Sprintf("branch %s does not contain commit %s, which was pushed: its history was written anew", a.config.Branch, pushed.Hash())
	if tip.IsZero() {
		what = fmt.Sprintf("branch %s is gone, and commit %s was pushed to it", a.config.Branch, pushed.Hash())
	}
	return a.corrupt(op, cp, what, nil)
}

// sizeIn reads the size out of a message of ours; 0 if there is none.
func sizeIn(message string) (size int64) {
	for line := range strings.Lines(message) {
		if _, err := fmt.Sscanf(line, "size: %d\n", &size); err == nil {
			return size
		}
	}
	return 0
}

// push moves the branch from a tip to a commit on top of it, if it still is at the tip. Nothing is ever forced.
func (a *anchor) push(ctx context.Context, tip, commit plumbing.Hash) error {
	auth, err := a.auth(opAnchor)
	if err != nil {
		return err
	}
	if err := a.clone.Storer.SetReference(plumbing.NewHashReference(refNext, commit)); err != nil {
		return err
	}
	o := &gogit.PushOptions{RefSpecs: []config.RefSpec{config.RefSpec(fmt.Sprintf("%s:%s", refNext, a.branch))}, Auth: auth, CABundle: a.ca}
	if !tip.IsZero() {
		o.RequireRemoteRefs = []config.RefSpec{config.RefSpec(fmt.Sprintf("%s:%s", tip, a.branch))}
	}
	return a.remote().PushContext(ctx, o)
}

// remember keeps which commit is on the branch.
func (a *anchor) remember(commit plumbing.Hash) error {
	if err := a.clone.Storer.SetReference(plumbing.NewHashReference(refPushed, commit)); err != nil {
		return a.internal(err)
	}
	return nil
}

// auth gives what the repository asks for. Secrets are read each time, so that they may be changed meanwhile.
func (a *anchor) auth(op string) (transport.AuthMethod, error) {
	e, err := transport.NewEndpoint(a.config.URL)
	if err != nil {
		return nil, a.error(op, taffrail.KindInvalid, errors.New("the url cannot be understood"), "")
	}
	switch e.Protocol {
	case "https":
		return a.basic(op)
	case "ssh":
		return a.key(op, e.User)
	}
	return nil, nil
}

func (a *anchor) basic(op string) (transport.AuthMethod, error) {
	c := a.config
	switch {
	case c.PasswordFile != "":
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, a.error(op, taffrail.KindDenied, err, "set `password_file` to a file that taffrail can read")
		}
		return &http.BasicAuth{Username: c.User, Password: strings.TrimRight(string(text), "\r\n")}, nil
	case c.PasswordEnv != "":
		text, ok := os.LookupEnv(c.PasswordEnv)
		if !ok {
			return nil, a.error(op, taffrail.KindDenied, fmt.Errorf("the variable %s is not set", c.PasswordEnv), "set it, or `password_file`")
		}
		return &http.BasicAuth{Username: c.User, Password: text}, nil
	}
	return nil, nil
}

// key never trusts a host that is not known.
func (a *anchor) key(op, user string) (transport.AuthMethod, error) {
	if user == "" {
		user = ssh.DefaultUsername
	}
	var files []string
	if a.config.KnownHostsFile != "" {
		files = []string{a.config.KnownHostsFile}
	}
	known, err := ssh.NewKnownHostsCallback(files...)
	if err != nil {
		return nil, a.error(op, taffrail.KindDenied, fmt.Errorf("known hosts: %w", err), "set `known_hosts_file` to the keys of the host")
	}
	if a.config.SSHKeyFile == "" {
		agent, err := ssh.NewSSHAgentAuth(user)
		if err != nil {
			return nil, a.error(op, taffrail.KindDenied, err, "set `ssh_key_file`, or run an agent that has the key")
		}
		agent.HostKeyCallback = known
		return agent, nil
	}
	pem, err := os.ReadFile(a.config.SSHKeyFile)
	if err != nil {
		return nil, a.error(op, taffrail.KindDenied, err, "set `ssh_key_file` to a file that taffrail can read")
	}
	keys, err := ssh.NewPublicKeys(user, pem, "")
	if err != nil { // which may hold some of the text
		return nil, a.error(op, taffrail.KindInvalid, fmt.Errorf("%s is no private key without a passphrase", a.config.SSHKeyFile), "make a key for this purpose alone")
	}
	keys.HostKeyCallback = known
	return keys, nil
}

// failed gives an error of the other side its kind. None of them says that anything is gone.
func (a *anchor) failed(ctx context.Context, op string, err error) error {
	var known *taffrail.Error
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return a.error(op, taffrail.KindUnavailable, errors.Join(ctx.Err(), err), fmt.Sprintf("it had %v; set `timeout` if it needs more", a.config.Timeout))
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), errors.Is(err, transport.ErrInvalidAuthMethod):
		return a.error(op, taffrail.KindDenied, err, "give it a user and a password, or a key, that may push to this branch")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return a.error(op, taffrail.KindNotFound, err, "check `url`; many hosts also say so of what they do not let you see")
	case errors.Is(err, exec.ErrNotFound):
		return a.error(op, taffrail.KindInvalid, err, "install git: a path on this machine is spoken to by its program")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return a.error(op, taffrail.KindDenied, err, "set `ca_file` to the certificates that sign the host's own")
	case strings.Contains(err.Error(), "ssh: handshake failed"):
		return a.error(op, taffrail.KindDenied, err, "check `ssh_key_file`, and that `known_hosts_file` has the key of the host")
	}
	return a.error(op, taffrail.KindUnavailable, err, "check that `url` can be reached from here")
}

// unpushed says why a push did not come about: others were always faster, or the repository does not want it.
func (a *anchor) unpushed(ctx context.Context, err error, moved bool) error {
	const hint = "let this key push to the branch, and look at its hooks and its protection"
	switch {
	case moved:
		return a.error(opAnchor, taffrail.KindConflict, fmt.Errorf("others pushed first, %d times: %w", maxTries, err), "use a branch of its own")
	case strings.HasPrefix(err.Error(), "command error on "), strings.HasPrefix(err.Error(), "unpack error: "):
		return a.error(opAnchor, taffrail.KindDenied, fmt.Errorf("it refuses the push: %.300q", err.Error()), hint)
	}
	return a.failed(ctx, opAnchor, err)
}

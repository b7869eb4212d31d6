package git

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/taffrail-dev/taffrail"
)

// A reader reads the commits of a branch.
type reader struct {
	config Config
	now    func() time.Time
	batch  int // how many commits are looked at for one batch at most
}

// A position is the [taffrail.Cursor] of a reader. All commits that lead to Tip are in the log, and of those between Tip and Target, in the order of a
// walk, the first Done.
type position struct {
	Tip    string `json:"tip,omitempty"`
	Target string `json:"target,omitempty"`
	Done   int    `json:"done,omitempty"`
	Since  int64  `json:"since,omitempty"` // seconds since 1970, before which the first walk did not look
}

func (p position) cursor() taffrail.Cursor {
	text, _ := json.Marshal(p) // it has nothing that could fail
	return taffrail.Cursor(base64.RawURLEncoding.EncodeToString(text))
}

func parsePosition(c taffrail.Cursor) (p position, err error) {
	if c == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && (p.Tip == "" && p.Target == "" || p.Tip != "" && !plumbing.IsHash(p.Tip) || p.Target != "" && !plumbing.IsHash(p.Target) || p.Done < 0) {
		err = errors.New("something in it is no commit")
	}
	if err != nil {
		return p, &taffrail.Error{Op: opRead, Kind: taffrail.KindCorrupt, Err: fmt.Errorf("the cursor is not one of this reader: %w", err)}
	}
	return p, nil
}

// ReadEvents implements [taffrail.EventReader].
func (r *reader) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	p, err := parsePosition(after)
	if err != nil {
		return err
	}
	repository, tip, err := r.open()
	if err != nil {
		return err
	}
	s := &source{store: repository.Storer, repository: origin(repository, r.config.Path), branch: r.config.Branch, patterns: r.config.Patterns}
	for p.Tip != tip.String() || p.Target != "" {
		if p.Target == "" {
			p.Target = tip.String()
			if p.Tip == "" && r.config.Since > 0 {
				p.Since = r.now().Add(-r.config.Since).Unix()
			}
		}
		if p, err = r.advance(ctx, s, p, emit); err != nil {
			return err
		}
	}
	return nil
}

// advance reads what is between two commits.
func (r *reader) advance(ctx context.Context, s *source, p position, emit func(taffrail.Batch) error) (position, error) {
	w := &walk{store: s.store}
	if p.Since != 0 {
		w.since = time.Unix(p.Since, 0)
	}
	hashes, behind, err := w.between(ctx, plumbing.NewHash(p.Tip), plumbing.NewHash(p.Target))
	if err != nil {
		return p, unreadable(ctx, err)
	}
	b := taffrail.Batch{Origin: s.repository}
	if p.Tip != "" && !behind && p.Done == 0 {
		b.Notices = []taffrail.LogNotice{{Kind: taffrail.NoticeGap, Start: r.now().UTC(), End: r.now().UTC(),
			What: fmt.Sprintf("the branch was rewritten: commit %.12s, which was read, no longer leads to %.12s", p.Tip, p.Target)}}
	}
	size, looked := 0, 0
	for i := min(p.Done, len(hashes)); i < len(hashes); i++ {
		rec, counts, err := s.commit(ctx, hashes[i])
		if err != nil {
			return p, unreadable(ctx, err)
		}
		if looked++; counts {
			b.Records, size = append(b.Records, rec), size+len(rec.Raw)
		}
		if p.Done = i + 1; (looked >= r.batch || size >= taffrail.MaxBatchBytes) && p.Done < len(hashes) {
			b.Next = p.cursor()
			if err := emit(b); err != nil {
				return p, err
			}
			b, size, looked = taffrail.Batch{Origin: s.repository}, 0, 0 // what was looked at so far is in the log
		}
	}
	p = position{Tip: p.Target}
	b.Next = p.cursor()
	if len(b.Records) == 0 && len(b.Notices) == 0 && looked < r.batch/2 {
		return p, nil // a few commits that are of no interest are looked at again the next time, rather than noted
	}
	return p, emit(b)
}

// open opens the repository and finds the commit of the branch.
func (r *reader) open() (*git.Repository, plumbing.Hash, error) {
	repository, err := openRepository(r.config.Path)
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	tip, err := resolve(repository, r.config.Branch)
	return repository, tip, err
}

func openRepository(path string) (*git.Repository, error) {
	repository, err := git.PlainOpenWithOptions(path, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		repository, err = git.PlainOpen(path) // a bare one
	}
	if err == nil {
		return repository, nil
	}
	e := &taffrail.Error{Op: opRead, Kind: taffrail.KindUnavailable, Err: fmt.Errorf("%s: %w", path, err), Hint: "let `path` name a folder of a git repository"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "let the user that taffrail runs as read the repository"
	case errors.Is(err, git.ErrRepositoryNotExists), errors.Is(err, fs.ErrNotExist):
		e.Kind = taffrail.KindNotFound
	}
	return nil, e
}

// resolve gives the commit of a branch, of HEAD if it has no name. A tag of that name is no branch.
func resolve(repository *git.Repository, branch string) (plumbing.Hash, error) {
	names := []plumbing.ReferenceName{plumbing.HEAD}
	if branch != "" {
		names = []plumbing.ReferenceName{plumbing.NewBranchReferenceName(branch), plumbing.ReferenceName("refs/remotes/" + branch)}
	}
	if strings.HasPrefix(branch, "refs/") {
		names = []plumbing.ReferenceName{plumbing.ReferenceName(branch)}
	}
	var last error
	for _, name := range names {
		ref, err := storer.ResolveReference(repository.Storer, name)
		if err == nil {
			return ref.Hash(), nil
		}
		last = fmt.Errorf("branch %s: %w", name.Short(), err)
	}
	return plumbing.ZeroHash, &taffrail.Error{Op: opRead, Kind: taffrail.KindNotFound, Err: last, Hint: "let `branch` name a branch that has a commit"}
}

// origin is what the repository is called: the address that it was cloned from, without a user or a password, or else its path.
func origin(repository *git.Repository, path string) string {
	remote, err := repository.Remote("origin")
	if err != nil || len(remote.Config().URLs) == 0 {
		return path
	}
	address := remote.Config().URLs[0]
	if u, err := url.Parse(address); err == nil && u.Scheme != "" {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return u.String()
	}
	if _, after, ok := strings.Cut(address, "@"); ok && !strings.Contains(address, "://") { // git@host:path
		return after
	}
	if strings.Contains(address, "://") { // it cannot be told where a password in it would be
		return path
	}
	return address
}

func unreadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &taffrail.Error{Op: opRead, Kind: taffrail.KindUnavailable, Err: err, Hint: "see whether `git fsck` finds the repository whole"}
}

package git

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/utils/diff"
	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/taffrail-dev/taffrail"
)

// A declarer is a [taffrail.Declarer].
type declarer struct{ config Config }

// Bounds of the comparison of two files. What was not compared in time is taken for changed, so that a line is then declared by a later commit than the true one.
const (
	maxCode = 4 << 20
	maxDiff = 2 * time.Second
)

// Declare implements [taffrail.Declarer]. It goes back from commit to commit as long as the line is in one of the parents, in the same file or in one
// that had the same bytes under another name.
func (d declarer) Declare(ctx context.Context, line taffrail.CodeLine) (taffrail.Declaration, error) {
	repository, err := openRepository(d.config.Path)
	if err != nil {
		return taffrail.Declaration{}, err
	}
	hash := plumbing.NewHash(line.Commit)
	if line.Commit == "" {
		if hash, err = resolve(repository, d.config.Branch); err != nil {
			return taffrail.Declaration{}, err
		}
	}
	at := place{line: line.Line}
	if at.file, err = inRepository(repository, line.File); err != nil {
		return taffrail.Declaration{}, notThere(err)
	}
	if at.commit, err = object.GetCommit(repository.Storer, hash); err != nil {
		return taffrail.Declaration{}, notThere(fmt.Errorf("commit %s: %w", hash, err))
	}
	if err := at.look(); err != nil {
		return taffrail.Declaration{}, notThere(err)
	}
	if at, err = trace(ctx, repository.Storer, at); err != nil {
		return taffrail.Declaration{}, unreadable(ctx, err)
	}
	return declarationOf(at), nil
}

func notThere(err error) error {
	return &taffrail.Error{Op: opBlame, Kind: taffrail.KindNotFound, Err: err, Hint: "name a line of a file that is committed"}
}

// inRepository gives the path of a file from the root of the repository.
func inRepository(repository *git.Repository, file string) (string, error) {
	if !filepath.IsAbs(file) {
		return file, nil
	}
	tree, err := repository.Worktree()
	if err != nil {
		return "", fmt.Errorf("%s: the repository has no working tree", file)
	}
	root, err := filepath.EvalSymlinks(tree.Filesystem.Root())
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	path, err := filepath.Rel(root, filepath.Join(dir, filepath.Base(file)))
	if err != nil || strings.HasPrefix(path, "..") {
		return "", fmt.Errorf("%s is not in the repository", file)
	}
	return filepath.ToSlash(path), nil
}

// A place is a line of a file in a commit.
type place struct {
	commit *object.Commit
	file   string
	line   int
	blob   plumbing.Hash
}

// look finds the file, and checks that it has the line.
func (p *place) look() error {
	if err := p.find(); err != nil {
		return fmt.Errorf("file %s: %w", p.file, err)
	}
	text, err := p.text()
	if err != nil {
		return err
	}
	if n := len(lines(text)); p.line < 1 || p.line > n {
		return fmt.Errorf("file %s: it has %d lines, and not a line %d", p.file, n, p.line)
	}
	return nil
}

func (p *place) find() error {
	tree, err := p.commit.Tree()
	if err != nil {
		return err
	}
	entry, err := tree.FindEntry(p.file)
	if err != nil {
		return err
	}
	p.blob = entry.Hash
	return nil
}

func (p *place) text() (string, error) {
	file, err := p.commit.File(p.file)
	if err != nil {
		return "", err
	}
	if file.Size > maxCode {
		return "", fmt.Errorf("file %s: it has more than %d bytes", p.file, maxCode)
	}
	return file.Contents()
}

func lines(text string) []string {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// trace goes back to where a line comes from.
func trace(ctx context.Context, store storer.EncodedObjectStorer, at place) (place, error) {
	for {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		before, ok, err := inParents(ctx, store, at)
		if err != nil || !ok {
			return at, err
		}
		at = before
	}
}

// inParents looks for the line in the parents: first for one that has the very file, then for one that has the line in it.
func inParents(ctx context.Context, store storer.EncodedObjectStorer, at place) (place, bool, error) {
	var changed []place
	for _, hash := range at.commit.ParentHashes {
		parent, err := object.GetCommit(store, hash)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue // the history was cut off there
		}
		if err != nil {
			return at, false, err
		}
		before := place{commit: parent, file: at.file, line: at.line}
		switch err := before.find(); {
		case err == nil && before.blob == at.blob:
			return before, true, nil
		case err == nil:
			changed = append(changed, before)
		case !errors.Is(err, object.ErrEntryNotFound) && !errors.Is(err, object.ErrDirectoryNotFound) && !errors.Is(err, object.ErrFileNotFound):
			return at, false, err
		default:
			if found, err := before.underAnotherName(ctx, at); found || err != nil {
				return before, found, err
			}
		}
	}
	for _, before := range changed {
		if ok, err := before.holds(at); ok || err != nil {
			return before, ok, err
		}
	}
	return at, false, nil
}

// underAnotherName looks for the same bytes in a file that went away with the commit.
func (p *place) underAnotherName(ctx context.Context, at place) (bool, error) {
	before, err := p.commit.Tree()
	if err != nil {
		return false, err
	}
	after, err := at.commit.Tree()
	if err != nil {
		return false, err
	}
	changes, err := object.DiffTreeContext(ctx, before, after)
	if err != nil {
		return false, err
	}
	for _, change := range changes {
		if change.To.Name == "" && change.From.TreeEntry.Hash == at.blob {
			p.file, p.blob = change.From.Name, at.blob
			return true, nil
		}
	}
	return false, nil
}

// holds says whether the line was in the file before, and where.
func (p *place) holds(at place) (bool, error) {
	before, err := p.text()
	if err != nil {
		return false, err
	}
	after, err := at.text()
	if err != nil {
		return false, err
	}
	was, is := 0, 0 // lines passed
	for _, part := range diff.DoWithTimeout(before, after, maxDiff) {
		n := len(lines(part.Text))
		switch part.Type {
		case diffmatchpatch.DiffDelete:
			was += n
		case diffmatchpatch.DiffInsert:
			if is += n; is >= at.line {
				return false, nil
			}
		case diffmatchpatch.DiffEqual:
			if is+n >= at.line {
				p.line = was + at.line - is
				return true, nil
			}
			was, is = was+n, is+n
		}
	}
	return false, nil
}

func declarationOf(at place) taffrail.Declaration {
	author, committer := personOf(at.commit.Author), personOf(at.commit.Committer)
	r := record{Author: author, Committer: committer, Signature: signatureKind(at.commit.PGPSignature)}
	a := taffrail.Actor{ID: author.Email, Name: author.Name, Class: classOf(author), Chain: []taffrail.Link{}}
	if a.ID == "" {
		a.ID = author.Name
	}
	summary, _, _ := strings.Cut(strings.TrimSpace(at.commit.Message), "\n")
	return taffrail.Declaration{
		Event: taffrail.EventID(at.commit.Hash.String()), Time: time.Unix(committer.Time, 0).UTC(), Actor: r.behind(a), Summary: summary, File: at.file, Line: at.line,
	}
}

package git

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/taffrail-dev/taffrail"
)

// Bounds of the record of a commit.
const (
	maxPaths   = 2000
	maxMessage = 16 << 10
)

// A source is an open repository, and which of its files count.
type source struct {
	store      storer.EncodedObjectStorer
	repository string
	branch     string
	patterns   []string
}

// commit gives the record of a commit, and false if it touches nothing that counts. What cannot be read is a record with a fault.
func (s *source) commit(ctx context.Context, hash plumbing.Hash) (taffrail.Record, bool, error) {
	r, counts, err := s.read(ctx, hash)
	if ctx.Err() != nil {
		return taffrail.Record{}, false, ctx.Err()
	}
	if err != nil {
		raw, _ := json.Marshal(map[string]string{"commit": hash.String()}) // it has nothing that could fail
		return taffrail.Record{Format: Name, Raw: raw, Where: "commit " + hash.String(), Fault: "its objects cannot be read"}, true, nil
	}
	raw, err := json.Marshal(r)
	return taffrail.Record{Format: Name, Raw: raw, Where: "commit " + hash.String()}, counts, err
}

func (s *source) read(ctx context.Context, hash plumbing.Hash) (r record, counts bool, err error) {
	c, err := object.GetCommit(s.store, hash)
	if err != nil {
		return r, false, err
	}
	touched, err := s.touched(ctx, c)
	unknown := errors.Is(err, plumbing.ErrObjectNotFound)
	if err != nil && !unknown {
		return r, false, err
	}
	r = record{
		Commit: hash.String(), Repository: s.repository, Branch: s.branch, Author: personOf(c.Author), Committer: personOf(c.Committer),
		Signature: signatureKind(c.PGPSignature), Message: c.Message[:min(len(c.Message), maxMessage)], Unknown: unknown,
	}
	r.Class = classOf(r.Author)
	for _, parent := range c.ParentHashes {
		r.Parents = append(r.Parents, parent.String())
	}
	r.Paths = touched[:min(len(touched), maxPaths)]
	r.More = len(touched) - len(r.Paths)
	return r, unknown || len(touched) > 0, nil
}

func personOf(s object.Signature) person {
	return person{Name: strings.TrimSpace(s.Name), Email: strings.TrimSpace(s.Email), Time: s.When.Unix()}
}

// signatureKind says which kind of signature a text is; nobody looks into it.
func signatureKind(text string) string {
	for head, kind := range map[string]string{"-----BEGIN PGP SIGNATURE": "openpgp", "-----BEGIN SSH SIGNATURE": "ssh", "-----BEGIN SIGNED MESSAGE": "x509"} {
		if strings.HasPrefix(text, head) {
			return kind
		}
	}
	if text != "" {
		return "unknown"
	}
	return ""
}

// touched gives the paths that count and that a commit has as none of its parents has them, sorted. A merge touches only what it does not take
// over from one of its sides.
func (s *source) touched(ctx context.Context, c *object.Commit) ([]string, error) {
	tree, err := object.GetTree(s.store, c.TreeHash)
	if err != nil {
		return nil, err
	}
	if len(c.ParentHashes) == 0 {
		return s.differing(ctx, nil, tree)
	}
	var common []string
	for i, hash := range c.ParentHashes {
		parent, err := object.GetCommit(s.store, hash)
		if err != nil {
			return nil, err
		}
		before, err := object.GetTree(s.store, parent.TreeHash)
		if err != nil {
			return nil, err
		}
		some, err := s.differing(ctx, before, tree)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			common = some
			continue
		}
		common = slices.DeleteFunc(common, func(p string) bool { _, ok := slices.BinarySearch(some, p); return !ok })
	}
	return common, nil
}

// differing gives the paths that count and differ between two trees, sorted.
func (s *source) differing(ctx context.Context, before, after *object.Tree) (paths []string, err error) {
	changes, err := object.DiffTreeContext(ctx, before, after)
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		for _, name := range []string{change.From.Name, change.To.Name} {
			if name != "" && s.counts(name) {
				paths = append(paths, name)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// counts says whether a file is code of infrastructure.
func (s *source) counts(name string) bool {
	return slices.ContainsFunc(s.patterns, func(pattern string) bool {
		on := name
		if !strings.Contains(pattern, "/") {
			on = path.Base(name)
		}
		return doublestar.MatchUnvalidated(pattern, on)
	})
}

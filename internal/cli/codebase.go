package cli

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/taffrail-dev/taffrail"
)

// A codeBase is where the code of a stack lies, below the root of its repository if it has one.
type codeBase struct {
	root   string // absolute, with slashes; empty if the stack is in no folder of ours
	prefix string // of the stack's folder below the root
	self   string // the stack itself, below the root: a folder or a file
}

// baseID is the name that code scanning gives to the root of a repository.
const baseID = "%SRCROOT%"

func codeBaseOf(s taffrail.StackInfo) codeBase {
	if !filepath.IsAbs(s.Name) {
		base := codeBase{self: s.Name}
		if !strings.Contains(s.Name, "://") {
			base.prefix = filepath.ToSlash(s.Name)
		}
		return base
	}
	folder := s.Name
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		folder = filepath.Dir(folder)
	}
	root := repositoryOf(folder)
	return codeBase{root: filepath.ToSlash(root), prefix: below(root, folder), self: below(root, s.Name)}
}

// repositoryOf is the folder of the repository that a folder is in, and the folder itself if it is in none.
func repositoryOf(folder string) string {
	for at := folder; ; {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		up := filepath.Dir(at)
		if up == at {
			return folder
		}
		at = up
	}
}

func below(root, name string) string {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

func (p codeBase) bases() map[string]sarif.ArtifactLocation {
	if p.root == "" {
		return nil
	}
	base := *sarif.NewArtifactLocation().WithURI((&url.URL{Scheme: "file", Path: strings.TrimSuffix(p.root, "/") + "/"}).String())
	return map[string]sarif.ArtifactLocation{baseID: base}
}

// physical is where the code declares a resource. Where that is not known it is the stack, without a line.
func (p codeBase) physical(r taffrail.Resource) *sarif.PhysicalLocation {
	at := p.self
	if r.File != "" {
		at = path.Join(p.prefix, filepath.ToSlash(r.File))
	}
	artifact := sarif.NewArtifactLocation().WithURI(relativeURI(at))
	if p.root != "" {
		artifact.WithURIBaseID(baseID)
	}
	physical := sarif.NewPhysicalLocation().WithArtifactLocation(artifact)
	if r.File != "" && r.Line > 0 {
		physical.WithRegion(sarif.NewRegion().WithStartLine(r.Line))
	}
	return physical
}

// relativeURI writes a path as a reference: a colon in its first part would else be taken for a scheme. An address stays one.
func relativeURI(name string) string {
	if name == "" {
		name = "."
	}
	if u, err := url.Parse(name); err == nil && strings.Contains(name, "://") {
		return u.Redacted() // the state has an address of its own
	}
	return (&url.URL{Path: name}).String()
}

func stampSARIF(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

package terraform

import (
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

const (
	// terragruntCache is where Terragrunt puts the code that it generates and applies.
	terragruntCache = ".terragrunt-cache"
	// maxGenerated bounds how deep the code lies in it, which is two folders and the path of the module in its source.
	maxGenerated = 12
	// maxConfig bounds the files of Terragrunt that are read, in bytes.
	maxConfig = 4 << 20
)

// stackOfUnits says of a terragrunt.stack.hcl that its units are to be generated first.
func stackOfUnits(f folder) taffrail.Place {
	p := taffrail.Place{
		Kind: kindStack, Dir: f.dir, Problem: "it names units, and has no state of its own",
		Hint: "run `terragrunt stack generate`: the units below .terragrunt-stack are then found",
	}
	if f.names[".terragrunt-stack"] {
		p.Hint = "scan its units, which are listed below .terragrunt-stack"
	}
	return p
}

// unit says of a terragrunt.hcl what Terragrunt made of it; false for a file that is only there for others to include.
func (s *search) unit(f folder) (taffrail.Place, bool) {
	p := taffrail.Place{Kind: kindUnit, Dir: f.dir}
	blocks, err := terragruntBlocks(filepath.Join(f.dir, "terragrunt.hcl"))
	if err != nil {
		p.Problem, p.Hint = reasonOf(err), "see what `terragrunt hcl validate` says"
		return p, true
	}
	if !blocks["terraform"] && !blocks["include"] && f.code == nil && f.broken == nil && !f.names[terragruntCache] {
		return p, false
	}
	if dir := newestGenerated(filepath.Join(f.dir, terragruntCache)); dir != "" {
		code, err := module.Load(dir)
		if err != nil {
			p.Problem, p.Hint = reasonOf(err), taffrail.HintOf(err)
			return p, true
		}
		s.locate(&p, code)
		return p, true
	}
	if f.code != nil && !blocks["terraform"] && s.used(f) { // it runs the tool in this very folder
		s.locate(&p, f.code)
		return p, true
	}
	p.Problem = "Terragrunt makes the code that is applied, and has not done so here"
	p.Hint = "run `terragrunt init`: the code below " + terragruntCache + " can then be scanned"
	return p, true
}

// terragruntBlocks tells which blocks a file of Terragrunt has. Nothing in it is worked out: its functions can run programs.
func terragruntBlocks(path string) (map[string]bool, error) {
	data, err := regular.ReadFile(path, maxConfig)
	if err != nil {
		return nil, err
	}
	file, err := lang.Parse(data, path)
	if err != nil {
		return nil, err
	}
	blocks := map[string]bool{}
	if body, ok := file.Body.(*hclsyntax.Body); ok {
		for _, b := range body.Blocks {
			blocks[b.Type] = true
		}
	}
	return blocks, nil
}

// newestGenerated finds the root module that Terragrunt last ran init in: older copies stay behind when a source changes. It is
// empty where there is none.
func newestGenerated(cache string) string {
	var newest string
	var at time.Time
	_ = filepath.WalkDir(cache, func(path string, e fs.DirEntry, err error) error { // what cannot be read is not the newest
		if err != nil || !e.IsDir() {
			return nil
		}
		rel, relErr := filepath.Rel(cache, path)
		if relErr != nil || strings.Count(rel, string(filepath.Separator)) > maxGenerated || e.Name() == ".git" {
			return fs.SkipDir
		}
		if e.Name() != ".terraform" {
			return nil
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(at) {
			newest, at = filepath.Dir(path), info.ModTime()
		}
		return fs.SkipDir
	})
	return newest
}

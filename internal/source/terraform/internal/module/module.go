// Package module reads root modules of Terraform and OpenTofu, as far as reading live resources needs it: where the state
// is, how providers are configured, and where each resource is declared.
//
// It is no second Terraform: nothing is planned, and no provider is asked. Expressions are worked out when they are needed, from
// variables, local values, functions, other modules, and what the stored state holds of resources and data. What cannot be known from
// these is reported with its place, and never guessed.
package module

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// A Module is the code of one folder.
type Module struct {
	Dir       string
	Required  map[string]string // source of each required provider, by its local name
	Backend   *Block            // nil where the code has none
	Cloud     *Block            // nil where the code has none
	Providers []ProviderBlock
	Resources map[string]Declaration // by "type.name"
	Calls     map[string]string      // source of each module that is called, by the name of the call

	variables map[string]variable
	locals    map[string]hcl.Expression
	outputs   map[string]output
	calls     map[string]call
	repeated  map[reference]repetition // resources and data that code makes many of
	sources   map[string][]byte
}

// A Block is a block of the code that is worked out later.
type Block struct {
	Type  string
	Body  hcl.Body
	Range hcl.Range
}

// A ProviderBlock configures a provider.
type ProviderBlock struct {
	Name     string // local name
	Alias    string
	Body     hcl.Body       // with what override files say
	ForEach  hcl.Expression // of OpenTofu; nil where there is none
	Range    hcl.Range
	Override bool // from an override file, and there is no block that it changes
}

// A Declaration says where a resource is declared, and what its code says of drift.
type Declaration struct {
	Range     hcl.Range
	Ignore    []Ignored
	IgnoreAll bool
	IgnoreAt  hcl.Range // of ignore_changes

	bodies []hcl.Body // of its block, then of override files
}

// An Ignored is a path that the code wants ignored.
type Ignored struct {
	Path  hcl.Traversal
	Range hcl.Range
}

// Load reads the code in a folder. A folder without any is a [taffrail.KindNotFound].
func Load(dir string) (*Module, error) {
	files, err := sourceFiles(dir)
	if err != nil {
		return nil, &taffrail.Error{Op: "read module", Kind: taffrail.KindInvalid, Err: err}
	}
	if len(files) == 0 {
		return nil, &taffrail.Error{
			Op: "read module", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s holds no Terraform or OpenTofu code", dir),
			Hint: "name the folder of a root module, or a state file",
		}
	}
	m := &Module{
		Dir: dir, Required: map[string]string{}, Resources: map[string]Declaration{}, Calls: map[string]string{},
		variables: map[string]variable{}, locals: map[string]hcl.Expression{}, outputs: map[string]output{},
		calls: map[string]call{}, repeated: map[reference]repetition{}, sources: map[string][]byte{},
	}
	for _, name := range files {
		if err := m.loadFile(name); err != nil {
			return nil, &taffrail.Error{
				Op: "read module", Kind: taffrail.KindInvalid, Err: err,
				Hint: "see what `terraform validate` or `tofu validate` says",
			}
		}
	}
	return m, nil
}

// sourceFiles lists the code of a folder in the order in which it counts: override files last. A .tofu file stands in
// the place of the .tf file of its name.
func sourceFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	present := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() && extension(e.Name()) != "" && !isBackup(e.Name()) {
			present[e.Name()] = true
		}
	}
	var plain, overrides []string
	for _, e := range entries {
		ext := extension(e.Name())
		base := strings.TrimSuffix(e.Name(), ext)
		shadowed := strings.HasPrefix(ext, ".tf") && present[base+strings.Replace(ext, ".tf", ".tofu", 1)]
		switch {
		case !present[e.Name()] || shadowed:
		case base == "override" || strings.HasSuffix(base, "_override"):
			overrides = append(overrides, e.Name())
		default:
			plain = append(plain, e.Name())
		}
	}
	return slices.Concat(plain, overrides), nil
}

// extension is the ending that makes a file code, or nothing.
func extension(name string) string {
	for _, ext := range []string{".tf", ".tofu", ".tf.json", ".tofu.json"} {
		if strings.HasSuffix(name, ext) {
			return ext
		}
	}
	return ""
}

func isBackup(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#")
}

func isOverride(name string) bool {
	base := strings.TrimSuffix(name, extension(name))
	return base == "override" || strings.HasSuffix(base, "_override")
}

func (m *Module) loadFile(name string) error {
	data, err := regular.ReadFile(filepath.Join(m.Dir, name), regular.MaxCode)
	if err != nil {
		return err
	}
	file, err := parseFile(data, name)
	if err != nil {
		return err
	}
	m.sources[name] = data
	return m.addFile(file.Body, isOverride(name))
}

// parseFile parses one file. Ranges have the name of the file, without its folder.
func parseFile(data []byte, name string) (*hcl.File, error) {
	if strings.HasSuffix(name, ".json") {
		if err := diag.First(append(lang.CheckJSONNumbers(data, name), lang.CheckJSONLoops(data, name)...)); err != nil {
			return nil, err
		}
	}
	file, err := lang.Parse(data, name)
	if err != nil {
		return nil, err
	}
	if body, ok := file.Body.(*hclsyntax.Body); ok {
		lang.MeterLoops(body)
		err = diag.First(lang.CheckNumbers(body))
	}
	return file, err
}

package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// A Mirror is a folder of packages, packed or unpacked, in the layout HOST/NAMESPACE/TYPE/....
type Mirror struct {
	Path    string
	Include []string // patterns of providers; none means all
	Exclude []string
}

func (m Mirror) holds(p addr.Provider) bool {
	if len(m.Include) > 0 && !anyMatches(m.Include, p) {
		return false
	}
	return !anyMatches(m.Exclude, p)
}

func anyMatches(patterns []string, p addr.Provider) bool {
	for _, pattern := range patterns {
		if matches(pattern, p) {
			return true
		}
	}
	return false
}

// matches takes a pattern with * for whole parts. A pattern without a host means the tool's default host, which another
// tool has otherwise: any host matches it.
func matches(pattern string, p addr.Provider) bool {
	parts := strings.Split(strings.ToLower(pattern), "/")
	have := []string{p.Host, p.Namespace, p.Type}
	if len(parts) < len(have) {
		have = have[len(have)-len(parts):]
	}
	if len(parts) != len(have) {
		return false
	}
	for i, part := range parts {
		if part != "*" && part != have[i] {
			return false
		}
	}
	return true
}

// Surroundings is what the search for mirrors depends on, apart from files.
type Surroundings struct {
	Getenv func(string) string
	Home   string
	Module string // folder of the root module
	Config string // CLI configuration, named by the person; empty for where the tools look
}

// Mirrors finds the mirrors that the tools would use: those of the CLI configuration, else the folders that they look into
// unasked; and the plugin cache.
func Mirrors(s Surroundings) ([]Mirror, error) {
	var all []Mirror
	explicit := false
	if cache := s.Getenv("TF_PLUGIN_CACHE_DIR"); cache != "" {
		all = append(all, Mirror{Path: cache})
	}
	for _, file := range s.configFiles() {
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) && file != s.Config {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("the CLI configuration cannot be read: %w", err)
		}
		c, err := parseConfig(data, file)
		if err != nil {
			return all, fmt.Errorf("the CLI configuration is broken: %w", err)
		}
		explicit = explicit || c.explicit
		all = append(all, c.mirrors...)
	}
	if !explicit {
		all = append(all, s.implied()...)
	}
	return s.absolute(all), nil
}

func (s Surroundings) absolute(mirrors []Mirror) []Mirror {
	for i, m := range mirrors {
		if rest, ok := strings.CutPrefix(m.Path, "~/"); ok {
			m.Path = filepath.Join(s.Home, rest)
		}
		if !filepath.IsAbs(m.Path) {
			m.Path = filepath.Join(s.Module, m.Path)
		}
		mirrors[i] = m
	}
	return mirrors
}

// configFiles are the files of the CLI configuration, for Terraform and for OpenTofu: which of them made the stack is not known.
func (s Surroundings) configFiles() []string {
	if s.Config != "" {
		return []string{s.Config}
	}
	for _, name := range []string{"TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"} {
		if file := s.Getenv(name); file != "" {
			return []string{file}
		}
	}
	if s.Home == "" {
		return nil
	}
	files := []string{
		filepath.Join(s.Home, ".tofurc"), filepath.Join(s.Home, ".terraformrc"),
		filepath.Join(s.xdg("XDG_CONFIG_HOME", ".config"), "opentofu", "tofurc"),
	}
	for _, pattern := range []string{"*.tfrc", "*.tfrc.json"} {
		more, _ := filepath.Glob(filepath.Join(globQuote(filepath.Join(s.Home, ".terraform.d")), pattern)) // a fixed pattern is never bad
		files = append(files, more...)
	}
	return files
}

func (s Surroundings) xdg(name, fallback string) string {
	if dir := s.Getenv(name); dir != "" {
		return dir
	}
	return filepath.Join(s.Home, fallback)
}

// implied are the folders that the tools look into where the CLI configuration says nothing.
func (s Surroundings) implied() []Mirror {
	mirrors := []Mirror{{Path: filepath.Join("terraform.d", "plugins")}}
	dataDirs := s.Getenv("XDG_DATA_DIRS")
	if dataDirs == "" {
		dataDirs = "/usr/local/share:/usr/share"
	}
	roots := filepath.SplitList(dataDirs)
	if s.Home != "" {
		mirrors = append(mirrors, Mirror{Path: filepath.Join(s.Home, ".terraform.d", "plugins")})
		roots = append([]string{s.xdg("XDG_DATA_HOME", filepath.Join(".local", "share"))}, roots...)
	}
	for _, root := range roots {
		for _, tool := range []string{"terraform", "opentofu"} {
			mirrors = append(mirrors, Mirror{Path: filepath.Join(root, tool, "plugins")})
		}
	}
	return mirrors
}

type cliConfig struct {
	mirrors  []Mirror
	explicit bool // it says how providers are installed
}

// parseConfig reads what we need of a CLI configuration. It may hold credentials, which are passed over unread.
func parseConfig(data []byte, name string) (cliConfig, error) {
	parse := hclsyntax.ParseConfig
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || path.Ext(name) == ".json" {
		parse = func(data []byte, name string, _ hcl.Pos) (*hcl.File, hcl.Diagnostics) { return json.Parse(data, name) }
	}
	file, parseDiags := parse(data, name, hcl.InitialPos)
	if file == nil || file.Body == nil {
		return cliConfig{}, diag.First(parseDiags)
	}
	var top struct {
		Cache        string `hcl:"plugin_cache_dir,optional"`
		Installation []struct {
			Mirrors []struct {
				Path    string   `hcl:"path"`
				Include []string `hcl:"include,optional"`
				Exclude []string `hcl:"exclude,optional"`
			} `hcl:"filesystem_mirror,block"`
			Rest hcl.Body `hcl:",remain"`
		} `hcl:"provider_installation,block"`
		Rest hcl.Body `hcl:",remain"`
	}
	if diags := gohcl.DecodeBody(file.Body, nil, &top); diags.HasErrors() {
		return cliConfig{}, diag.First(append(parseDiags, diags...))
	}
	// The tools read this file by an older syntax, with quoted names in dev_overrides. The parser goes on after those.
	if parseDiags.HasErrors() && len(top.Installation) == 0 {
		return cliConfig{}, diag.First(parseDiags)
	}
	c := cliConfig{explicit: len(top.Installation) > 0}
	if top.Cache != "" {
		c.mirrors = append(c.mirrors, Mirror{Path: top.Cache})
	}
	for _, in := range top.Installation {
		for _, m := range in.Mirrors {
			c.mirrors = append(c.mirrors, Mirror{Path: m.Path, Include: m.Include, Exclude: m.Exclude})
		}
	}
	return c, nil
}

// Overrides says whether the CLI configuration may put something of a developer's in the place of a provider that is installed. What
// cannot be read may.
func Overrides(s Surroundings) bool {
	for _, file := range s.configFiles() {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil || bytes.Contains(data, []byte("dev_overrides")) {
			return true
		}
	}
	return false
}

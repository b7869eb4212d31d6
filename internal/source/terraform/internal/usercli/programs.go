package usercli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// running are the types of data sources that run a program of the code's choice whenever they are read, which a plan does.
var running = []string{"external", "local_command", "shell_script"}

var (
	// harmless are the backends that a data source may read whose own settings name no program.
	harmless = []string{"azurerm", "cloud", "consul", "cos", "gcs", "http", "local", "oss", "pg", "remote", "s3"}
	// leading are settings of backends that lead to files which may name a program for credentials.
	leading = []string{
		"config_path", "config_paths", "credentials", "exec", "profile", "shared_config_file", "shared_config_files", "shared_credentials_file",
		"shared_credentials_files", "web_identity_token_file",
	}
)

// mayRun says whether a data source terraform_remote_state may have a program run: the backend "kubernetes" gets its credentials from one, and
// files of settings can name one. What cannot be read off the code may.
func mayRun(body hcl.Body) bool {
	attrs, _ := body.JustAttributes() // its only block is lifecycle, which is none of our business
	backend := attrs["backend"]
	if backend == nil || !slices.Contains(harmless, word(backend.Expr)) {
		return true
	}
	config := attrs["config"]
	if config == nil {
		return false
	}
	pairs, diags := hcl.ExprMap(config.Expr)
	if diags.HasErrors() {
		return true
	}
	return slices.ContainsFunc(pairs, func(p hcl.KeyValuePair) bool {
		key := word(p.Key)
		return key == "" || slices.Contains(leading, key)
	})
}

// word is the text of an expression that is one, and nothing else.
func word(expr hcl.Expression) string {
	if key := hcl.ExprAsKeyword(expr); key != "" {
		return key
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

// Programs says where the code, of any module, has a program run during a plan: "main.tf:12: data external". Provisioners run at
// an apply alone. What cannot be read is an error, since it might run anything.
func (c *Copy) Programs() ([]string, error) {
	var found []string
	for _, dir := range outermostFirst(c.modules) {
		err := eachFile(c.copyOf(dir), isSource, func(path string) error {
			places, err := programsIn(path)
			for _, p := range places {
				found = append(found, c.named(path, p.line)+": "+p.what)
			}
			return err
		})
		if err != nil {
			return nil, failedCode(err)
		}
	}
	return found, nil
}

// copyOf is where the tool finds a module: those at absolute paths were not copied.
func (c *Copy) copyOf(dir string) string {
	if place := c.place(dir); within(place, c.Tree) {
		if _, err := os.Stat(place); err == nil {
			return place
		}
	}
	return dir
}

func outermostFirst(dirs []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(dirs)))
}

func isSource(name string) bool { return isCode(name) && !strings.Contains(name, ".tfvars") }

func failedCode(err error) error {
	return &taffrail.Error{Op: "look for programs in the code", Kind: taffrail.KindInvalid, Err: err, Hint: "see what `terraform validate` or `tofu validate` says"}
}

func (c *Copy) named(path string, line int) string {
	name := path
	if rel, err := filepath.Rel(c.root, path); err == nil && within(path, c.Tree) {
		name = filepath.ToSlash(rel)
	}
	return fmt.Sprintf("%s:%d", name, line)
}

type program struct {
	line int
	what string
}

func programsIn(path string) ([]program, error) {
	data, err := regular.ReadFile(path, regular.MaxCode)
	if err != nil {
		return nil, err
	}
	file, err := lang.Parse(data, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return inBody(file.Body, topBlocks)
}

var (
	topBlocks = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "data", LabelNames: []string{"type", "name"}}, {Type: "ephemeral", LabelNames: []string{"type", "name"}},
		{Type: "check", LabelNames: []string{"name"}}, {Type: "terraform"},
	}}
	innerBlocks = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "data", LabelNames: []string{"type", "name"}}, {Type: "encryption"},
		{Type: "key_provider", LabelNames: []string{"type", "name"}}, {Type: "method", LabelNames: []string{"type", "name"}},
	}}
)

// inBody looks through the blocks that may hold what is looked for: checks have data sources, and OpenTofu's settings for encryption
// can have a program give the key.
func inBody(body hcl.Body, schema *hcl.BodySchema) (found []program, err error) {
	content, _, diags := body.PartialContent(schema)
	if diags.HasErrors() {
		return nil, diag.First(diags)
	}
	for _, b := range content.Blocks {
		switch b.Type {
		case "check", "terraform", "encryption":
			inner, err := inBody(b.Body, innerBlocks)
			if err != nil {
				return nil, err
			}
			found = append(found, inner...)
		default:
			if slices.Contains(running, b.Labels[0]) || b.Labels[0] == "terraform_remote_state" && mayRun(b.Body) {
				found = append(found, program{line: b.DefRange.Start.Line, what: b.Type + " " + b.Labels[0]})
			}
		}
	}
	return found, nil
}

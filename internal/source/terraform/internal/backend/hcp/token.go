package hcp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// variable is the name of the environment's variable that holds a host's token: dots are underscores in it, and dashes two.
func variable(host string) string {
	return "TF_TOKEN_" + strings.NewReplacer("-", "__", ".", "_").Replace(host)
}

// findToken looks where the tools do: the environment, what `login` wrote, the CLI configuration. Programs that keep
// credentials ("credentials_helper") are not asked.
func findToken(c remote.Config, host string) string {
	for _, name := range []string{variable(host), "TF_TOKEN_" + strings.ReplaceAll(host, ".", "_")} {
		if token := c.Env(name); token != "" {
			return token
		}
	}
	for _, name := range []string{"credentials.tfrc.json", "credentials.tofurc.json"} {
		if token := loginToken(filepath.Join(c.Home, ".terraform.d", name), host); token != "" {
			return token
		}
	}
	files := []string{filepath.Join(c.Home, ".tofurc"), filepath.Join(c.Home, ".terraformrc")}
	if file := c.Env("TF_CLI_CONFIG_FILE"); file != "" {
		files = []string{file}
	}
	for _, file := range files {
		if token := configToken(file, host); token != "" {
			return token
		}
	}
	return ""
}

// loginToken reads the file of `login`; nothing where it is absent or broken, since the token may be elsewhere.
func loginToken(path, host string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var file struct {
		Credentials map[string]struct {
			Token string `json:"token"`
		} `json:"credentials"`
	}
	if json.Unmarshal(data, &file) != nil {
		return ""
	}
	return file.Credentials[host].Token
}

// configToken reads the blocks "credentials" of a CLI configuration.
func configToken(path, host string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	file, diags := hclparse.NewParser().ParseHCL(data, path)
	if diags.HasErrors() {
		return ""
	}
	content, _, _ := file.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "credentials", LabelNames: []string{"host"}}}})
	for _, block := range content.Blocks {
		attributes, _ := block.Body.JustAttributes()
		if token := attributes["token"]; token != nil && block.Labels[0] == host {
			if v, diags := token.Expr.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				return v.AsString()
			}
		}
	}
	return ""
}

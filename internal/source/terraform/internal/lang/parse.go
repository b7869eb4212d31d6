package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// Parse parses the code of one file, which is JSON if its name says so. Code that nests too deep is refused before the parser meets it.
// Ranges have the name as it is.
func Parse(data []byte, name string) (*hcl.File, error) {
	if err := CheckNesting(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	parse := hclparse.NewParser().ParseHCL
	if strings.HasSuffix(name, ".json") {
		parse = hclparse.NewParser().ParseJSON
	}
	file, diags := parse(data, name)
	if diags.HasErrors() {
		return nil, diag.First(diags)
	}
	return file, nil
}

package lang_test

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// Whatever an expression calls, it gives a value or an error.
func FuzzFunctions(f *testing.F) {
	for _, row := range table {
		f.Add(row.expr)
	}
	folder := lang.Folder{Dir: f.TempDir()}
	f.Fuzz(func(t *testing.T, text string) {
		if lang.CheckNesting([]byte(text)) != nil {
			return
		}
		expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
		if diags.HasErrors() || lang.CheckNumbers(expr).HasErrors() {
			return
		}
		v, diags := expr.Value(&hcl.EvalContext{Functions: lang.Functions(folder)})
		if !diags.HasErrors() {
			_, _ = v.UnmarkDeep()
		}
	})
}

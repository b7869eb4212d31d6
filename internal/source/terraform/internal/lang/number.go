package lang

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// MaxExponent bounds numbers, as the power of two: it takes minutes to write out the digits of one like 1e99999999.
const MaxExponent = 1 << 16

// Writable says whether a number has so few digits that it can be written out.
func Writable(v cty.Value) bool {
	f := v.AsBigFloat()
	e := f.MantExp(nil)
	return !f.IsInf() && e <= MaxExponent && e >= -MaxExponent
}

// CheckNumbers refuses code with a number that cannot be written out.
func CheckNumbers(node hclsyntax.Node) hcl.Diagnostics {
	return hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		l, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || l.Val.Type() != cty.Number || l.Val.IsNull() || Writable(l.Val) {
			return nil
		}
		return hugeNumber(l.SrcRange)
	})
}

func hugeNumber(at hcl.Range) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "A number has too many digits", Subject: &at}}
}

var hugeInJSON = regexp.MustCompile(`[\s:,\[({+*/=<>?-][0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{5,}`)

// CheckJSONNumbers is [CheckNumbers] for code in JSON, whose expressions are parsed only when they are needed.
func CheckJSONNumbers(data []byte, name string) hcl.Diagnostics {
	found := hugeInJSON.FindIndex(data)
	if found == nil {
		return nil
	}
	at := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
	for _, b := range data[:found[0]] {
		if b == '\n' {
			at.Start.Line++
		}
	}
	return hugeNumber(at)
}

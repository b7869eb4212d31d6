package lang

import (
	"fmt"
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

// MaxNesting bounds how deep brackets stand in each other in code: a parser goes as deep, and has no way back.
const MaxNesting = 2_000

// CheckNesting refuses code that nests deeper. It does not look for quotes: who writes so many brackets in a text meets it, too.
func CheckNesting(data []byte) error {
	depth, line, run := 0, 1, 0
	for _, b := range data {
		switch b {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '\n':
			line++
		}
		if b == '!' || b == '-' || b == '?' { // each makes an expression in an expression
			run++
		} else if b == '\n' {
			run = 0
		}
		if depth > MaxNesting || run > 100*MaxNesting {
			return fmt.Errorf("line %d: the code nests too deep", line)
		}
	}
	return nil
}

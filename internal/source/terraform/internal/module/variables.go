package module

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// A variable is an input variable as the code declares it.
type variable struct {
	typ      cty.Type
	defaults *typeexpr.Defaults
	typed    bool
	secret   bool           // the code says that it is sensitive
	required bool           // null means the default
	value    hcl.Expression // the default; nil where there is none
	at       hcl.Range
}

var variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "sensitive"}, {Name: "nullable"}}}

func (m *Module) addVariable(block *hcl.Block) error {
	content, _, diags := block.Body.PartialContent(variableSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	v, again := m.variables[block.Labels[0]]
	if !again {
		v = variable{typ: cty.DynamicPseudoType, at: block.DefRange}
	}
	if attr := content.Attributes["default"]; attr != nil {
		v.value = attr.Expr
	}
	if attr := content.Attributes["sensitive"]; attr != nil {
		v.secret = isSensitive(attr.Expr)
	}
	if attr := content.Attributes["nullable"]; attr != nil {
		v.required = literal(attr.Expr) == "false" || isFalse(attr.Expr)
	}
	if attr := content.Attributes["type"]; attr != nil {
		v.typed = true
		v.typ, v.defaults, diags = typeexpr.TypeConstraintWithDefaults(oldTypes(attr.Expr))
		if diags.HasErrors() {
			return diag.First(diags)
		}
	}
	m.variables[block.Labels[0]] = v
	return nil
}

// oldTypes reads the quoted names of types of before 0.12.
func oldTypes(expr hcl.Expression) hcl.Expression {
	text := map[string]string{"string": "string", "list": "list(any)", "map": "map(any)"}[literal(expr)]
	if text == "" {
		return expr
	}
	parsed, diags := hclsyntax.ParseExpression([]byte(text), expr.Range().Filename, expr.Range().Start)
	if diags.HasErrors() {
		return expr
	}
	return parsed
}

func (v variable) convert(raw cty.Value) (cty.Value, error) {
	if v.defaults != nil && !raw.IsNull() {
		raw = v.defaults.Apply(raw)
	}
	return convert.Convert(raw, v.typ)
}

// parse reads the text of an environment variable: as it is for a primitive type, else as an expression.
func (v variable) parse(text string) (hcl.Expression, error) {
	if !v.typed || v.typ.IsPrimitiveType() {
		return hcl.StaticExpr(cty.StringVal(text), v.at), nil
	}
	if err := lang.CheckNesting([]byte(text)); err != nil {
		return nil, err
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "environment", hcl.InitialPos)
	if !diags.HasErrors() {
		diags = lang.CheckNumbers(expr)
	}
	return expr, diag.First(diags)
}

func (m *Module) variableFiles() []string {
	files := []string{"terraform.tfvars", "terraform.tfvars.json"}
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return files
	}
	var auto []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".auto.tfvars") || strings.HasSuffix(e.Name(), ".auto.tfvars.json") {
			auto = append(auto, e.Name())
		}
	}
	slices.Sort(auto)
	return append(files, auto...)
}

// addValues reads a file of values. One that is not there is an error only if somebody asked for it.
func (m *Module) addValues(name string, given map[string]hcl.Expression, asked bool) error {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.Dir, name)
	}
	data, err := regular.ReadFile(path, regular.MaxCode)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := parseFile(data, name)
	if err != nil {
		return err
	}
	attrs, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for key, attr := range attrs {
		given[key] = attr.Expr
	}
	return nil
}

// Written is a file of values (tfvars) that gives variables these texts, in the same sense in which the tools take -var: as it is for
// a variable of a primitive type or of none, else as an expression.
func (m *Module) Written(texts map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		v := m.variables[name]
		value := []byte(texts[name])
		if !v.typed || v.typ.IsPrimitiveType() {
			value = hclwrite.TokensForValue(cty.StringVal(texts[name])).Bytes()
		}
		fmt.Fprintf(&b, "%s = %s\n", name, value)
	}
	return b.Bytes()
}

package module

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// A variable is an input variable as the code declares it.
type variable struct {
	typ      cty.Type
	defaults *typeexpr.Defaults
	typed    bool
	secret   bool           // the code says that it is sensitive
	value    hcl.Expression // the default; nil where there is none
	at       hcl.Range
}

var variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "sensitive"}}}

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

// Variables gives the value of every variable that has one: from its default, the environment (TF_VAR_name), terraform.tfvars
// and *.auto.tfvars, the later before the earlier, as the tools have it. What was given to the tool on its command line is not
// known.
func (m *Module) Variables(environ []string) (map[string]cty.Value, error) {
	given, err := m.given(environ)
	if err != nil {
		return nil, err
	}
	values := map[string]cty.Value{}
	for name, v := range m.variables {
		expr := v.value
		if set, ok := given[name]; ok {
			expr = set
		}
		if expr == nil {
			continue
		}
		raw, diags := expr.Value(nil)
		if diags.HasErrors() {
			return nil, fmt.Errorf("variable %q: %w", name, diag.First(diags))
		}
		if values[name], err = v.convert(raw); err != nil {
			return nil, fmt.Errorf("variable %q: its value does not have its type (%s)", name, diag.Place(v.at))
		}
	}
	return values, nil
}

func (v variable) convert(raw cty.Value) (cty.Value, error) {
	if v.defaults != nil && !raw.IsNull() {
		raw = v.defaults.Apply(raw)
	}
	return convert.Convert(raw, v.typ)
}

// given collects what sets variables from outside of the code.
func (m *Module) given(environ []string) (map[string]hcl.Expression, error) {
	given := map[string]hcl.Expression{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, "TF_VAR_")
		v, declared := m.variables[name]
		if !ours || !declared {
			continue
		}
		expr, err := v.parse(text)
		if err != nil {
			return nil, fmt.Errorf("TF_VAR_%s is no value of the variable's type", name)
		}
		given[name] = expr
	}
	for _, file := range m.variableFiles() {
		if err := m.addValues(file, given); err != nil {
			return nil, err
		}
	}
	return given, nil
}

// parse reads the text of an environment variable: as it is for a primitive type, else as an expression.
func (v variable) parse(text string) (hcl.Expression, error) {
	if !v.typed || v.typ.IsPrimitiveType() {
		return hcl.StaticExpr(cty.StringVal(text), v.at), nil
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "environment", hcl.InitialPos)
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

func (m *Module) addValues(name string, given map[string]hcl.Expression) error {
	data, err := os.ReadFile(filepath.Join(m.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file, diags := parseFile(data, name)
	if diags.HasErrors() {
		return diag.First(diags)
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

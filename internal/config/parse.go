package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/taffrail-dev/taffrail"
)

// Parse reads the text of a file. The name is for messages.
func Parse(name string, text []byte) (c Config, err error) {
	d := document{name: name, text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))}
	// The YAML package has panicked on texts that nobody writes. That is a text that cannot be read.
	defer func() {
		if p := recover(); p != nil {
			c, err = Config{}, d.refuse(nil, "check the spelling of the YAML", "it cannot be read as YAML: %v", p)
		}
	}()
	root, err := d.root(topKeys)
	if err != nil || root == nil {
		return Config{}, err
	}
	members, err := d.members(root, topKeys)
	if err != nil {
		return Config{}, err
	}
	if accept, ok := members["accept"]; ok {
		if c.Accept, err = d.rules(accept.Value); err != nil {
			return Config{}, err
		}
	}
	if section, ok := members["terraform"]; ok {
		c.Terraform, err = d.section(root, section)
	}
	return c, err
}

// A document is a file that is being read.
type document struct {
	name string
	text []byte
}

// root is the mapping that the file holds; nil if it holds nothing. What it may hold is for the hint.
func (d document) root(known keys) (*ast.MappingNode, error) {
	if !utf8.Valid(d.text) {
		return nil, d.refuse(nil, "save it as UTF-8", "it is not UTF-8")
	}
	tokens := lexer.Tokenize(string(d.text))
	if t := tooDeep(tokens); t != nil {
		return nil, d.refuse(t, "write a shorter value, or leave it out to accept every one", "it is nested deeper than %d", maxDepth)
	}
	file, err := parser.Parse(tokens, 0)
	var located yaml.Error
	if errors.As(err, &located) {
		return nil, d.refuse(located.GetToken(), "check the spelling of the YAML", "%s", located.GetMessage())
	}
	if err != nil {
		return nil, d.refuse(nil, "check the spelling of the YAML", "%v", err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case body != nil:
			return nil, d.refuse(doc.Body.GetToken(), "keep everything in one document, without ---", "a second document begins")
		default:
			body = doc.Body
		}
	}
	switch root := body.(type) {
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.MappingNode:
		if root.IsFlowStyle {
			return nil, d.refuse(root.Start, "write each key on a line of its own, without braces", "the file is one pair of braces")
		}
		return root, nil
	}
	return nil, d.refuse(body.GetToken(), "the keys are "+known.list(), "it is %s, and no keys", describe(body))
}

// tooDeep gives the token at which brackets, or entries that begin on one line, stand in each other too deeply; nil if none does. The
// parser's time grows with the square of that.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			entries, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			entries++
		}
		if brackets > maxDepth || entries > maxDepth {
			return t
		}
	}
	return nil
}

// keys are the names that a mapping may have, and what they are for.
type keys []struct{ name, about string }

func (k keys) list() string {
	names := make([]string, len(k))
	for i, key := range k {
		names[i] = key.name
	}
	return strings.Join(names, ", ")
}

func (k keys) has(name string) bool {
	for _, key := range k {
		if key.name == name {
			return true
		}
	}
	return false
}

var topKeys = keys{
	{"accept", "List of rules: differences that are known and accepted, each with a reason, an owner and an end"},
	{"terraform", "Settings of the Terraform and OpenTofu source, for every stack that the file belongs to; flags go before them"},
}

// members gives the members of a mapping by name. A name that is not among the known ones is an error.
func (d document) members(m *ast.MappingNode, known keys) (map[string]*ast.MappingValueNode, error) {
	all := map[string]*ast.MappingValueNode{}
	for _, v := range m.Values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok || !known.has(key.Value) {
			return nil, d.refuse(v.Key.GetToken(), "the keys here are "+known.list(), "the key %q is not known", clip(v.Key.GetToken().Value))
		}
		if _, double := all[key.Value]; double {
			return nil, d.refuse(v.Key.GetToken(), "keep one of them", "%s stands twice", key.Value)
		}
		all[key.Value] = v
	}
	return all, nil
}

// section cuts out the value of a key, with spaces and empty lines in the place of all that precedes it.
func (d document) section(root *ast.MappingNode, m *ast.MappingValueNode) ([]byte, error) {
	switch m.Value.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.MappingNode:
	default:
		return nil, d.refuse(m.Value.GetToken(), "write its settings below it, indented", "%s is %s, and no settings", m.Key.GetToken().Value, describe(m.Value))
	}
	lines := strings.SplitAfter(string(d.text), "\n")
	from, end := m.Key.GetToken().Position, len(lines)
	for _, other := range root.Values {
		if at := other.Key.GetToken().Position; at.Line > from.Line && at.Line-1 < end {
			end = at.Line - 1
		}
	}
	first := blank(lines[from.Line-1], m.Start.Position.Column) // up to the colon, and with it
	section := strings.Repeat("\n", from.Line-1) + first + strings.Join(lines[from.Line:end], "")
	return []byte(section), nil
}

// refuse says what is wrong and where. No token is the file as a whole.
func (d document) refuse(at *token.Token, hint, format string, args ...any) error {
	return &taffrail.Error{
		Op: "read configuration", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: %w", d.place(at), fmt.Errorf(format, args...)), Hint: hint,
	}
}

func (d document) place(at *token.Token) string {
	if at == nil || at.Position == nil {
		return d.name
	}
	return fmt.Sprintf("%s:%d:%d", d.name, at.Position.Line, at.Position.Column)
}

// describe names what stands in the place of something else.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode:
		return "a map"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	case *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	}
	return "a single value"
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

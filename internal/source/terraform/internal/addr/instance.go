package addr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Key tells the instances of one declaration apart: none, a number of count, or a string of for_each. The zero Key is none.
type Key struct {
	kind keyKind
	num  int
	text string
}

type keyKind uint8

const (
	noKey keyKind = iota
	intKey
	stringKey
)

// IntKey is a key of count.
func IntKey(n int) Key { return Key{kind: intKey, num: n} }

// StringKey is a key of for_each.
func StringKey(s string) Key { return Key{kind: stringKey, text: s} }

// Int is the number of a key of count.
func (k Key) Int() (n int, ok bool) { return k.num, k.kind == intKey }

// Text is the string of a key of for_each.
func (k Key) Text() (s string, ok bool) { return k.text, k.kind == stringKey }

// String is the key in brackets, strings quoted as HCL quotes them, and nothing for no key.
func (k Key) String() string {
	switch k.kind {
	case intKey:
		return "[" + strconv.Itoa(k.num) + "]"
	case stringKey:
		return "[" + quote(k.text) + "]"
	}
	return ""
}

// A Step is one module call of an address, with the instance's key.
type Step struct {
	Name string
	Key  Key
}

// A Module is the address of a module instance, from the root down. The zero Module is the root.
type Module []Step

// String is the form that people and states use: `module.net["eu.west"].module.sub[0]`.
func (m Module) String() string {
	var b strings.Builder
	for i, s := range m {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString("module." + s.Name + s.Key.String())
	}
	return b.String()
}

// Path is the calls without their keys, joined by dots, as .terraform/modules/modules.json names a module: "net.sub".
func (m Module) Path() string {
	names := make([]string, len(m))
	for i, s := range m {
		names[i] = s.Name
	}
	return strings.Join(names, ".")
}

// ParseModule reads what [Module.String] writes.
func ParseModule(s string) (Module, error) {
	var m Module
	for rest := s; rest != ""; {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, "module."); !ok {
			return nil, fmt.Errorf("module address %q: no \"module.\" at byte %d", Clip(s), len(s)-len(rest))
		}
		var step Step
		if step.Name, rest = cutIdentifier(rest); step.Name == "" {
			return nil, fmt.Errorf("module address %q: a name is missing at byte %d", Clip(s), len(s)-len(rest))
		}
		var err error
		if step.Key, rest, err = cutKey(rest); err != nil {
			return nil, fmt.Errorf("module address %q at byte %d: %w", Clip(s), len(s)-len(rest), err)
		}
		m = append(m, step)
		if rest == "" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, "."); !ok || rest == "" {
			return nil, fmt.Errorf("module address %q: unexpected end or text at byte %d", Clip(s), len(s)-len(rest))
		}
	}
	return m, nil
}

// Instance is the address of a resource instance in the module instance of this address.
func Instance(module, resourceType, name string, key Key) string {
	s := resourceType + "." + name + key.String()
	if module == "" {
		return s
	}
	return module + "." + s
}

func cutIdentifier(s string) (name, rest string) {
	for i, r := range s {
		letter := r == '_' || unicode.IsLetter(r)
		if !letter && (i == 0 || r != '-' && !unicode.IsDigit(r)) {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func cutKey(s string) (Key, string, error) {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return Key{}, s, nil
	}
	if strings.HasPrefix(inner, `"`) {
		text, rest, err := unquote(inner[1:])
		if err != nil {
			return Key{}, s, err
		}
		if rest, ok = strings.CutPrefix(rest, "]"); !ok {
			return Key{}, s, fmt.Errorf("a bracket is not closed")
		}
		return StringKey(text), rest, nil
	}
	digits, rest, ok := strings.Cut(inner, "]")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(n) != digits || n < 0 {
		return Key{}, s, fmt.Errorf("neither a number nor a string in brackets")
	}
	return IntKey(n), rest, nil
}

// quote writes a string as HCL's native syntax does, so that the whole address is a valid HCL traversal: HCL specification,
// "Template Expressions".
func quote(s string) string {
	b := []byte{'"'}
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b = append(b, byte(r), byte(r))
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, '"'))
}

// unquote reads up to the closing quote of what quote wrote.
func unquote(s string) (text, rest string, err error) {
	var b []byte
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			return string(b), s[i+1:], nil
		case c == '\\':
			r, n, err := unescape(s[i+1:])
			if err != nil {
				return "", s, err
			}
			b = utf8.AppendRune(b, r)
			i += 1 + n
		case (c == '$' || c == '%') && len(s) > i+2 && s[i+1] == c && s[i+2] == '{':
			b = append(b, c)
			i += 2
		default:
			b = append(b, c)
			i++
		}
	}
	return "", s, fmt.Errorf("a quote is not closed")
}

func unescape(s string) (r rune, n int, err error) {
	if s == "" {
		return 0, 0, fmt.Errorf("the text ends in an escape")
	}
	if plain := strings.IndexByte(`nrt"\`, s[0]); plain >= 0 {
		return rune("\n\r\t\"\\"[plain]), 1, nil
	}
	digits := map[byte]int{'u': 4, 'U': 8}[s[0]]
	if digits == 0 || len(s) < 1+digits {
		return 0, 0, fmt.Errorf("an escape that HCL does not know")
	}
	code, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || code > unicode.MaxRune {
		return 0, 0, fmt.Errorf("an escape that is no character")
	}
	return rune(code), 1 + digits, nil
}

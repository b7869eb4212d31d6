package taffrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// The canonical encoding of a [Value] is JSON, and at the same time its own form under RFC 8785 (JCS): no white space,
// names sorted by UTF-16 code units, the shortest escapes. It is injective: equal values and only they have equal bytes.
//
//	unknown  {"unknown":true}
//	null     null
//	bool     true, false
//	string   "text"
//	number   {"num":"9007199254740993"}         digits as [Number] makes them canonical; never a JSON number
//	list     [a,b]
//	set      {"set":[a,b]}                      elements sorted by their encoded bytes
//	map      {"map":{"k":a}}
//	object   {"obj":{"k":a}}
//	secret   {"secret":"hmac:<kid>:<sha256>"}

// maxDepth bounds the nesting that [ParseValue] follows.
const maxDepth = 500

// AppendCanonical appends the canonical encoding.
func (v Value) AppendCanonical(b []byte) []byte {
	switch v.shape {
	case ShapeUnknown:
		return append(b, `{"unknown":true}`...)
	case ShapeNull:
		return append(b, "null"...)
	case ShapeBool:
		return fmt.Appendf(b, "%t", v.yes)
	case ShapeString:
		return appendText(b, v.text)
	case ShapeNumber:
		return append(appendText(append(b, `{"num":`...), v.text), '}')
	case ShapeSecret:
		return append(appendText(append(b, `{"secret":`...), v.text), '}')
	case ShapeList:
		return v.appendElems(b)
	case ShapeSet:
		return append(v.appendElems(append(b, `{"set":`...)), '}')
	case ShapeMap:
		return append(v.appendFields(append(b, `{"map":`...)), '}')
	default:
		return append(v.appendFields(append(b, `{"obj":`...)), '}')
	}
}

func (v Value) appendElems(b []byte) []byte {
	b = append(b, '[')
	for i, e := range v.elems {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.AppendCanonical(b)
	}
	return append(b, ']')
}

func (v Value) appendFields(b []byte) []byte {
	b = append(b, '{')
	for i, name := range v.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		b = v.elems[i].AppendCanonical(b)
	}
	return append(b, '}')
}

// shortEscapes are the control characters with an escape of two characters.
var shortEscapes = [0x20]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

// appendText writes a JSON string as RFC 8785, section 3.2.2.2, wants it.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case shortEscapes[c] != 0:
			b = append(b, '\\', shortEscapes[c])
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, '"')
}

// compareUTF16 orders strings by their UTF-16 code units, as RFC 8785, section 3.2.3, does. It parts from the order of bytes
// only where a character beyond U+FFFF, which has surrogates, meets one from U+E000 up.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			if (ra > 0xFFFF) != (rb > 0xFFFF) && min(ra, rb) >= 0xE000 {
				return int(rb - ra)
			}
			return int(ra - rb)
		}
		a, b = a[na:], b[nb:]
	}
	return len(a) - len(b)
}

// MarshalJSON gives the canonical encoding.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendCanonical(nil), nil }

// UnmarshalJSON reads the canonical encoding, however it is spaced, ordered and escaped.
func (v *Value) UnmarshalJSON(b []byte) error {
	parsed, err := parseLoose(b)
	if err == nil {
		*v = parsed
	}
	return err
}

// ParseValue reads exactly what [Value.AppendCanonical] writes; any other byte is an error.
func ParseValue(b []byte) (Value, error) {
	v, err := parseLoose(b)
	if err != nil {
		return Value{}, err
	}
	if !bytes.Equal(v.AppendCanonical(nil), b) {
		return Value{}, errors.New("value is not in canonical form")
	}
	return v, nil
}

func parseLoose(b []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	v, err := decodeValue(d, 0)
	if err != nil {
		return Value{}, fmt.Errorf("value at byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Value{}, fmt.Errorf("value at byte %d: more follows", d.InputOffset())
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return Value{}, unexpectedEOF(err)
	}
	switch t := t.(type) {
	case nil:
		return Null(), nil
	case bool:
		return Bool(t), nil
	case string:
		return String(t), nil
	case json.Delim:
		if t == '[' {
			elems, err := decodeElems(d, depth)
			return Value{shape: ShapeList, elems: elems}, err
		}
		if t == '{' {
			return decodeTagged(d, depth)
		}
	}
	return Value{}, fmt.Errorf("unexpected %v", t)
}

// decodeTagged reads the one member and the end of an object that says what it is.
func decodeTagged(d *json.Decoder, depth int) (Value, error) {
	tag, err := d.Token()
	if err != nil {
		return Value{}, unexpectedEOF(err)
	}
	name, ok := tag.(string)
	if !ok {
		return Value{}, errors.New("an object without a tag")
	}
	v, err := decodeContent(d, name, depth)
	if err != nil {
		return Value{}, err
	}
	return v, expect(d, '}')
}

func decodeContent(d *json.Decoder, tag string, depth int) (Value, error) {
	switch tag {
	case "map", "obj":
		fields, err := decodeFields(d, depth)
		if tag == "map" {
			return Map(fields), err
		}
		return Object(fields), err
	case "set":
		if err := expect(d, '['); err != nil {
			return Value{}, err
		}
		elems, err := decodeElems(d, depth)
		return Set(elems...), err
	}
	t, err := d.Token()
	if err != nil {
		return Value{}, unexpectedEOF(err)
	}
	text, isText := t.(string)
	switch {
	case tag == "unknown" && t == true:
		return Unknown(), nil
	case tag == "num" && isText:
		return Number(text)
	case tag == "secret" && isText:
		digest, err := ParseSecretDigest(text)
		return Secret(digest), err
	}
	return Value{}, fmt.Errorf("no value has the tag %q with that content", clip(tag))
}

// decodeElems reads elements up to the bracket that closes them.
func decodeElems(d *json.Decoder, depth int) ([]Value, error) {
	elems := []Value{}
	for d.More() {
		e, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, e)
	}
	return elems, expect(d, ']')
}

func decodeFields(d *json.Decoder, depth int) (map[string]Value, error) {
	if err := expect(d, '{'); err != nil {
		return nil, err
	}
	fields := map[string]Value{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, unexpectedEOF(err)
		}
		name := t.(string) // a name, since the decoder is inside an object
		if _, double := fields[name]; double {
			return nil, fmt.Errorf("%q stands twice", clip(name))
		}
		if fields[name], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	return fields, expect(d, '}')
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return unexpectedEOF(err)
	}
	if t != want {
		return fmt.Errorf("%v instead of %v", t, want)
	}
	return nil
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

package taffrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// FromJSON gives the value of plain JSON text (RFC 8259), as other systems write it: objects, lists, texts, exact numbers, bools and
// nulls. Of a name that stands twice in one object the last one counts, as it does for most readers. It is for sources alone: what
// is ours is read by [ParseValue].
func FromJSON(text []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return Value{}, fmt.Errorf("JSON at byte %d: %w", d.InputOffset(), plainFault(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Value{}, fmt.Errorf("JSON at byte %d: more follows", d.InputOffset())
	}
	return fromPlain(plain, 0)
}

// plainFault keeps what the decoder says of the form, which quotes one character of the text at most.
func plainFault(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func fromPlain(plain any, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch p := plain.(type) {
	case nil:
		return Null(), nil
	case bool:
		return Bool(p), nil
	case string:
		return String(p), nil
	case json.Number:
		return Number(p.String())
	case []any:
		return listFromPlain(p, depth)
	case map[string]any:
		return objectFromPlain(p, depth)
	}
	return Value{}, fmt.Errorf("no JSON value: %T", plain)
}

func listFromPlain(plain []any, depth int) (v Value, err error) {
	v = Value{shape: ShapeList, elems: make([]Value, len(plain))}
	for i, p := range plain {
		if v.elems[i], err = fromPlain(p, depth+1); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

func objectFromPlain(plain map[string]any, depth int) (Value, error) {
	fields := make(map[string]Value, len(plain))
	for name, p := range plain {
		field, err := fromPlain(p, depth+1)
		if err != nil {
			return Value{}, err
		}
		fields[name] = field
	}
	return Object(fields), nil
}

// AppendJSON appends the value as plain JSON, as a system outside would write it: a set is an array, a secret its digest, and unknown is null.
// It is for people and foreign programs; nothing reads it back exactly.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.shape {
	case ShapeUnknown, ShapeNull:
		return append(b, "null"...)
	case ShapeBool:
		return fmt.Appendf(b, "%t", v.yes)
	case ShapeNumber:
		return append(b, v.text...)
	case ShapeString, ShapeSecret:
		return appendText(b, v.text)
	case ShapeList, ShapeSet:
		return v.appendPlainElems(b)
	}
	b = append(b, '{')
	for i, name := range v.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.elems[i].AppendJSON(append(appendText(b, name), ':'))
	}
	return append(b, '}')
}

func (v Value) appendPlainElems(b []byte) []byte {
	b = append(b, '[')
	for i, e := range v.elems {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.AppendJSON(b)
	}
	return append(b, ']')
}

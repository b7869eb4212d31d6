package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
)

// sameMeaning says why two strings are JSON documents, objects or arrays, that mean the same: policies and the like come back with
// other spaces and another order of names. It says nothing if they are not. A scalar is taken as text. A document that says a name
// twice means nothing for certain, and is text, too.
func sameMeaning(before, after taffrail.Value) string {
	if before.Shape() != taffrail.ShapeString || after.Shape() != taffrail.ShapeString {
		return ""
	}
	b, ok := parseDocument(before.Text())
	if !ok {
		return ""
	}
	a, ok := parseDocument(after.Text())
	switch {
	case !ok:
		return ""
	case a.Equal(b):
		return "the same JSON, written in another way"
	case isPolicy(a) && isPolicy(b) && plainPolicy(a).Equal(plainPolicy(b)):
		return "the same policy, written in another way"
	}
	return ""
}

func parseDocument(text string) (taffrail.Value, bool) {
	text = strings.Trim(text, " \t\r\n") // the spaces of RFC 8259
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return taffrail.Value{}, false
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	v, err := parseJSON(d, 0)
	if err != nil {
		return v, false
	}
	_, err = d.Token()
	return v, errors.Is(err, io.EOF)
}

var errNoDocument = errors.New("not a JSON document with one meaning")

// maxDepth bounds the nesting that is followed: the text is foreign.
const maxDepth = 500

func parseJSON(d *json.Decoder, depth int) (taffrail.Value, error) {
	t, err := d.Token()
	if err == nil && depth > maxDepth {
		err = errNoDocument
	}
	if err != nil {
		return taffrail.Value{}, err
	}
	switch t := t.(type) {
	case bool:
		return taffrail.Bool(t), nil
	case string:
		return taffrail.String(t), exactText(t)
	case json.Number:
		return taffrail.Number(t.String())
	case json.Delim:
		if t == '[' {
			return parseArray(d, depth+1)
		}
		return parseObject(d, depth+1)
	}
	return taffrail.Null(), nil
}

// exactText fails for a text that may hold U+FFFD in the place of something else: the decoder puts it where an escape is half of a pair,
// or bytes are not UTF-8.
func exactText(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return errNoDocument
	}
	return nil
}

func parseArray(d *json.Decoder, depth int) (taffrail.Value, error) {
	var elems []taffrail.Value
	for d.More() {
		e, err := parseJSON(d, depth)
		if err != nil {
			return e, err
		}
		elems = append(elems, e)
	}
	_, err := d.Token()
	return taffrail.List(elems...), err
}

func parseObject(d *json.Decoder, depth int) (taffrail.Value, error) {
	members := map[string]taffrail.Value{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return taffrail.Value{}, err
		}
		name, isName := t.(string)
		if _, double := members[name]; double || !isName || exactText(name) != nil {
			return taffrail.Value{}, errNoDocument
		}
		if members[name], err = parseJSON(d, depth); err != nil {
			return taffrail.Value{}, err
		}
	}
	_, err := d.Token()
	return taffrail.Map(members), err
}

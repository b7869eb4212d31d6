package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/taffrail-dev/taffrail"
)

// renderValue writes a value on one line, as HCL would where it can. Keys of maps are quoted, names of attributes are not. It
// holds no control character, whatever the value holds.
func renderValue(v taffrail.Value) string {
	switch v.Shape() {
	case taffrail.ShapeUnknown:
		return "(unknown)"
	case taffrail.ShapeNull:
		return "null"
	case taffrail.ShapeBool:
		return fmt.Sprint(v.Truth())
	case taffrail.ShapeNumber:
		return v.Text()
	case taffrail.ShapeString:
		return renderString(v.Text())
	case taffrail.ShapeSecret:
		return renderSecret(taffrail.SecretDigest(v.Text()))
	case taffrail.ShapeList, taffrail.ShapeSet:
		return renderElems(v)
	default:
		return renderFields(v)
	}
}

// renderSecret names a secret by the beginning of its digest, which is enough to see that another has another.
func renderSecret(d taffrail.SecretDigest) string {
	digest := strings.TrimPrefix(string(d), "hmac:"+d.KeyID()+":")
	return "(secret hmac:" + safe(digest[:min(8, len(digest))]) + ellipsis + ")"
}

// renderString shows a text that is a JSON document without a second layer of quotes.
func renderString(s string) string {
	if document := strings.TrimSpace(s); strings.HasPrefix(document, "{") || strings.HasPrefix(document, "[") {
		var compact bytes.Buffer
		if json.Compact(&compact, []byte(document)) == nil {
			return "jsonencode(" + safe(compact.String()) + ")"
		}
	}
	return quote(s)
}

func renderElems(v taffrail.Value) string {
	return "[" + strings.Join(partsOf(v), ", ") + "]"
}

func renderFields(v taffrail.Value) string {
	return "{" + strings.Join(partsOf(v), ", ") + "}"
}

// partsOf renders each element or field.
func partsOf(v taffrail.Value) []string {
	parts := make([]string, 0, v.Len())
	switch v.Shape() {
	case taffrail.ShapeList, taffrail.ShapeSet:
		for e := range v.Elems() {
			parts = append(parts, renderValue(e))
		}
	case taffrail.ShapeMap:
		for name, field := range v.Fields() {
			parts = append(parts, quote(name)+" = "+renderValue(field))
		}
	case taffrail.ShapeObject:
		for name, field := range v.Fields() {
			parts = append(parts, safe(name)+" = "+renderValue(field))
		}
	}
	return parts
}

// foldValue renders a value on as many lines as it needs, up to some.
func foldValue(v taffrail.Value, width int) []string {
	const most = 12
	whole := renderValue(v)
	parts := partsOf(v)
	switch {
	case cells(whole) <= width:
		return []string{whole}
	case len(parts) == 0:
		return []string{clipMiddle(whole, width-minValue) + measure(v)}
	}
	lines, line := []string{}, whole[:1]
	for i, part := range parts {
		part = clipMiddle(part, width-2)
		if i < len(parts)-1 {
			part += ","
		}
		if i > 0 && cells(line)+1+cells(part) > width {
			lines = append(lines, line)
			line = ""
		}
		if i > 0 {
			line += " "
		}
		line += part
	}
	lines = append(lines, line+whole[len(whole)-1:])
	if len(lines) > most {
		lines = append(lines[:most], " "+ellipsis+measure(v))
	}
	return lines
}

// renderPair renders two values that differ so that the texts differ, too.
func renderPair(before, after taffrail.Value) (string, string) {
	forms := []func(taffrail.Value) string{
		renderValue,
		func(v taffrail.Value) string { return quote(v.Text()) },                                      // documents that differ in white space
		func(v taffrail.Value) string { return strconv.QuoteToASCII(v.Text()) },                       // texts that differ in composition
		func(v taffrail.Value) string { return strconv.QuoteToASCII(string(v.AppendCanonical(nil))) }, // all else
	}
	var b, a string
	for _, form := range forms {
		b, a = form(before), form(after)
		if norm.NFC.String(b) != norm.NFC.String(a) {
			break
		}
	}
	return b, a
}

// measure says how long a value is, where it was cut for the table.
func measure(v taffrail.Value) string {
	switch v.Shape() {
	case taffrail.ShapeString:
		return " (" + count(int64(len([]rune(v.Text()))), "character", "characters") + ")"
	case taffrail.ShapeList, taffrail.ShapeSet, taffrail.ShapeMap, taffrail.ShapeObject:
		return " (" + count(int64(v.Len()), "element", "elements") + ")"
	case taffrail.ShapeNumber:
		return " (" + count(int64(len(v.Text())), "digit", "digits") + ")"
	}
	return ""
}

// renderPath writes a path for people: an element of a set is shown as far as it helps to know it.
func renderPath(p taffrail.Path) string {
	const most = 40
	text := ""
	for _, s := range p.Steps() {
		if s.Kind() == taffrail.ElemStep {
			text += "{" + clipMiddle(renderValue(s.Element()), most) + "}"
			continue
		}
		step := safe(taffrail.NewPath(s).String())
		if text != "" && s.Kind() == taffrail.AttrStep && !strings.HasPrefix(step, ".") {
			step = "." + step
		}
		text += step
	}
	if text == "" {
		return "(all)"
	}
	return text
}

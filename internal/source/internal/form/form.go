// Package form says what is wrong with the form of a record, and quotes nothing of it: a record may hold secrets, and its faults are shown.
package form

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Fault is what [json.Unmarshal] says of a record, without the record's own words.
func Fault(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return Wrong(wrong.Field, word(wrong.Value))
	case errors.As(err, &syntax):
		return NotJSON(int(syntax.Offset))
	}
	return errors.New("it is not JSON")
}

// word is the first word of what the decoder says it met; after it the value itself can stand.
func word(value string) string {
	first, _, _ := strings.Cut(value, " ")
	return first
}

// Wrong says that a field holds what it cannot hold.
func Wrong(field, kind string) error { return fmt.Errorf("field %s holds a JSON %s", field, kind) }

// NotJSON says that the form breaks at a byte, counted from 1.
func NotJSON(at int) error { return fmt.Errorf("it is not JSON at byte %d", at) }

// Kind names the sort of a JSON value by its first byte.
func Kind(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}

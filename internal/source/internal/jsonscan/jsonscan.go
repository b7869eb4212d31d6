// Package jsonscan looks into JSON text without decoding it: the fields of an object, the elements of a list, the bytes of a value, the text of
// a string.
//
// It is for text that is known to be valid, or will be checked by someone else: it stops where it understands nothing any more, and says
// nothing of it. White space between tokens is allowed. Nothing is copied but the names and texts that hold escapes.
package jsonscan

import (
	"bytes"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// Space gives the offset of the first byte from at on that is no white space.
func Space(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t') {
		at++
	}
	return at
}

// Value gives the offset after the value that begins at an offset, and false where it does not end.
func Value(text []byte, at int) (end int, ok bool) {
	if at >= len(text) {
		return at, false
	}
	switch text[at] {
	case '"':
		return String(text, at)
	case '{', '[':
		return composite(text, at)
	}
	for end = at; end < len(text) && !ends[text[end]]; end++ {
	}
	return end, end > at
}

// ends are the bytes that cannot stand in a number or a word.
var ends = [256]bool{' ': true, '\n': true, '\r': true, '\t': true, ',': true, ']': true, '}': true, ':': true, '"': true, '{': true, '[': true}

// marks are the bytes at which something begins or ends in a composite.
var marks = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

func composite(text []byte, at int) (end int, ok bool) {
	depth := 0
	for at < len(text) {
		c := text[at]
		if !marks[c] {
			at++
			continue
		}
		switch c {
		case '"':
			if at, ok = String(text, at); !ok {
				return at, false
			}
			continue
		case '{', '[':
			depth++
		default:
			depth--
		}
		at++
		if depth == 0 {
			return at, true
		}
	}
	return at, false
}

// String gives the offset after the string that begins at an offset.
func String(text []byte, at int) (end int, ok bool) {
	for i := at + 1; ; {
		n := bytes.IndexByte(text[min(i, len(text)):], '"')
		if n < 0 {
			return len(text), false
		}
		i += n
		slashes := 0
		for j := i - 1; j > at && text[j] == '\\'; j-- {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i, true
		}
	}
}

// Fields gives the names of an object, without escapes, and the bytes of their values, in the order in which they stand. A name may come twice.
func Fields(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		at := Space(object, 0)
		if at >= len(object) || object[at] != '{' {
			return
		}
		for {
			at = Space(object, at+1)
			start := at
			end, ok := String(object, at)
			if at >= len(object) || object[at] != '"' || !ok {
				return
			}
			at = Space(object, end)
			if at >= len(object) || object[at] != ':' {
				return
			}
			at = Space(object, at+1)
			after, ok := Value(object, at)
			if !ok || !yield(name(object[start:end]), object[at:after]) {
				return
			}
			if at = Space(object, after); at >= len(object) || object[at] != ',' {
				return
			}
		}
	}
}

// Field gives the value that an object has by a name: the last, where it stands twice.
func Field(object []byte, name string) (value []byte, ok bool) {
	for field, v := range Fields(object) {
		if string(field) == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// Elems gives the bytes of the elements of a list.
func Elems(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		at := Space(list, 0)
		if at >= len(list) || list[at] != '[' {
			return
		}
		for {
			at = Space(list, at+1)
			after, ok := Value(list, at)
			if !ok || !yield(list[at:after]) {
				return
			}
			if at = Space(list, after); at >= len(list) || list[at] != ',' {
				return
			}
		}
	}
}

func name(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return AppendText(nil, quoted)
}

// Text gives the text of a string, and false for every other value.
func Text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return string(name(value)), true
}

// short are the escapes of one letter.
var short = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// AppendText appends the text of a string. Half a surrogate becomes U+FFFD, as it does for encoding/json.
func AppendText(dst, quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	for {
		n := bytes.IndexByte(inner, '\\')
		if n < 0 || n+1 >= len(inner) {
			return append(dst, inner...)
		}
		dst = append(dst, inner[:n]...)
		if inner[n+1] != 'u' {
			dst = append(dst, short[inner[n+1]])
			inner = inner[n+2:]
			continue
		}
		r := unit(inner[n:])
		inner = inner[min(n+6, len(inner)):]
		if utf16.IsSurrogate(r) {
			if pair := utf16.DecodeRune(r, unit(inner)); pair != utf8.RuneError {
				r, inner = pair, inner[6:]
			} else {
				r = utf8.RuneError
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// unit is the code unit of an escape of four hexadecimal digits, or -1.
func unit(escape []byte) rune {
	if len(escape) < 6 || escape[0] != '\\' || escape[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range escape[2:6] {
		r = r<<4 | rune(Hex[c]&15)
	}
	return r
}

// Hex has, for each hexadecimal digit, its value and a bit beyond it; zero for every other byte.
var Hex = [256]byte{
	'0': 16, '1': 17, '2': 18, '3': 19, '4': 20, '5': 21, '6': 22, '7': 23, '8': 24, '9': 25,
	'a': 26, 'b': 27, 'c': 28, 'd': 29, 'e': 30, 'f': 31, 'A': 26, 'B': 27, 'C': 28, 'D': 29, 'E': 30, 'F': 31,
}

package audit

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/gowebpki/jcs"
)

// MaxEntry is the largest number of bytes of an entry. Larger evidence stands beside the log, the entry holding its
// digest and size. (An entry in a C2SP tile ends at 65,535 bytes.)
const MaxEntry = 48 << 10

// maxInteger is the largest integer up to which a double holds every integer: RFC 8785 silently rounds others.
const maxInteger = 1<<53 - 1

// Canonical turns a JSON object into the exact bytes of a leaf, by the rules of RFC 8785: no white space, members sorted
// by UTF-16 code units, the shortest spelling of strings. The same object always becomes the same bytes, and canonical
// bytes become themselves.
//
// It refuses what cannot be written in one way only, or would be changed on the way: numbers that are not integers
// between -(2⁵³-1) and 2⁵³-1 in plain digits (write others as strings), duplicate names, invalid UTF-8 and lone
// surrogates, anything after the object, anything but an object, and results of more than [MaxEntry] bytes, for which the error wraps [ErrTooLarge].
func Canonical(json []byte) ([]byte, error) {
	body, err := jcs.Transform(json)
	if err != nil {
		return nil, fmt.Errorf("canonicalise entry: %w", err)
	}
	if body[0] != '{' {
		return nil, fmt.Errorf("canonicalise entry: it begins with %q, want a JSON object", body[0])
	}
	if err := checkNumbers(json); err != nil {
		return nil, fmt.Errorf("canonicalise entry: %w", err)
	}
	if err := checkLength(body); err != nil {
		return nil, err
	}
	return body, nil
}

func checkLength(body []byte) error {
	if len(body) > MaxEntry {
		return fmt.Errorf("%w: it has %d bytes and may have %d; store the payload as a blob and log its digest",
			ErrTooLarge, len(body), MaxEntry)
	}
	return nil
}

// checkNumbers looks at each number of well-formed JSON as it was spelled, before RFC 8785 rounds it.
func checkNumbers(json []byte) error {
	for i := 0; i < len(json); {
		switch c := json[i]; {
		case c == '"':
			i = stringEnd(json, i)
		case c == '-' || '0' <= c && c <= '9':
			token := numberAt(json[i:])
			if !plainInteger(token) {
				return fmt.Errorf("number %.40s at byte %d is not an integer within ±(2^53-1) in plain digits: write it as a string",
					token, i)
			}
			i += len(token)
		default:
			i++
		}
	}
	return nil
}

// stringEnd gives the index after the string that begins at i.
func stringEnd(json []byte, i int) int {
	for i++; json[i] != '"'; i++ {
		if json[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func numberAt(json []byte) []byte {
	end := bytes.IndexFunc(json, func(r rune) bool {
		return !('0' <= r && r <= '9') && r != '-' && r != '+' && r != '.' && r != 'e' && r != 'E'
	})
	if end < 0 {
		return json
	}
	return json[:end]
}

// plainInteger is strict about the spelling, too: 1.0, 1e3 and -0 come from floats.
func plainInteger(token []byte) bool {
	n, err := strconv.ParseInt(string(token), 10, 64)
	return err == nil && -maxInteger <= n && n <= maxInteger && string(token) != "-0"
}

package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
)

// A frame is what stands between two messages: one message, or what is none.
type frame struct {
	text  []byte
	fault string
}

// errFraming says that it cannot be known where the next message begins.
var errFraming = errors.New("the length of a message cannot be read")

// maxDigits bounds the number before a counted message.
const maxDigits = 9

// keptOfLong is how much is kept of a message that is too long.
const keptOfLong = 8 << 10

// readFrame reads the next frame (RFC 6587, section 3.4): a message with its length before it, or up to a newline. What was read before an error is a
// frame, too, if there is any.
func readFrame(from *bufio.Reader, limit int) (frame, error) {
	c, err := skip(from)
	if err != nil {
		return frame{}, err
	}
	if '1' <= c && c <= '9' {
		return counted(from, limit)
	}
	text, length, err := take(from, limit, '\n', -1)
	f := frame{text: trimmed(text)}
	switch {
	case length > limit+1:
		f = long(text, length)
	case c != '<':
		f.fault = "it does not begin as a message does"
	case err != nil:
		f.fault = "the connection ended in it"
	}
	return f, err
}

// skip passes what stands between messages, and gives the next byte without reading it.
func skip(from *bufio.Reader) (byte, error) {
	for {
		next, err := from.Peek(1)
		if err != nil {
			return 0, err
		}
		if c := next[0]; c > ' ' {
			return c, nil
		}
		if _, err := from.Discard(1); err != nil {
			return 0, err
		}
	}
}

func counted(from *bufio.Reader, limit int) (frame, error) {
	digits, _, err := take(from, maxDigits, ' ', -1)
	if err != nil {
		return frame{text: digits, fault: "the connection ended in it"}, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSuffix(digits, []byte(" "))))
	if err != nil || len(digits) > maxDigits {
		return frame{text: digits, fault: errFraming.Error()}, errFraming
	}
	text, length, err := take(from, limit, 0, n)
	switch f := (frame{text: trimmed(text)}); {
	case err != nil:
		f.fault = "the connection ended in it"
		return f, err
	case length > limit:
		return long(text, length), nil
	case len(f.text) == 0 || f.text[0] != '<':
		f.fault = "it does not begin as a message does"
		return f, nil
	default:
		return f, nil
	}
}

func long(text []byte, length int) frame {
	return frame{text: bytes.Clone(text[:min(len(text), keptOfLong)]), fault: "it has " + strconv.Itoa(length) + " bytes, of which the first are here"}
}

// take reads n bytes, or up to and with a mark if n is negative. It keeps no more than the limit and one byte.
func take(from *bufio.Reader, limit int, mark byte, n int) (text []byte, length int, err error) {
	for n < 0 || length < n {
		if _, err := from.Peek(1); err != nil {
			return text, length, err
		}
		part, _ := from.Peek(from.Buffered())
		done := false
		if n >= 0 {
			part = part[:min(len(part), n-length)]
		} else if at := bytes.IndexByte(part, mark); at >= 0 {
			part, done = part[:at+1], true
		}
		text = append(text, part[:min(len(part), limit+1-len(text))]...)
		length += len(part)
		if _, err := from.Discard(len(part)); err != nil || done {
			return text, length, err
		}
		if n < 0 && mark == ' ' && length > limit {
			return text, length, nil // no number is that long
		}
	}
	return text, length, nil
}

// ready says whether a whole frame, or as much of one as fits, is there without waiting.
func ready(from *bufio.Reader) bool {
	part, _ := from.Peek(from.Buffered())
	part = bytes.TrimLeft(part, "\r\n\x00 ")
	if len(part) == 0 {
		return false
	}
	if part[0] < '1' || part[0] > '9' {
		return bytes.IndexByte(part, '\n') >= 0
	}
	digits, rest, ok := bytes.Cut(part, []byte(" "))
	n, err := strconv.Atoi(string(digits))
	return ok && (err != nil || len(rest) >= n)
}

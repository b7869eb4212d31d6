package audit

// maxDepth is how deep the values of an entry are nested, as far as a scanner follows.
const maxDepth = 32

// A scanner reads canonical JSON from its beginning. Its methods say no where what comes next is something else, or spelled in a way that
// entries do not need.
type scanner struct {
	rest []byte
}

// next takes one byte if it is this one.
func (s *scanner) next(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// list takes what stands between two brackets, with commas between.
func (s *scanner) list(open, end byte, one func() bool) bool {
	if !s.next(open) {
		return false
	}
	if s.next(end) {
		return true
	}
	for {
		if !one() {
			return false
		}
		if s.next(end) {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// plain takes a string of ASCII that has nothing escaped.
func (s *scanner) plain() (text []byte, ok bool) {
	if !s.next('"') {
		return nil, false
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			text, s.rest = s.rest[:i], s.rest[i+1:]
			return text, true
		case c < ' ' || c == '\\' || c > '~':
			return nil, false
		}
	}
	return nil, false
}

func (s *scanner) text(into *string) bool {
	text, ok := s.plain()
	*into = string(text)
	return ok
}

// integer takes a number of at most 18 digits that is spelled as integers are.
func (s *scanner) integer(into *int64) bool {
	minus := s.next('-')
	n, digits := int64(0), 0
	for digits < len(s.rest) && '0' <= s.rest[digits] && s.rest[digits] <= '9' {
		n = 10*n + int64(s.rest[digits]-'0')
		if digits++; digits > 18 {
			return false
		}
	}
	if digits == 0 || digits > 1 && s.rest[0] == '0' {
		return false
	}
	if minus {
		n = -n
	}
	*into, s.rest = n, s.rest[digits:]
	return true
}

// value takes any value.
func (s *scanner) value(depth int) bool {
	if len(s.rest) == 0 || depth > maxDepth {
		return false
	}
	switch c := s.rest[0]; {
	case c == '"':
		return s.skip()
	case c == '{':
		return s.list('{', '}', func() bool { return s.skip() && s.next(':') && s.value(depth+1) })
	case c == '[':
		return s.list('[', ']', func() bool { return s.value(depth + 1) })
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	var n int64
	return s.integer(&n)
}

func (s *scanner) word(w string) bool {
	if len(s.rest) < len(w) || string(s.rest[:len(w)]) != w {
		return false
	}
	s.rest = s.rest[len(w):]
	return true
}

// skip takes any string, whatever is escaped in it.
func (s *scanner) skip() bool {
	if !s.next('"') {
		return false
	}
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escaped(s.rest[i+1:])
			if n == 0 {
				return false
			}
			i += n
		}
	}
	return false
}

// escaped says how many bytes belong to a backslash that stands before them: 0 if that makes no sense.
func escaped(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) > 4 && isHex(b[1]) && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) {
			return 5
		}
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

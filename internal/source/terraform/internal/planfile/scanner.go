package planfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A scanner cuts a JSON document into values without decoding those that nobody wants. It knows where a value ends, which takes quotes
// and brackets; whether a value is valid JSON is found out of those that are decoded.
type scanner struct {
	r      *bufio.Reader
	most   int
	buffer []byte // of the value that is kept
}

func newScanner(r io.Reader, limits Limits) *scanner {
	return &scanner{r: bufio.NewReaderSize(&bounded{r: r, left: limits.Total}, 256<<10), most: limits.Element}
}

// bounded reads so many bytes, and says so where there are more.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// next gives the next byte that is no white space.
func (s *scanner) next() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			return c, nil
		}
	}
}

func (s *scanner) want(c byte) error {
	got, err := s.next()
	if err == nil && got != c {
		err = fmt.Errorf("%q stands where %q should", got, c)
	}
	return err
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	c, err := s.next()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%q stands after the end", c)
}

// object calls for each field, which the callee must consume.
func (s *scanner) object(field func(name string) error) error {
	if err := s.want('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == '}':
			return nil
		case !first && c != ',' || first && c != '"':
			return fmt.Errorf("%q stands between two fields", c)
		case first:
			err = s.r.UnreadByte()
		}
		var name string
		if err == nil {
			err = s.decode(&name)
		}
		if err == nil {
			err = s.want(':')
		}
		if err == nil {
			err = field(name)
		}
		if err != nil {
			return err
		}
	}
}

// list calls for each element of an array, which the callee must consume; null has none.
func (s *scanner) list(element func() error) error {
	c, err := s.next()
	switch {
	case err != nil:
		return err
	case c == 'n':
		if err := s.r.UnreadByte(); err != nil {
			return err
		}
		return s.skip()
	case c != '[':
		return fmt.Errorf("%q stands where a list should", c)
	}
	for n := 0; ; n++ {
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == ']':
			return nil
		case n > 0 && c != ',':
			return fmt.Errorf("%q stands between two elements", c)
		case n == 0:
			if err := s.r.UnreadByte(); err != nil {
				return err
			}
		}
		if err := element(); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
}

// each gives the bytes of each element, which are the callee's.
func (s *scanner) each(element func(raw []byte) error) error {
	return s.list(func() error {
		raw, err := s.value()
		if err != nil {
			return err
		}
		return element(raw)
	})
}

// decode takes one value.
func (s *scanner) decode(into any) error {
	raw, err := s.value()
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// value gives the bytes of one value.
func (s *scanner) value() ([]byte, error) {
	s.buffer = make([]byte, 0, 1024) // a new one: what is decoded may refer to it
	err := s.pass(func(c byte) error {
		if len(s.buffer) >= s.most {
			return fmt.Errorf("one resource is of more than %d bytes: %w", s.most, ErrTooLarge)
		}
		s.buffer = append(s.buffer, c)
		return nil
	})
	return s.buffer, err
}

// skip passes over one value.
func (s *scanner) skip() error { return s.pass(func(byte) error { return nil }) }

// pass goes to the end of one value.
func (s *scanner) pass(take func(byte) error) error {
	c, err := s.next()
	if err != nil {
		return err
	}
	depth := 0
	for {
		if err := take(c); err != nil {
			return err
		}
		scalar := false
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			err = s.text(take)
		default:
			scalar = depth == 0
		}
		switch {
		case err != nil:
			return err
		case depth < 0:
			return fmt.Errorf("%q closes nothing", c)
		case scalar:
			return s.word(take)
		case depth == 0:
			return nil
		}
		if c, err = s.r.ReadByte(); errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
	}
}

// text goes to the closing quote.
func (s *scanner) text(take func(byte) error) error {
	for escaped := false; ; {
		c, err := s.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err == nil {
			err = take(c)
		}
		switch {
		case err != nil:
			return err
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return nil
		}
	}
}

// word goes to the end of a number, a boolean or a null.
func (s *scanner) word(take func(byte) error) error {
	for {
		c, err := s.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c == ',' || c == '}' || c == ']' || c <= ' ':
			return s.r.UnreadByte()
		}
		if err := take(c); err != nil {
			return err
		}
	}
}

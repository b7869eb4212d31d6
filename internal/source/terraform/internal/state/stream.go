package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// A stream reads a state piece by piece, so that no more of it is in memory than one instance and what was kept of those before. It
// takes members in any order.
type stream struct {
	from *io.SectionReader
	d    *json.Decoder
	top  topJSON

	state     *State   // nil: only the header is wanted
	providers []string // of the present resource's instances, where they have their own
	seen      map[string]bool
}

func parse(from *io.SectionReader) (*State, error) {
	s := &stream{state: &State{}, seen: map[string]bool{}}
	if err := s.read(from); err != nil {
		return nil, err
	}
	s.state.Header = s.top.header
	return s.state, nil
}

func parseHeader(from *io.SectionReader) (Header, error) {
	s := &stream{}
	err := s.read(from)
	return s.top.header, err
}

func (s *stream) read(from *io.SectionReader) error {
	start := make([]byte, 3)
	n, err := from.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return unreadable(err)
	}
	if err := checkStart(start[:n]); err != nil {
		return err
	}
	digest := sha256.New()
	content := io.TeeReader(from, digest) // of what is decoded, and not of what the file holds a moment later
	s.from, s.d = from, json.NewDecoder(content)
	switch done, err := s.members(); {
	case errors.Is(err, errEmpty):
		return invalid("the stack may never have been applied; or pull the state anew", "the file is empty")
	case err != nil && s.top.version != nil && s.top.version.String() != "4":
		return s.top.check() // which says more than that this part of it makes no sense
	case err != nil:
		return invalid(hintBroken, "%w", err)
	case !done:
		if _, err := s.d.Token(); !errors.Is(err, io.EOF) {
			return invalid(hintBroken, "%w", s.located(cmp.Or(err, errors.New("more follows the state"))))
		}
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return unreadable(err)
	}
	s.top.header.Digest = hex.EncodeToString(digest.Sum(nil))
	return s.top.check()
}

var errEmpty = errors.New("empty")

// members reads the outermost object, to its end or until all is known that is wanted; then done is true.
func (s *stream) members() (done bool, err error) {
	switch t, err := s.d.Token(); {
	case errors.Is(err, io.EOF):
		return false, errEmpty
	case err != nil:
		return false, s.located(err)
	case t != json.Delim('{'):
		return false, s.located(fmt.Errorf("%v stands where a state begins with {", t))
	}
	for s.d.More() {
		key, err := s.d.Token()
		if err != nil {
			return false, s.located(err)
		}
		if err := s.member(key.(string)); err != nil { // inside of an object it is a name
			return false, err
		}
		h := s.top.header
		if s.top.encrypted || s.state == nil && s.top.version != nil && h.Lineage != "" && h.Serial > 0 && h.Tool != "" {
			return true, nil
		}
	}
	_, err = s.d.Token()
	return false, s.located(err)
}

func (s *stream) member(name string) error {
	switch name {
	case "version":
		return s.decode(&s.top.version)
	case "terraform_version":
		return s.decode(&s.top.header.Tool)
	case "serial":
		return s.decode(&s.top.header.Serial)
	case "lineage":
		return s.decode(&s.top.header.Lineage)
	case "encrypted_data":
		s.top.encrypted = true
		return nil
	case "resources":
		if s.state != nil {
			return s.resources()
		}
	}
	return s.skip()
}

// skip passes over a value, whatever its size.
func (s *stream) skip() error {
	for depth := 0; ; {
		t, err := s.d.Token()
		if err != nil {
			return s.located(err)
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// resources reads the list of resources; null is none.
func (s *stream) resources() error {
	n := 0
	return s.list("resources", func() error {
		var r resourceJSON
		first := len(s.state.Instances)
		err := s.resource(&r)
		if err == nil {
			err = s.take(r, first)
		}
		if err != nil {
			return fmt.Errorf("resource %d (%s): %w", n, addr.Clip(r.resourceType+"."+r.name), err)
		}
		n++
		return nil
	})
}

// list calls fn for each element of a list.
func (s *stream) list(name string, fn func() error) error {
	switch t, err := s.d.Token(); {
	case err != nil:
		return s.located(err)
	case t == nil:
		return nil
	case t != json.Delim('['):
		return s.located(fmt.Errorf("%q is no list", name))
	}
	for s.d.More() {
		if err := fn(); err != nil {
			return err
		}
	}
	_, err := s.d.Token()
	return s.located(err)
}

// resource reads a resource. Its instances are put down at the end of the state's, without what the resource gives them: that may
// follow.
func (s *stream) resource(r *resourceJSON) error {
	switch t, err := s.d.Token(); {
	case err != nil:
		return s.located(err)
	case t != json.Delim('{'):
		return s.located(errors.New("it is no object"))
	}
	into := map[string]*string{"module": &r.module, "mode": &r.mode, "type": &r.resourceType, "name": &r.name, "provider": &r.provider}
	for s.d.More() {
		key, err := s.d.Token()
		if err != nil {
			return s.located(err)
		}
		switch name := key.(string); {
		case into[name] != nil:
			err = s.decode(into[name])
		case name == "instances" && r.mode != "data":
			err = s.instances()
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
	_, err := s.d.Token()
	return s.located(err)
}

func (s *stream) instances() error {
	n := 0
	return s.list("instances", func() error {
		var raw instanceJSON
		if err := s.decode(&raw); err != nil {
			return err
		}
		i, err := raw.instance()
		if err != nil {
			return fmt.Errorf("instance %d: %w", n, err)
		}
		s.state.Instances = append(s.state.Instances, i)
		s.providers = append(s.providers, raw.Provider)
		n++
		return nil
	})
}

// take makes the instances from first on those of a resource.
func (s *stream) take(r resourceJSON, first int) error {
	instances, providers := s.state.Instances[first:], s.providers
	s.providers = s.providers[:0]
	switch {
	case r.mode == "data": // read anew by every plan, and managed by someone else
		s.state.Instances = s.state.Instances[:first]
		return nil
	case r.mode != "managed":
		return fmt.Errorf("its mode is %q", addr.Clip(r.mode))
	case r.resourceType == "" || r.name == "":
		return errors.New("it has no type or no name")
	}
	if _, err := addr.ParseModule(r.module); err != nil {
		return err
	}
	for n := range instances {
		i := &instances[n]
		i.Module, i.Type, i.Name = r.module, r.resourceType, r.name
		var err error // OpenTofu names the provider with the instance where they differ
		if i.Provider, err = addr.ParseProviderConfig(cmp.Or(providers[n], r.provider)); err != nil {
			return fmt.Errorf("instance %d: %w", n, err)
		}
		key := i.Address() + " " + i.Deposed
		if s.seen[key] {
			return fmt.Errorf("%s stands twice", addr.Clip(i.Address()))
		}
		s.seen[key] = true
	}
	return nil
}

// decode reads one value.
func (s *stream) decode(v any) error { return s.located(s.d.Decode(v)) }

// maxPiece bounds how much is read again to find out where a piece is broken.
const maxPiece = 64 << 20

// located says where JSON is broken, as line and byte from the start of the file.
func (s *stream) located(err error) error {
	if err == nil {
		return nil
	}
	at := s.d.InputOffset()
	var mistyped *json.UnmarshalTypeError
	piece := s.piece(at)
	at += int64(len(piece) - len(bytes.TrimLeft(piece, " \t\r\n:,")))
	piece = bytes.TrimLeft(piece, " \t\r\n:,")
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		at, err = s.from.Size(), errors.New("unexpected end of JSON input")
	case errors.As(err, &mistyped):
		at = s.d.InputOffset()
	default:
		var raw json.RawMessage
		var syntax *json.SyntaxError
		if errors.As(json.Unmarshal(piece, &raw), &syntax) {
			at += syntax.Offset
		}
	}
	return fmt.Errorf("line %d, byte %d: %w", s.line(at), at, err)
}

func (s *stream) piece(at int64) []byte {
	piece := make([]byte, min(maxPiece, max(s.from.Size()-at, 0)))
	n, _ := s.from.ReadAt(piece, at) // what cannot be read is not looked at
	return piece[:n]
}

// line counts the lines up to a byte.
func (s *stream) line(at int64) int {
	line, from := 1, io.NewSectionReader(s.from, 0, at)
	part := make([]byte, 1<<16)
	for {
		n, err := from.Read(part)
		line += bytes.Count(part[:n], []byte("\n"))
		if err != nil {
			return line
		}
	}
}

package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Policy is what somebody who verifies holds to be true beforehand: which keys sign which log, which witnesses there are, and how many
// of them must have seen a checkpoint. It is the verifier's own, and never comes with what is verified.
type Policy struct {
	Logs      []LogKey
	Witnesses []WitnessKey
	quorum    *group // nil: none is needed
}

// A WitnessKey is a witness by the name that the policy gives it.
type WitnessKey struct {
	Name     string
	VKey     string
	URL      string        // of the submission prefix (C2SP tlog-witness); may be empty
	Verifier note.Verifier // nil for a type of key that is not known here: such a witness never counts
}

// A group is satisfied by so many of its members, each of which is a witness or another group.
type group struct {
	name    string
	need    int
	witness string // for one that is a witness
	members []*group
}

func (g *group) satisfied(by func(witness string) bool) bool {
	if g.witness != "" {
		return by(g.witness)
	}
	n := 0
	for _, m := range g.members {
		if m.satisfied(by) {
			n++
		}
	}
	return n >= g.need
}

// maxPolicy bounds the file in bytes.
const maxPolicy = 1 << 20

// ParsePolicy reads a policy (C2SP tlog-policy). The sizes for which a log's key is valid are no part of that format, and stand in a
// comment that others pass over:
//
//	log example.com/log+1a2b3c4d+AQ...
//	# taffrail:valid example.com/log+1a2b3c4d 0 1000
//
// means that the key signs sizes 0 to 999; "-" as the last stands for no end.
func ParsePolicy(text []byte) (*Policy, error) {
	p := newPolicyParser()
	if err := p.parse(text); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if !p.done {
		return nil, errors.New("policy: there is no quorum line; `quorum none` asks for no witness")
	}
	return p.policy, nil
}

type policyParser struct {
	policy *Policy
	names  map[string]*group
	member map[string]bool // names that are members of a group already
	keys   map[string]bool // public keys that were seen
	ranges []func() error
	ranged map[string]bool // keys whose sizes were seen
	done   bool
	only   string // the one word that may begin a line; empty: all
}

func newPolicyParser() *policyParser {
	return &policyParser{policy: &Policy{}, names: map[string]*group{}, member: map[string]bool{}, keys: map[string]bool{}, ranged: map[string]bool{}}
}

func (p *policyParser) parse(text []byte) error {
	if len(text) > maxPolicy {
		return fmt.Errorf("it has %d bytes, and %d is the most", len(text), maxPolicy)
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if err := p.line(string(line)); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for _, r := range p.ranges {
		if err := r(); err != nil {
			return err
		}
	}
	return nil
}

func (p *policyParser) line(line string) error {
	if strings.HasSuffix(line, "\r") {
		return errors.New("it ends with a carriage return and a newline, and must end with a newline alone")
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return errors.New("it holds a control character")
		}
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return nil
	}
	if strings.HasPrefix(words[0], "#") {
		return p.comment(words)
	}
	if p.only != "" && words[0] != p.only {
		return fmt.Errorf("%.40q is not %s", words[0], p.only)
	}
	switch words[0] {
	case "log":
		return p.log(words[1:])
	case "witness":
		return p.witness(words[1:])
	case "group":
		return p.group(words[1:])
	case "quorum":
		return p.quorum(words[1:])
	}
	return fmt.Errorf("%.40q is none of log, witness, group, quorum", words[0])
}

// comment takes the one comment that says something. What is nearly that one is refused: passed over, it would make a key valid for more.
func (p *policyParser) comment(words []string) error {
	first := strings.TrimLeft(words[0], "#")
	if first == "" && len(words) > 1 {
		first = words[1]
	}
	if !strings.HasPrefix(strings.ToLower(first), "taffrail:") {
		return nil
	}
	if len(words) != 5 || words[0] != "#" || words[1] != "taffrail:valid" {
		return errors.New("it must be: # taffrail:valid NAME+HASH FROM TO")
	}
	if p.ranged[words[2]] {
		return fmt.Errorf("the sizes of %.120q stand there twice", words[2])
	}
	p.ranged[words[2]] = true
	from, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil || from < 0 || from > maxSize {
		return fmt.Errorf("%.40q is no size", words[3])
	}
	var to int64
	if words[4] != "-" {
		if to, err = strconv.ParseInt(words[4], 10, 64); err != nil || to <= from || to > maxSize {
			return fmt.Errorf("%.40q is no size after %d", words[4], from)
		}
	}
	p.ranges = append(p.ranges, func() error {
		for i, k := range p.policy.Logs {
			if k.ID() == words[2] {
				p.policy.Logs[i].From, p.policy.Logs[i].To = from, to
				return nil
			}
		}
		return fmt.Errorf("taffrail:valid names %.120q, which no log line has", words[2])
	})
	return nil
}

func (p *policyParser) log(words []string) error {
	if len(words) < 1 || len(words) > 2 {
		return errors.New("it must be: log VKEY [URL]")
	}
	if _, err := p.key(words[0]); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	k, err := NewLogKey(words[0], 0, 0)
	if err != nil {
		return err
	}
	k.URL = strings.Join(words[1:], "")
	p.policy.Logs = append(p.policy.Logs, k)
	return nil
}

func (p *policyParser) witness(words []string) error {
	if len(words) < 2 || len(words) > 3 {
		return errors.New("it must be: witness NAME VKEY [URL]")
	}
	k, err := p.key(words[1])
	if err != nil {
		return fmt.Errorf("witness %.80q: %w", words[0], err)
	}
	w := WitnessKey{Name: words[0], VKey: words[1], URL: strings.Join(words[2:], "")}
	if k.kind == typeCosignature && len(k.material) == ed25519.PublicKeySize {
		if w.Verifier, err = NewCosignatureVerifier(words[1]); err != nil {
			return err
		}
	}
	p.policy.Witnesses = append(p.policy.Witnesses, w)
	return p.define(&group{name: w.Name, witness: w.Name})
}

// key reads a key and refuses one that stands there already, under whatever name.
func (p *policyParser) key(text string) (key, error) {
	k, err := parseKey(text)
	if err != nil {
		return k, err
	}
	if p.keys[string(k.material)] {
		return k, fmt.Errorf("the key of %s stands there twice", k.name)
	}
	p.keys[string(k.material)] = true
	return k, nil
}

func (p *policyParser) define(g *group) error {
	if _, double := p.names[g.name]; double || g.name == "none" {
		return fmt.Errorf("the name %.80q is taken", g.name)
	}
	p.names[g.name] = g
	return nil
}

func (p *policyParser) group(words []string) error {
	if len(words) < 3 {
		return errors.New("it must be: group NAME all|any|NUMBER, and its members")
	}
	g := &group{name: words[0]}
	for _, name := range words[2:] {
		m, ok := p.names[name]
		if !ok || p.member[name] {
			return fmt.Errorf("group %.80q: %.80q is not defined above, or is a member already", g.name, name)
		}
		p.member[name] = true
		g.members = append(g.members, m)
	}
	switch words[1] {
	case "all":
		g.need = len(g.members)
	case "any":
		g.need = 1
	default:
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 1 || n > len(g.members) || strconv.Itoa(n) != words[1] {
			return fmt.Errorf("group %.80q: %.40q is not from 1 to %d", g.name, words[1], len(g.members))
		}
		g.need = n
	}
	return p.define(g)
}

func (p *policyParser) quorum(words []string) error {
	switch {
	case len(words) != 1:
		return errors.New("it must be: quorum NAME")
	case p.done:
		return errors.New("there is a quorum already")
	case words[0] == "none":
	case p.names[words[0]] == nil:
		return fmt.Errorf("%.80q is not defined above", words[0])
	default:
		p.policy.quorum = p.names[words[0]]
	}
	p.done = true
	return nil
}

// NeedsWitness says whether the policy asks for any witness at all.
func (p *Policy) NeedsWitness() bool { return p.quorum != nil }

// A Cosignature says that a witness saw a checkpoint, and no other of its size before.
type Cosignature struct {
	Witness string    `json:"witness"` // by the name in the policy
	At      time.Time `json:"at"`
}

// Signed is a checkpoint that the policy accepts as the log's.
type Signed struct {
	Checkpoint
	Key          LogKey
	Cosignatures []Cosignature // by witnesses of the policy, each once, in the order of the policy
	Quorum       bool          // they are enough; also where none is needed
}

// Keys are those of one log. The error wraps [ErrUnknownLog] if the policy has none.
func (p *Policy) Keys(origin string) (Keys, error) {
	list := slices.DeleteFunc(slices.Clone(p.Logs), func(k LogKey) bool { return k.Origin() != origin })
	if len(list) == 0 {
		return Keys{}, fmt.Errorf("the policy has no key of log %.80q: %w", origin, ErrUnknownLog)
	}
	return NewKeys(list...)
}

// Open parses a note and checks that a key of the policy signed it that may sign a checkpoint of its size: else the error wraps
// [ErrKeyRange]. Which witnesses cosigned it, and whether they are enough, is in the answer.
func (p *Policy) Open(msg []byte) (Signed, error) {
	keys, err := p.Keys(originOf(msg))
	if err != nil {
		return Signed{}, fmt.Errorf("open checkpoint: %w", err)
	}
	cp, k, err := keys.open(msg)
	if err != nil {
		return Signed{}, err
	}
	s := Signed{Checkpoint: cp, Key: k, Quorum: p.quorum == nil}
	return s, p.cosignatures(&s)
}

func (p *Policy) cosignatures(s *Signed) error {
	for _, w := range p.Witnesses {
		if w.Verifier == nil {
			continue
		}
		n, err := note.Open(s.Note, note.VerifierList(w.Verifier))
		if err != nil {
			continue // it did not cosign this one
		}
		at, err := CosignedAt(n.Sigs[0])
		if err != nil {
			return err
		}
		s.Cosignatures = append(s.Cosignatures, Cosignature{Witness: w.Name, At: at})
	}
	if p.quorum != nil {
		s.Quorum = p.quorum.satisfied(func(name string) bool {
			return slices.ContainsFunc(s.Cosignatures, func(c Cosignature) bool { return c.Witness == name })
		})
	}
	return nil
}

package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/taffrail-dev/taffrail"
)

// ruleKeys are the keys of a rule of acceptance, in the order in which the reference lists them.
var ruleKeys = keys{
	{"stack", "Stacks that it is about: name or ID; `*` is any run of characters. Left out: every stack"},
	{"address", "Addresses that it is about; `*` likewise. Left out: every address"},
	{"type", "Resource types that it is about; `*` likewise. Left out: every type"},
	{"status", "`modified` (the default): differences of attributes. `unmanaged`: that no stack declares the resource"},
	{"path", "Attribute that may differ, with all that is in it, such as `tags[\"owner\"]` or `rules[*].port`; `[*]` is any key, index or element. Left out: every attribute"},
	{"value", "The only value that is accepted there: text, number, bool, null, list or map. Any other one is reported. Left out: every value"},
	{"reason", "Why it is accepted. Required"},
	{"owner", "Who answers for it. Required"},
	{"expires", "When it ends: a date, whose day is the last (UTC), or a moment as in RFC 3339. Required"},
}

// rules reads the list of rules.
func (d document) rules(n ast.Node) ([]taffrail.AcceptRule, error) {
	if n.Type() == ast.NullType {
		return nil, nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, d.refuse(n.GetToken(), "begin each rule with - on a line of its own", "accept is %s, and no list of rules", describe(n))
	}
	rules := make([]taffrail.AcceptRule, 0, len(list.Values))
	for _, v := range list.Values {
		m, ok := v.(*ast.MappingNode)
		if !ok {
			return nil, d.refuse(v.GetToken(), "the keys of a rule are "+ruleKeys.list(), "a rule is %s, and no keys", describe(v))
		}
		r, err := d.rule(m)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// rule reads one rule, and refuses one that could be meant in another way.
func (d document) rule(m *ast.MappingNode) (taffrail.AcceptRule, error) {
	members, err := d.members(m, ruleKeys)
	if err != nil {
		return taffrail.AcceptRule{}, err
	}
	begin := m.GetToken()
	if len(m.Values) > 0 {
		begin = m.Values[0].Key.GetToken()
	}
	for _, name := range []string{"reason", "owner", "expires"} {
		if _, ok := members[name]; !ok {
			return taffrail.AcceptRule{}, d.refuse(begin, "say why, who answers for it, and when it ends: reason, owner, expires", "the rule has no %s", name)
		}
	}
	r := taffrail.AcceptRule{Status: taffrail.Modified, From: fmt.Sprintf("%s:%d", d.name, begin.Position.Line)}
	for _, key := range ruleKeys { // in one order, so that of several mistakes the same is told each time
		if v, ok := members[key.name]; ok {
			if err := d.set(&r, key.name, v.Value); err != nil {
				return r, err
			}
		}
	}
	return r, d.sensible(r, members, begin)
}

func (d document) set(r *taffrail.AcceptRule, name string, n ast.Node) (err error) {
	if name == "value" {
		r.Pinned, err = d.value(n)
		return err
	}
	text, err := d.line(name, n)
	if err != nil {
		return err
	}
	switch name {
	case "stack":
		r.Stack = text
	case "address":
		r.Address = text
	case "type":
		r.Type = text
	case "reason":
		r.Reason = text
	case "owner":
		r.Owner = text
	case "status":
		r.Status = taffrail.Status(text)
		if r.Status != taffrail.Modified && r.Status != taffrail.Unmanaged {
			return d.refuse(n.GetToken(), "modified and unmanaged can be accepted; a deletion never is", "the status %q cannot be accepted", clip(text))
		}
	case "path":
		if r.Path, err = taffrail.ParsePath(text); err != nil {
			return d.refuse(n.GetToken(), `write it as a scan shows it: tags["owner"], rules[0].port, rules[*].port`, "%w", err)
		}
	case "expires":
		if r.Expires, err = parseExpiry(text); err != nil {
			return d.refuse(n.GetToken(), "write a date such as 2027-03-31, or a moment such as 2027-03-31T18:00:00Z", "expires: %q is neither a date nor a moment", clip(text))
		}
	}
	return nil
}

// line reads text on one line that is not empty.
func (d document) line(name string, n ast.Node) (string, error) {
	s, err := d.plain(n)
	switch {
	case err != nil:
		return "", d.refuse(n.GetToken(), "write text, in quotes if it looks like something else", "%s is %s, and not text", name, describe(n))
	case strings.TrimSpace(s) == "":
		return "", d.refuse(n.GetToken(), "give it a text, or leave the key out", "%s is empty", name)
	case strings.ContainsAny(strings.TrimSpace(s), "\r\n"):
		return "", d.refuse(n.GetToken(), "write it on one line", "%s has more than one line", name)
	}
	return strings.TrimSpace(s), nil
}

// plain reads text.
func (d document) plain(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	}
	return "", fmt.Errorf("it is %s", describe(n))
}

// parseExpiry gives the first moment after the end.
func parseExpiry(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil && day.Year() >= 2000 {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err == nil && at.Year() < 2000 {
		err = fmt.Errorf("%v was before there was anything to accept", at)
	}
	return at.UTC(), err
}

// sensible refuses rules that are about everything, and parts that have no meaning together.
func (d document) sensible(r taffrail.AcceptRule, members map[string]*ast.MappingValueNode, begin *token.Token) error {
	at := func(name string) *token.Token { return members[name].Key.GetToken() }
	_, hasPath := members["path"]
	_, hasValue := members["value"]
	switch {
	case r.Status == taffrail.Unmanaged && hasPath:
		return d.refuse(at("path"), "leave path out: what is unmanaged is accepted as a whole", "path has no meaning for what is unmanaged")
	case r.Status == taffrail.Unmanaged && hasValue:
		return d.refuse(at("value"), "leave value out: what is unmanaged is accepted as a whole", "value has no meaning for what is unmanaged")
	case hasValue && !hasPath:
		return d.refuse(at("value"), "say with path which attribute may have the value", "value has no meaning without path")
	case !hasPath && vague(r.Address) && vague(r.Type):
		return d.refuse(begin, "name an address, a type or a path", "the rule is about everything")
	}
	return nil
}

// vague says whether a pattern fits every text.
func vague(pattern string) bool { return strings.Trim(pattern, "*") == "" }

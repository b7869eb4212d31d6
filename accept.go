package taffrail

import (
	"strings"
	"time"
)

// An AcceptRule says that a difference is known and accepted: where, why, by whom and until when. A rule that has expired accepts
// nothing.
type AcceptRule struct {
	// Stack is a pattern of the stack's name or ID: * is any run of characters, all else is itself; empty is every stack.
	Stack   string    `json:"stack,omitempty"`
	Address string    `json:"address,omitempty"` // pattern of addresses, likewise
	Type    string    `json:"type,omitempty"`    // pattern of resource types, likewise
	Status  Status    `json:"status"`            // modified, or unmanaged: the resource as a whole; empty is modified
	Path    Path      `json:"path"`              // may hold [AnyStep]; the empty path covers the whole resource
	Pinned  Value     `json:"value,omitzero"`    // the only value that is accepted; unknown, the zero Value, is any
	Reason  string    `json:"reason"`            // for people
	Owner   string    `json:"owner"`             // who answers for it
	Expires time.Time `json:"expires"`           // the first moment at which it accepts nothing
	From    string    `json:"from"`              // where it is written: file and line
}

// Covers says whether the rule is about a resource, at this time.
func (r AcceptRule) Covers(stack StackInfo, res Resource, at time.Time) bool {
	return at.Before(r.Expires) && r.About(stack) && matches(r.Address, string(res.Address)) && matches(r.Type, string(res.Type))
}

// About says whether the rule is about a stack, whatever the time.
func (r AcceptRule) About(stack StackInfo) bool {
	return matches(r.Stack, stack.Name) || matches(r.Stack, string(stack.ID))
}

// matches says whether a text fits a pattern in which * stands for any run of characters. The empty pattern fits all.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	head, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	for ok {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		_, text, ok = strings.Cut(text, part)
		rest = next
	}
	return false
}

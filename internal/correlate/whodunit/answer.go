package whodunit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// An Answer is one line of answers.
type Answer struct {
	Case       string               `json:"case"`
	Address    taffrail.Address     `json:"address"`
	Path       string               `json:"path"`
	Element    json.RawMessage      `json:"element"` // null where the change is no element's
	Change     string               `json:"change"`  // added, removed, deleted or changed
	Tier       taffrail.Tier        `json:"tier"`
	Confidence float64              `json:"confidence,omitempty"`
	Basis      string               `json:"basis,omitempty"`
	Cause      *taffrail.EventRef   `json:"cause,omitempty"`
	Chain      []taffrail.EventID   `json:"chain"`
	Via        string               `json:"via,omitempty"`
	Evidence   []taffrail.Evidence  `json:"evidence"`
	Candidates []taffrail.Candidate `json:"candidates"`
	Rejected   []taffrail.Rejection `json:"rejected"`
	Excursions []Excursion          `json:"excursions,omitempty"`
	Reason     string               `json:"reason"`
}

// An Excursion is another value in between, as plain JSON.
type Excursion struct {
	From  time.Time        `json:"from"`
	Until time.Time        `json:"until"`
	Value json.RawMessage  `json:"value"`
	By    taffrail.EventID `json:"by"`
}

// AnswerOf puts a cause into the form of the format.
func AnswerOf(id string, c taffrail.Cause) Answer {
	path, element := pathText(c.Change.Path)
	a := Answer{
		Case: id, Address: c.Address, Path: path, Element: element, Change: changeWord(c.Change, element != nil), Tier: c.Tier, Confidence: c.Confidence, Basis: c.Basis,
		Cause: c.Event, Chain: c.Chain, Via: c.Via, Evidence: c.Evidence, Candidates: c.Candidates, Rejected: c.Rejected, Reason: c.Reason,
	}
	for _, e := range c.Excursions {
		a.Excursions = append(a.Excursions, Excursion{e.From, e.Until, e.Value.AppendJSON(nil), e.By})
	}
	return a
}

func changeWord(c taffrail.Change, element bool) string {
	whole := len(c.Path.Steps()) == 0
	switch {
	case whole && c.After.IsNull():
		return "deleted"
	case (element || whole) && c.Before.IsNull():
		return "added"
	case element:
		return "removed"
	}
	return "changed"
}

// pathText writes a path with dots, places in lists as numbers, and keys of merging lists in brackets. The element of a set stands apart.
func pathText(p taffrail.Path) (text string, element json.RawMessage) {
	var b strings.Builder
	for _, step := range p.Steps() {
		switch step.Kind() {
		case taffrail.AttrStep:
			dot(&b)
			b.WriteString(step.Name())
		case taffrail.KeyStep:
			fmt.Fprintf(&b, "[%s]", step.Name())
		case taffrail.IndexStep:
			dot(&b)
			fmt.Fprintf(&b, "%d", step.Index())
		case taffrail.ElemStep:
			element = step.Element().AppendJSON(nil)
		}
	}
	return b.String(), element
}

func dot(b *strings.Builder) {
	if b.Len() > 0 {
		b.WriteByte('.')
	}
}

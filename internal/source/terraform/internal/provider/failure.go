package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// A Failure is why something could not be read. Detail may quote the provider as it is: it can have many lines, and secrets
// in them, until the caller has taken them out.
type Failure struct {
	Reason taffrail.Reason
	Detail string
	Hint   string
	Lost   bool // the process is gone: every later call on it fails as well
}

// Error gives reason and detail.
func (f *Failure) Error() string { return string(f.Reason) + ": " + f.Detail }

func contextFailure(err error, op string) *Failure {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Failure{
			Reason: taffrail.ReasonTimeout, Detail: "no answer in time: " + op,
			Hint: "raise the timeout, or look at why the system is slow",
		}
	}
	return &Failure{Reason: taffrail.ReasonCancelled, Detail: "stopped before the end: " + op}
}

// statusFailure takes an error of gRPC itself: the provider gave no answer of its own.
func statusFailure(op string, s *status.Status) *Failure {
	f := &Failure{Reason: taffrail.ReasonError, Detail: op + ": " + s.Message()}
	switch s.Code() {
	case codes.PermissionDenied, codes.Unauthenticated:
		f.Reason = taffrail.ReasonDenied
	case codes.ResourceExhausted:
		if !strings.Contains(s.Message(), "larger than max") { // gRPC's own limit on messages has the same code
			f.Reason = taffrail.ReasonThrottled
		}
	case codes.Unimplemented:
		f.Hint = "the provider is older than what the state asks of it"
	default:
		f.Reason = classify(s.Message())
	}
	return f
}

// diagnosticFailure takes the errors among a provider's diagnostics, and is nil if there are none. Warnings are not kept.
func diagnosticFailure(op string, diagnostics []*tfwire.Diagnostic) *Failure {
	var texts []string
	for _, d := range diagnostics {
		if d.GetSeverity() != tfwire.Diagnostic_WARNING {
			texts = append(texts, diagnosticText(d))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	text := strings.Join(texts, "; ")
	f := &Failure{Reason: classify(text), Detail: op + ": " + text}
	if f.Reason == taffrail.ReasonDenied {
		f.Hint = "give the credentials that the provider uses the permission to read"
	}
	return f
}

func diagnosticText(d *tfwire.Diagnostic) string {
	text := d.GetSummary()
	if d.GetDetail() != "" && d.GetDetail() != text {
		text = strings.TrimSuffix(text, ".") + ": " + d.GetDetail()
	}
	if at := attributePath(d.GetAttribute()); at != "" {
		text += " (at " + at + ")"
	}
	return text
}

func attributePath(p *tfwire.AttributePath) string {
	var b strings.Builder
	for _, s := range p.GetSteps() {
		switch sel := s.GetSelector().(type) {
		case *tfwire.AttributePath_Step_AttributeName:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(sel.AttributeName)
		case *tfwire.AttributePath_Step_ElementKeyString:
			fmt.Fprintf(&b, "[%q]", sel.ElementKeyString)
		case *tfwire.AttributePath_Step_ElementKeyInt:
			fmt.Fprintf(&b, "[%d]", sel.ElementKeyInt)
		}
	}
	return b.String()
}

// reasons tells from the words of a message why a call failed, in this order: systems answer 403 to too many calls, and
// a request that timed out while it was throttled was throttled.
var reasons = []struct {
	reason taffrail.Reason
	words  *regexp.Regexp
}{
	{taffrail.ReasonThrottled, regexp.MustCompile(`(?i)\b429\b|throttl|rate exceeded|rate.?limit|too many requests|slow ?down|request ?limit ?exceeded|quota exceeded`)},
	{taffrail.ReasonDenied, regexp.MustCompile(`(?i)\b(401|403)\b|access ?denied|forbidden|unauthori[sz]ed|unauthenticated|permission ?denied|not authori[sz]ed|` +
		`insufficient (permission|privilege)|(expired|invalid) ?(token|credential|security token|client token)|no valid credential|authorization ?failed`)},
	{taffrail.ReasonTimeout, regexp.MustCompile(`(?i)deadline ?exceeded|timed ?out|time-?out\b|\b504\b`)},
}

func classify(text string) taffrail.Reason {
	for _, r := range reasons {
		if r.words.MatchString(text) {
			return r.reason
		}
	}
	return taffrail.ReasonError
}

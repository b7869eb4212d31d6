package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
)

// A page about a bundle says which receipt holds, which was not checked and why, and nothing that a terminal would obey.
func TestBundlePage(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := audit.BundleReport{Origin: "o\x1b[2J", Signed: "WITNESSED(1)", Anchors: []audit.Anchored{
		{Kind: "rfc3161", Anchor: "tsa", Size: 7, At: at, Checked: true},
		{Kind: "git", Anchor: "forge\x1b[2J", Size: 7, At: at, Why: "nobody asked"},
	}, Verdicts: []audit.Verdict{{Name: audit.VerdictAnchors, Finding: audit.FindingNotChecked, Detail: "1 of 2"}}}
	p := &page{width: 200}
	p.bundle(r)
	text := p.b.String()
	for _, want := range []string{
		"Receipt of tsa (rfc3161) for 7 entries, 2026-01-02T03:04:05Z: it holds\n",
		"not checked: nobody asked\n", "\nVerified: WITNESSED(1), ANCHORED(1)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	r.Verdicts[0].Finding = audit.FindingFailed
	p.bundle(r)
	if text = p.b.String(); !strings.HasSuffix(text, "\nNOT VERIFIED\n") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

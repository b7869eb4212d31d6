package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// Digests of versions are for programs: a person is shown the gaps, and not the one in the place of the other.
func TestVersionsAreNoGaps(t *testing.T) {
	versions, versionBytes := payloadFor([]taffrail.Version{{Address: "cloud_bucket.logs", Digest: "b3Ro"}})
	gaps, gapBytes := payloadFor([]taffrail.Gap{gapOf("cloud_database.main", taffrail.ReasonDenied, "403", "")})
	alone := taffrail.ScanFinished{Versions: &taffrail.Versions{Changed: 1, Blob: versions}}
	both := alone
	both.Gaps = &gaps
	for _, body := range []taffrail.ScanFinished{alone, both} {
		log := logOf([][]byte{versionBytes, gapBytes}, taffrail.Entry{Body: body})
		p := new(page)
		p.payloads(log[0])
		if shown := p.b.String(); strings.Contains(shown, "bucket") || strings.Contains(shown, "database") != (body.Gaps != nil) {
			t.Errorf("shown: %s", shown)
		}
		form := entriesForm(log).Entries[0]
		var got taffrail.Salted[[]taffrail.Version]
		if err := json.Unmarshal(form.Versions, &got); err != nil || len(got.Content) != 1 || (form.Payload != nil) != (body.Gaps != nil) || form.Missing != "" {
			t.Errorf("%+v %v", form, err)
		}
	}
}

func TestRulesThatHeldAreShown(t *testing.T) {
	ref, data := payloadFor([]taffrail.AcceptRule{{Owner: "team:a", Reason: "so agreed", Expires: noon, From: "taffrail.yaml:3"}})
	p := new(page)
	p.payloads(logOf([][]byte{data}, taffrail.Entry{Body: taffrail.ScanStarted{Rules: &ref}})[0])
	if shown := p.b.String(); !strings.Contains(shown, "taffrail.yaml:3: until 2026-") || !strings.Contains(shown, "by team:a: so agreed") {
		t.Errorf("shown: %s", shown)
	}
}

package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// A bundle whose tiles do not lead to its root is read to its end all the same, whatever its entries say, and nothing in it holds.
func TestBundleThatIsTiedToNothing(t *testing.T) {
	a := newArchive(t)
	remembered := a.grow(256).Head
	for _, more := range []string{`"outcome":"intended",`, `"intent":256,"outcome":"ok",`, `"intent":257,"outcome":"ok",`} {
		a.add(more)
	}
	size := a.grow(600).Size
	forged, err := a.ring.Sign(audit.Head{Origin: origin, Size: size, Root: tlog.RecordHash([]byte("forged"))})
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, a.export(audit.BundleRequest{From: 256, To: size}))
	all[1].data = forged
	for _, f := range all {
		if f.Name == "tile/entries/001" {
			f.data = bytes.Replace(f.data, []byte(`"time":"20`), []byte(`"time":"xx`), 1)
		}
	}
	got := verify(t, bundled(t, all), a.policy(), &remembered)
	want := map[string]audit.Finding{
		"signature": audit.FindingOK, "quorum": audit.FindingNotChecked, "entries": audit.FindingFailed, "completeness": audit.FindingOK,
		"consistency": audit.FindingNotChecked, "times": audit.FindingFailed, "intents": audit.FindingFailed, "payloads": audit.FindingOK, "anchors": audit.FindingNotChecked,
	}
	if diff := cmp.Diff(want, findings(got)); diff != "" {
		t.Errorf("%s\n%s", diff, faults(got))
	}
	for _, v := range got.Verdicts {
		if v.Finding == audit.FindingFailed && v.Detail != "" {
			t.Errorf("%s failed, and says %q", v.Name, v.Detail)
		}
	}
}

// Of a range that is cut short only what came is said to be in the tree.
func TestBundleThatIsCutShort(t *testing.T) {
	a := newArchive(t)
	a.grow(700)
	all := files(t, a.export(audit.BundleRequest{To: 700}))
	kept := slices.DeleteFunc(all, func(f *file) bool { return f.Name > "tile/entries/000" && strings.HasPrefix(f.Name, "tile/entries/") })
	got := verify(t, bundled(t, slices.DeleteFunc(kept, func(f *file) bool { return strings.HasPrefix(f.Name, "blobs/") })), a.policy(), nil)
	if got.OK() || got.To != 256 || !strings.Contains(faults(got), "entries [256, 700) are missing") {
		t.Errorf("%d, %s", got.To, faults(got))
	}
	for _, v := range got.Verdicts {
		if v.Name == "entries" && v.Detail != "256 entries are in the tree" {
			t.Error(v.Detail)
		}
	}
}

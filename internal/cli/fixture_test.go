package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

const (
	testOrigin = "taffrail.local/5f0c1e"
	testKey    = "taffrail.local/5f0c1e+2b1c7a3d+AYQ0"
)

// reportOf is the report of a scan that found these.
func reportOf(drifts ...taffrail.Drift) daemon.ScanReport {
	r := daemon.ScanReport{
		Schema: daemon.ScanSchema, Scan: "scan-01", StartedAt: noon, FinishedAt: noon.Add(3 * time.Second), Outcome: taffrail.OutcomeOK,
		Stack: taffrail.StackInfo{
			ID: "terraform/3f1a/default", System: "terraform", Name: "infra/prod", Workspace: "default", Lineage: "3f1a", Serial: 14, Tool: "terraform 1.11.4",
			Components: []taffrail.Component{{Name: "registry.example/acme/cloud", Version: "1.2.3", Digest: "h1:abc="}},
		},
		Coverage: taffrail.Coverage{Total: 16, Checked: 16},
		Statuses: map[taffrail.Status]int{taffrail.InSync: 16 - len(drifts), taffrail.Modified: 0, taffrail.Deleted: 0, taffrail.Unmanaged: 0, taffrail.NotChecked: 0},
		Drifts:   []taffrail.Drift{}, Ended: []daemon.EndedDrift{}, Unseen: []daemon.UnseenDrift{}, Noise: []taffrail.Finding{},
		Pending: []taffrail.Finding{}, Listed: []taffrail.ResourceType{}, Expired: []string{},
		Log: daemon.LogPosition{Origin: testOrigin, Key: testKey, First: 12, Last: 15, Level: audit.LevelSigned, Size: 16, Root: "cm9vdA=="},
	}
	for i, d := range drifts {
		d.ID, d.Entry = taffrail.DriftID(fmt.Sprintf("drift-%016x", i)), int64(13+i)
		r.Drifts = append(r.Drifts, d)
		r.Statuses[d.Finding.Status]++
	}
	slices.SortFunc(r.Drifts, func(a, b taffrail.Drift) int {
		return cmp.Compare(a.Finding.Resource.Address, b.Finding.Resource.Address)
	})
	return r
}

// withGaps adds resources that were not checked.
func withGaps(r daemon.ScanReport, gaps ...taffrail.Gap) daemon.ScanReport {
	for _, g := range gaps {
		if g.Reason.IsGap() {
			r.Outcome = taffrail.OutcomeIncomplete
		}
		if g.Address == "" {
			r.Coverage.Gaps = append(r.Coverage.Gaps, g)
			continue
		}
		r.Coverage.Count(taffrail.Observation{Gap: &g})
		r.Statuses[taffrail.NotChecked]++
	}
	return r
}

func gapOf(address string, reason taffrail.Reason, detail, hint string) taffrail.Gap {
	g := taffrail.Gap{Address: taffrail.Address(address), Type: "cloud_thing", Reason: reason, Detail: detail, Hint: hint}
	if address == "" {
		g.Type = ""
	}
	return g
}

// modified is a drift that is new.
func modified(address string, changes ...taffrail.Change) taffrail.Drift {
	return driftOf(taffrail.Modified, address, changes...)
}

func driftOf(status taffrail.Status, address string, changes ...taffrail.Change) taffrail.Drift {
	kind, _, _ := strings.Cut(address, ".")
	r := taffrail.Resource{
		Stack: "terraform/3f1a/default", Address: taffrail.Address(address), Type: taffrail.ResourceType(kind), ID: "fw-0001",
		Provider: "registry.example/acme/cloud", File: "main.tf", Line: 12,
	}
	if changes == nil {
		changes = []taffrail.Change{}
	}
	return taffrail.Drift{Since: noon, New: true, Finding: taffrail.Finding{Resource: r, Status: status, ObservedAt: noon, Changes: changes}}
}

// drifted is one attribute that moved.
func drifted(path string, before, after taffrail.Value) taffrail.Change {
	return taffrail.Change{Path: pathOf(path), Before: before, After: after, Class: taffrail.ClassDrift}
}

func pathOf(text string) taffrail.Path {
	p, err := taffrail.ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

func lost(set string, element taffrail.Value) taffrail.Change {
	return taffrail.Change{Path: pathOf(set).Append(taffrail.Element(element)), Before: element, After: taffrail.Null(), Class: taffrail.ClassDrift}
}

func gained(set string, element taffrail.Value) taffrail.Change {
	return taffrail.Change{Path: pathOf(set).Append(taffrail.Element(element)), Before: taffrail.Null(), After: element, Class: taffrail.ClassDrift}
}

func str(s string) taffrail.Value { return taffrail.String(s) }

func num(s string) taffrail.Value {
	n, err := taffrail.Number(s)
	if err != nil {
		panic(err)
	}
	return n
}

func strs(all ...string) []taffrail.Value {
	var values []taffrail.Value
	for _, s := range all {
		values = append(values, str(s))
	}
	return values
}

// rule is an element of a set of objects.
func rule(port string, description taffrail.Value, cidrs ...string) taffrail.Value {
	return taffrail.Object(map[string]taffrail.Value{
		"direction": str("in"), "protocol": str("tcp"), "from_port": num(port), "to_port": num(port),
		"cidrs": taffrail.Set(strs(cidrs...)...), "description": description,
	})
}

func secret(digits string) taffrail.Value {
	return taffrail.Secret(taffrail.SecretDigest("hmac:0a1b2c3d:" + strings.Repeat(digits, 64/len(digits))))
}

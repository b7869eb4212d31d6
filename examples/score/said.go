package score

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// Taffrail gives what `taffrail scan -o json` calls drift, each spot once.
func Taffrail(answer []byte) ([]Spot, error) {
	var said struct{ Drifts []taffrail.Drift }
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, fmt.Errorf("read the answer of a scan: %w", err)
	}
	found := map[Spot]bool{}
	for _, d := range said.Drifts {
		address := string(d.Finding.Resource.Address)
		if d.Finding.Status == taffrail.Deleted {
			found[Spot{address, Gone}] = true
		}
		for _, c := range d.Finding.Changes {
			if c.Class == taffrail.ClassDrift {
				found[Spot{address, top(c.Path)}] = true
			}
		}
	}
	return sorted(found), nil
}

func top(p taffrail.Path) string {
	if steps := p.Steps(); len(steps) > 0 {
		return steps[0].Name()
	}
	return "(whole)"
}

// Plan gives what a plan says in `resource_drift`, each spot once. The plan is the answer of `show -json`, of Terraform or OpenTofu.
func Plan(shown []byte) ([]Spot, error) {
	var plan struct {
		Drift []struct {
			Address string
			Change  struct{ Before, After map[string]json.RawMessage }
		} `json:"resource_drift"`
	}
	if err := json.Unmarshal(shown, &plan); err != nil {
		return nil, fmt.Errorf("read a plan: %w", err)
	}
	found := map[Spot]bool{}
	for _, d := range plan.Drift {
		if d.Change.After == nil {
			found[Spot{d.Address, Gone}] = true
			continue
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(d.Change.Before)), maps.Keys(d.Change.After))
		for _, name := range names {
			if !bytes.Equal(orNull(d.Change.Before[name]), orNull(d.Change.After[name])) {
				found[Spot{d.Address, name}] = true
			}
		}
	}
	return sorted(found), nil
}

func orNull(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return []byte("null")
	}
	return raw
}

// ParseSpot takes "address attribute", where the address may hold spaces in its keys.
func ParseSpot(line string) Spot {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return Spot{Address: line}
	}
	return Spot{line[:i], line[i+1:]}
}

// ParseSpots takes a line for each spot.
func ParseSpots(lines []string) []Spot {
	var spots []Spot
	for _, line := range lines {
		spots = append(spots, ParseSpot(line))
	}
	return spots
}

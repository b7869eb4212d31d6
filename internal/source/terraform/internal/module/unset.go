package module

import (
	"fmt"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// Unset names the root module's variables that have no value, with their places: "region at main.tf:3". What needs one of them cannot
// be worked out.
func (m *Module) Unset(s Scope) ([]string, error) {
	given, err := m.given(s)
	if err != nil {
		return nil, err
	}
	var unset []string
	for _, name := range slices.Sorted(maps.Keys(m.variables)) {
		if v := m.variables[name]; given[name] == nil && v.value == nil {
			unset = append(unset, fmt.Sprintf("%s at %s", name, diag.Place(v.at)))
		}
	}
	return unset, nil
}

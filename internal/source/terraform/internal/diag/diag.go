// Package diag turns what HCL says is wrong into errors that name the place and quote nothing.
package diag

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// First gives the first error of several, with its place, and nil if there is none. Details are left out: they may quote values.
func First(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if d.Subject == nil {
				return errors.New(d.Summary)
			}
			return fmt.Errorf("%s: %s", Place(*d.Subject), d.Summary)
		}
	}
	return nil
}

// Place is the file and the line at which a range begins.
func Place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

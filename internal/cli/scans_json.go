package cli

import "github.com/taffrail-dev/taffrail/internal/daemon"

// scansSchema names the form of several reports as JSON. It grows by fields.
const scansSchema = "taffrail.dev/scans/v1"

// scansForm is what several stacks came to, as JSON.
type scansForm struct {
	Schema     string     `json:"schema"`      // [scansSchema]
	ExitStatus int        `json:"exit_status"` // of the command
	Total      total      `json:"total"`
	Stacks     []scanForm `json:"stacks"` // in the order in which they were given
}

// scanForm is what one of them came to: a report or an error.
type scanForm struct {
	Target     string             `json:"target"`      // as it was given
	ExitStatus int                `json:"exit_status"` // that it would have alone
	Report     *daemon.ScanReport `json:"report,omitempty"`
	Error      *errorBody         `json:"error,omitempty"`
}

// printJSON prints the report of one stack, or the collection of several.
func (a *app) printJSON(all []scanned) error {
	if len(all) == 1 {
		return writeJSON(a.out, all[0].report)
	}
	form := scansForm{Schema: scansSchema, ExitStatus: a.status, Total: totalOf(all), Stacks: []scanForm{}}
	for _, s := range all {
		one := scanForm{Target: s.target, ExitStatus: s.status}
		if s.err != nil {
			one.Error = new(formOf(s.err).Error)
		} else {
			one.Report = &s.report
		}
		form.Stacks = append(form.Stacks, one)
	}
	return writeJSON(a.out, form)
}

package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) stacksCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "stacks [DIR]",
		Short: "Find the stacks below a folder",
		Long: "Finds root modules, state files and Terragrunt units below a folder (by default this one), with the backend and the workspaces that can be seen without asking anybody. " +
			"What cannot be scanned as it is says why. Nothing is run and nothing is changed.\n\n" +
			exitStatusHelp("0 done, also if there are none", "1 error"),
		Example: "taffrail stacks infra\n\n# scan all of them, four at once\ntaffrail stacks infra -o json | jq -r '.stacks[].target // empty' | xargs taffrail scan --parallel 4",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(1, func(ctx context.Context, args []string) error { return a.stacks(ctx, append(args, ".")[0], form) }),
	}
	formFlag(cmd, &form, outputTable, outputJSON, outputNDJSON)
	return cmd
}

// stacksSchema names the form of a list of stacks as JSON. It grows by fields.
const stacksSchema = "taffrail.dev/stacks/v1"

// stacksForm is a list of stacks as JSON.
type stacksForm struct {
	Schema string           `json:"schema"` // [stacksSchema]
	Dir    string           `json:"dir"`    // where they were looked for, absolute
	Stacks []taffrail.Place `json:"stacks"` // in the order of their folders
}

// placeLine is one stack as a line of JSON.
type placeLine struct {
	Type string `json:"type"` // "place"
	taffrail.Place
}

func (a *app) stacks(ctx context.Context, dir string, form output) error {
	if dir == "" {
		return usage("give a folder, or nothing for this one", "the folder's name is empty")
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	found := stacksForm{Schema: stacksSchema, Dir: absolute, Stacks: []taffrail.Place{}}
	return a.with(ctx, false, func(q daemon.Queries) error {
		stop := a.screen.follow(func() string { return "Looking for stacks below " + safe(dir) + " ..." })
		defer stop()
		err := q.Stacks(ctx, absolute, func(p taffrail.Place) error {
			if form == outputNDJSON {
				return writeLine(a.out, placeLine{"place", p})
			}
			found.Stacks = append(found.Stacks, p)
			return nil
		})
		stop()
		switch {
		case err != nil:
			return err
		case form == outputNDJSON:
			return nil
		case form == outputJSON:
			return writeJSON(a.out, found)
		}
		p := a.page()
		p.places(found)
		return a.print(p)
	})
}

// childModule is the kind of a folder that is no stack, and of which there are many.
const childModule = "child module"

// places prints the stacks as a table: where, what, and what stands in the way.
func (p *page) places(found stacksForm) {
	if len(found.Stacks) == 0 {
		p.line("No stacks below ", safe(found.Dir), ".")
		return
	}
	rows := [][]string{{"FOLDER", "KIND", "BACKEND", "WORKSPACES"}}
	shown := slices.DeleteFunc(slices.Clone(found.Stacks), func(s taffrail.Place) bool { return s.Kind == childModule })
	for _, s := range shown {
		rows = append(rows, []string{safe(found.name(s)), safe(s.Kind), safe(s.Backend), safe(workspacesText(s))})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], cells(cell))
		}
	}
	scannable := 0
	for i, row := range rows {
		line := ""
		for j, cell := range row {
			line += pad(cell, widths[j]) + gap
		}
		switch {
		case i == 0:
			p.line(p.dim(line))
			continue
		case shown[i-1].Target == "":
			p.line(p.dim(line))
		default:
			scannable++
			p.line(line)
		}
		p.obstacle(shown[i-1])
	}
	p.line()
	children := ""
	if n := len(found.Stacks) - len(shown); n > 0 {
		children = fmt.Sprintf("; %s that others call (-o json has them)", count(int64(n), "module", "modules"))
	}
	p.line(count(int64(scannable), "stack", "stacks"), " that can be scanned", children)
}

func (p *page) obstacle(s taffrail.Place) {
	if s.Problem != "" {
		p.paragraph(safe(s.Problem), 4, p.yellow)
	}
	if s.Hint != "" {
		p.paragraph("hint: "+safe(s.Hint), 4, p.dim)
	}
}

// name is what to scan, or the folder, seen from where stacks were looked for.
func (f stacksForm) name(s taffrail.Place) string {
	path := s.Target
	if path == "" || !filepath.IsAbs(path) {
		path = s.Dir
	}
	if rel, err := filepath.Rel(f.Dir, path); err == nil {
		return rel
	}
	return path
}

// workspacesText lists the workspaces, the selected one with a star, if there is more than the usual one.
func workspacesText(s taffrail.Place) string {
	if len(s.Workspaces) == 0 || len(s.Workspaces) == 1 && s.Workspaces[0] == "default" {
		return ""
	}
	names := slices.Clone(s.Workspaces)
	for i, n := range names {
		if n == s.Selected {
			names[i] = "*" + n
		}
	}
	return strings.Join(names, ", ")
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate/whodunit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// An attribution is what `taffrail attribute` was asked for.
type attribution struct {
	json   bool
	models []string
}

func (a *app) attributeCommand() *cobra.Command {
	var r attribution
	cmd := &cobra.Command{
		Use:   "attribute CASES...",
		Short: "Say who changed what, from recorded cases",
		Long: "Reads cases, one JSON object a line: resources before and after, and the audit events of the time; - is standard input. For each attribute that " +
			"changed it names the event that did it, who was behind it, and how sure that is: proved, explained, likely, possible, or unexplained and why. " +
			"It needs no stack, no log and no network, and keeps nothing. The format of cases and answers is taffrail.whodunit/1.\n\n" +
			exitStatusHelp("0 every case was answered, whatever the answers say", "1 error"),
		Example: "taffrail attribute cases.jsonl\n\n# for a program, one answer a line\ntaffrail attribute cases.jsonl --json",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(-1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("name a file of cases, or - for standard input", "no cases are named")
			}
			return a.attribute(ctx, args, r)
		}),
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "one JSON object for each answer, a line each")
	cmd.Flags().StringArrayVar(&r.models, "models", nil, "file with more models of what events do; may be given again")
	return cmd
}

// attribute answers each file of cases in turn.
func (a *app) attribute(ctx context.Context, files []string, r attribution) error {
	models, err := readModels(r.models)
	if err != nil {
		return err
	}
	err = a.with(ctx, false, func(q daemon.Queries) error {
		for _, name := range files {
			if err := a.attributeFile(ctx, q, name, models, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && r.json {
		_ = writeCompact(a.out, formOf(err)) // the error that follows says more than one of writing it
	}
	return err
}

func readModels(names []string) ([][]byte, error) {
	var all [][]byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &taffrail.Error{Op: "read models", Kind: taffrail.KindInvalid, Err: err, Hint: "name a file that can be read"}
		}
		all = append(all, text)
	}
	return all, nil
}

func (a *app) attributeFile(ctx context.Context, q daemon.Queries, name string, models [][]byte, r attribution) error {
	var text io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &taffrail.Error{Op: "read cases", Kind: taffrail.KindInvalid, Err: err, Hint: "name a file of cases, or - for standard input"}
		}
		defer f.Close()
		text = f
	}
	t := answerTable{app: a}
	cases := daemon.Cases{Name: name, Text: text, Models: models, Unread: func(line string) { a.logger().Warn("a record is not understood", "where", line) }}
	return q.Attribute(ctx, cases, func(answer whodunit.Answer) error {
		if r.json {
			return writeCompact(a.out, answer)
		}
		return t.row(answer)
	})
}

// writeCompact prints v on one line, harmless for a terminal.
func writeCompact(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// An answerTable prints answers for people as they come, those of one resource below its name.
type answerTable struct {
	app  *app
	last string
}

func (t *answerTable) row(a whodunit.Answer) error {
	p := t.app.page()
	if head := a.Case + "  " + string(a.Address); head != t.last {
		if t.last != "" {
			p.line()
		}
		t.last = head
		p.line(p.bold(safe(a.Case)), gap, safe(string(a.Address)))
	}
	p.line(gap, safe(changedPlace(a)), gap, p.dim(a.Change))
	p.line(gap, gap, p.tierWord(a.Tier, a.Confidence), gap, safe(causeText(a)))
	if a.Reason != "" {
		p.paragraph(safe(a.Reason), 4, p.dim)
	}
	for _, e := range a.Evidence {
		p.paragraph(safe(string(e.Kind)+": "+e.Detail), 4, p.dim)
	}
	return t.app.print(p)
}

func changedPlace(a whodunit.Answer) string {
	place := a.Path
	if place == "" {
		place = "(the resource)"
	}
	if a.Element != nil {
		place += " " + string(a.Element)
	}
	return place
}

// causeText is one line on who, what and when.
func causeText(a whodunit.Answer) string {
	if a.Cause == nil {
		return ""
	}
	text := whoText(a.Cause.Actor)
	text += ", " + a.Cause.Action + ", " + a.Cause.Time.UTC().Format(time.RFC3339)
	if a.Via != "" {
		text += ", via " + a.Via
	}
	return text
}

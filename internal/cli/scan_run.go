package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// scanned is what one stack came to: a report, or an error.
type scanned struct {
	target string
	report daemon.ScanReport
	err    error
	status int // what it would make of the exit status alone
}

// scanOne scans one stack and prints what came of it.
func (a *app) scanOne(ctx context.Context, q daemon.Queries, r daemon.ScanRequest, target string, f scanFlags) error {
	p := newProgress(1)
	stop := a.screen.follow(p.String)
	s := scanStack(ctx, q, r, target, f.view(), p.of(target))
	stop()
	if s.err != nil && !f.output.isDocument() {
		return s.err
	}
	return a.printAll([]scanned{s}, f)
}

// scanMany scans stacks, some at once, and prints what came of them in the order in which they were given.
func (a *app) scanMany(ctx context.Context, q daemon.Queries, requests []daemon.ScanRequest, targets []string, f scanFlags) error {
	all := make([]scanned, len(targets))
	done := make([]chan struct{}, len(targets))
	free := make(chan struct{}, f.parallel)
	p := newProgress(len(targets))
	stop := a.screen.follow(p.String)
	defer stop()
	for i := range targets {
		done[i] = make(chan struct{})
	}
	go func() {
		for i, target := range targets {
			free <- struct{}{}
			go func() {
				all[i] = scanStack(ctx, q, requests[i], target, f.view(), p.of(target))
				<-free
				close(done[i])
			}()
		}
	}()
	var unsaid error
	for i := range targets { // each of them, whatever fails: nothing must be under way when we leave
		<-done[i]
		if unsaid == nil && f.output.streams() {
			unsaid = a.printStack(all[i], f, i)
		}
	}
	stop()
	if unsaid != nil {
		return unsaid
	}
	if f.output.streams() {
		return a.printTotal(all, f)
	}
	return a.printAll(all, f)
}

// isDocument says whether a form is one document that holds errors of stacks, too.
func (o output) isDocument() bool { return o == outputSARIF || o == outputJUnit || o == outputMarkdown }

// streams says whether a form is printed stack by stack.
func (o output) streams() bool { return o == outputTable || o == outputNDJSON }

// scanStack scans one stack, unless the command was stopped before.
func scanStack(ctx context.Context, q daemon.Queries, r daemon.ScanRequest, target string, v view, tell *tracker) scanned {
	defer tell.end()
	s := scanned{target: target}
	if ctx.Err() != nil {
		s.err = fmt.Errorf("%s was not scanned: %w", target, ctx.Err())
	} else {
		tell.begin()
		s.report, s.err = q.Scan(ctx, r, tell.update)
	}
	if s.err == nil && s.report.Schema != daemon.ScanSchema {
		s.err = errors.New("the answer to the scan is of another version: " + s.report.Schema)
	}
	if s.err != nil {
		s.err = stopped(ctx, s.err)
		s.status = taffrail.KindOf(s.err).ExitStatus()
		return s
	}
	s.status = scanStatus(s.report, v)
	return s
}

// printAll prints what all stacks came to at once, and makes the worst of it the exit status.
func (a *app) printAll(all []scanned, f scanFlags) error {
	if f.output.streams() {
		return a.printStack(all[0], f, 0)
	}
	for _, s := range all {
		a.tell(s, len(all) > 1)
	}
	switch f.output {
	case outputJSON:
		return a.printJSON(all)
	case outputSARIF:
		return a.printSARIF(all)
	case outputJUnit:
		return a.printJUnit(all, f.view())
	case outputMarkdown:
		_, err := io.WriteString(a.out, markdown(all, f.view()))
		return err
	}
	return fmt.Errorf("there is no form %q", f.output)
}

// tell says on standard error what must not be overlooked, and takes a stack's exit status.
func (a *app) tell(s scanned, named bool) {
	a.status = worse(a.status, s.status)
	if s.err == nil && s.report.Log.Started {
		a.announce(s.report.Log.Origin, s.report.Log.Key)
	}
	if _, terminal := terminalOf(a.Stdout); s.err == nil || terminal && askedForm(a.Args) == outputTable {
		return // or it stands in the table that the same person sees
	}
	if named {
		printError(a.screen, a.styleOf(a.Stderr), &stackError{s.target, s.err})
		return
	}
	printError(a.screen, a.styleOf(a.Stderr), s.err)
}

// A stackError names the stack that an error is about.
type stackError struct {
	target string
	err    error
}

// Error implements error.
func (e *stackError) Error() string { return "stack " + e.target + ": " + e.err.Error() }

// Unwrap gives the error itself.
func (e *stackError) Unwrap() error { return e.err }

// printStack prints one of the stacks in a form that streams. i counts them.
func (a *app) printStack(s scanned, f scanFlags, i int) error {
	a.tell(s, true)
	if f.output == outputNDJSON {
		return writeEvents(a.out, s, f.view())
	}
	p := a.page()
	if i > 0 {
		p.line()
	}
	if s.err != nil {
		p.line("Stack ", p.bold(safe(s.target)))
		p.line()
		p.paragraph("Error: "+safe(s.err.Error()), 0, p.alarm)
		if hint := taffrail.HintOf(s.err); hint != "" {
			p.paragraph("hint: "+safe(hint), 0, p.dim)
		}
	} else {
		p.report(s.report, f.view())
	}
	return a.print(p)
}

// printTotal prints what several stacks come to together.
func (a *app) printTotal(all []scanned, f scanFlags) error {
	if f.output == outputNDJSON {
		return writeLine(a.out, event{Type: eventTotal, Schema: eventSchema, Total: new(totalOf(all)), ExitStatus: &a.status})
	}
	p := a.page()
	p.line()
	p.line(p.bold(totalOf(all).String()))
	return a.print(p)
}

// announce says loudly that a log was begun: if there should have been one, it is gone.
func (a *app) announce(origin, key string) {
	if a.begun == origin {
		return // scans that ran at once began it together
	}
	a.begun = origin
	s := a.styleOf(a.Stderr)
	fmt.Fprintf(a.screen, "%s %s\n", s.bold("A new log was begun:"), safe(origin))
	fmt.Fprintln(a.screen, "It is not linked to an earlier one. If there was one here, it is gone: find out why.")
	fmt.Fprintf(a.screen, "Keep this key where the log is not; it verifies all that will be written:\n  %s\n\n", safe(key))
}

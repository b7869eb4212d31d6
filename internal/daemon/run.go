package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// RunQueries is what can be asked about runs of commands.
type RunQueries interface {
	// Run has a command run by start, between two entries: what is about to be run is in the log, signed, before start is called, and how
	// it went after. Where the log cannot be written, start is not called. An error of start says that nothing was run. Where there is
	// no log yet, the first run begins one and says so.
	Run(ctx context.Context, r RunRequest, start func(RunStart) (RunEnd, error)) (RunReport, error)

	// Runs gives the runs that were under way in a time, the newest first.
	Runs(ctx context.Context, r RunsRequest) ([]taffrail.Run, error)
}

// A RunRequest says what to run, and who does.
type RunRequest struct {
	Command taffrail.Command
	Stack   string // folder of the stack that it is about; empty: as far as the command itself says
	Tap     TapMode
	By      string              // who, in a field that can be erased
	Class   taffrail.ActorClass // of who
	CI      string              // the system that runs the pipeline; empty: none
	Fields  []taffrail.Field    // what else names somebody
	// Features are what the class was judged by; they name nobody.
	Features []string
	Commit   *taffrail.Commit // of the code in the folder
}

// A TapMode says whether the providers of a run are watched.
type TapMode string

// The modes.
const (
	TapAuto TapMode = ""    // where the command may change something
	TapOn   TapMode = "on"  // whatever the command is
	TapOff  TapMode = "off" // not at all
)

// A RunStart is what a command must be started with.
type RunStart struct {
	ID      taffrail.RunID
	Env     []string // the whole environment
	Started bool     // this run began the log
	Origin  string   // of the log
	Key     string   // of the log
	Tap     []string // providers that are watched
	Note    string   // why none, or not all, are; empty where nobody would expect any
}

// A RunEnd is how a command ended.
type RunEnd struct {
	Exit   int // -1: a signal ended it
	Signal string
}

// A RunReport is how a run went.
type RunReport struct {
	Run     taffrail.RunID
	Tap     *taffrail.RunTap // nil: nothing was watched
	Applied []taffrail.Applied
	Log     LogPosition
}

// A run is under way.
type run struct {
	daemon  *Daemon
	log     *openLog
	request RunRequest
	id      taffrail.RunID
	joins   string // what its entries share
	watcher taffrail.RunWatcher
	subject taffrail.RunSubject
	began   bool // the log, too
	first   int64
	at      time.Time

	tap     taffrail.Tap
	report  *taffrail.TapReport
	applied []taffrail.Applied
	why     string // there is no tap
}

// Run implements [RunQueries].
func (d *Daemon) Run(ctx context.Context, request RunRequest, start func(RunStart) (RunEnd, error)) (RunReport, error) {
	if len(request.Command.Args) == 0 {
		return RunReport{}, &taffrail.Error{Op: "run", Kind: taffrail.KindInvalid, Err: errors.New("there is no command")}
	}
	r := &run{daemon: d, request: request, id: taffrail.RunID("run-" + randomHex(8))}
	if err := r.begin(ctx); err != nil {
		return RunReport{}, boundary("log what is about to be run", err)
	}
	// If we stop from here on, the next start finds an intent without an outcome, and says that nobody knows how the run went.
	r.watch(ctx)
	end, failed := start(r.start())
	ctx = context.WithoutCancel(ctx)
	r.unwatch(ctx)
	position, err := r.finish(ctx, end, failed)
	report := RunReport{Run: r.id, Tap: r.told(), Applied: r.applied, Log: position}
	if failed != nil {
		return report, errors.Join(failed, err)
	}
	return report, boundary("log how the run went", err)
}

// begin writes what is about to be run into the log, and has it signed.
func (r *run) begin(ctx context.Context) (err error) {
	d := r.daemon
	if r.began, err = d.ensure(ctx, InitRequest{}); err != nil {
		return err
	}
	if r.log, err = d.current(); err != nil {
		return err
	}
	if r.joins, err = d.claim(ctx, r.log); err != nil {
		return err
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return err
	}
	r.recognise(ctx, sealer)
	fields, err := r.fields(sealer)
	if err != nil {
		return err
	}
	entry := d.entry(r.intent(), entryContext{scope: r.scope(), outcome: taffrail.OutcomeIntended, request: r.joins, by: r.request.By})
	entry.Disclosed = append(entry.Disclosed, fields...)
	r.at = entry.Time
	if r.first, err = d.appendOne(ctx, r.log, entry); err != nil {
		return err
	}
	_, err = r.log.log.Sign(ctx)
	return err
}

// recognise asks every plug-in that knows runs what the command is about.
func (r *run) recognise(ctx context.Context, sealer taffrail.Sealer) {
	d := r.daemon
	for _, name := range plug.Names[taffrail.RunWatcher](d.options.Plugins) {
		w, err := plug.Open[taffrail.RunWatcher](ctx, d.options.Plugins, name, d.env(sealer), r.settings())
		if err != nil {
			d.options.Logger.Warn("a run cannot be looked at", "plugin", name, "error", err)
			continue
		}
		if s := w.Recognise(ctx, r.request.Command); s.Known {
			r.watcher, r.subject = w, s
			return
		}
	}
}

func (r *run) settings() plug.Settings {
	s := plug.Settings{File: "the command line"}
	if r.request.Stack != "" {
		text, _ := json.Marshal(map[string]string{"stack": r.request.Stack}) // JSON is YAML, and text can always be written
		s.YAML = text
	}
	return s
}

func (r *run) scope() taffrail.StackID {
	if r.subject.Stack == nil {
		return ""
	}
	return r.subject.Stack.ID
}

func (r *run) intent() taffrail.RunStarted {
	q := r.request
	return taffrail.RunStarted{
		Run: r.id, Program: clip(filepath.Base(q.Command.Args[0])), Verb: r.subject.Verb, Stack: r.subject.Stack, Commit: q.Commit, Plan: r.subject.Plan,
		Class: q.Class, Features: q.Features, CI: q.CI, Agent: r.id.Agent(),
	}
}

// The names of fields that stand beside the entry of a run, and can be erased.
const (
	fieldFolder  = "folder"
	fieldCommand = "command"
)

// maxCommand bounds the command line that is written down, in bytes.
const maxCommand = 16 << 10

// fields are what stands beside the entry: where, what exactly, and who else is named.
func (r *run) fields(sealer taffrail.Sealer) ([]taffrail.Field, error) {
	command := maskCommand(r.request.Command, sealer)
	text, err := json.Marshal(command)
	for err == nil && len(text) > maxCommand {
		command = shorter(command)
		text, err = json.Marshal(command)
	}
	if err != nil {
		return nil, fmt.Errorf("write the command line: %w", err)
	}
	return append([]taffrail.Field{{Name: fieldFolder, Value: r.request.Command.Dir}, {Name: fieldCommand, Value: string(text)}}, r.request.Fields...), nil
}

// watch opens the tap, if there is to be one. That it cannot be opened keeps nothing from being run.
func (r *run) watch(ctx context.Context) {
	switch {
	case r.request.Tap == TapOff:
		r.why = "it was not asked for"
		return
	case r.watcher == nil:
		r.why = "what the command runs is not known"
		return
	case r.request.Tap == TapAuto && !r.subject.Tap:
		r.why = r.subject.Why
		return
	}
	command := r.request.Command
	command.Env = r.environ(nil)
	var err error
	if r.tap, err = r.watcher.Tap(ctx, command); err != nil {
		r.why = clip(err.Error())
	}
}

// environ is the environment of the command.
func (r *run) environ(more []string) []string {
	const agent = "TF_APPEND_USER_AGENT"
	said := strings.TrimSpace(lookup(r.request.Command.Env, agent) + " " + r.id.Agent())
	env := append(slices.Clone(r.request.Command.Env), agent+"="+said, "TAFFRAIL_RUN="+string(r.id))
	return append(env, more...)
}

// lookup gives the value of a variable. The last one counts.
func lookup(env []string, name string) string {
	for _, entry := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (r *run) start() RunStart {
	s := RunStart{ID: r.id, Started: r.began, Origin: r.log.origin, Key: r.log.key}
	if r.tap == nil {
		s.Env = r.environ(nil)
		if r.request.Tap == TapOn || r.request.Tap == TapAuto && r.subject.Tap {
			s.Note = r.why
		}
		return s
	}
	s.Env = r.environ(r.tap.Env())
	s.Tap = r.tap.Providers()
	return s
}

// unwatch ends the tap, and makes of what it saw what is written down.
func (r *run) unwatch(ctx context.Context) {
	if r.tap == nil {
		return
	}
	defer r.tap.Close()
	report, err := r.tap.Finish(ctx)
	if err != nil {
		r.why = clip("what was watched cannot be told: " + err.Error())
		return
	}
	r.report, r.applied = &report, []taffrail.Applied{}
	for _, t := range report.Tapped {
		r.applied = append(r.applied, appliedOf(t))
	}
}

// appliedOf says how the two sides of a resource differ.
func appliedOf(t taffrail.Tapped) taffrail.Applied {
	a := taffrail.Applied{
		Type: t.Type, ID: t.ID, Address: t.Address, Action: t.Action, Changes: []taffrail.AppliedChange{}, Started: t.Started, Finished: t.Finished,
		Error: clip(t.Error), Withheld: t.Withheld,
	}
	if t.Before.IsUnknown() || t.After.IsUnknown() || t.After.IsNull() {
		return a
	}
	before := t.Before
	if before.IsNull() {
		before = taffrail.Object(nil) // each attribute that it was made with is a change of its own
	}
	for _, c := range detect.Diff(before, t.After, t.Handling) {
		if c.Class == taffrail.ClassEquivalent {
			continue
		}
		change := taffrail.AppliedChange{Path: c.Path, Before: c.Before, After: c.After}
		if t.Withheld {
			change.Path, change.Before, change.After = bare(c.Path), taffrail.Unknown(), taffrail.Unknown()
		}
		a.Changes = append(a.Changes, change)
	}
	return a
}

// bare gives a path as far as it has no value in it: an element of a set stands in its path, and a key of a map may be anything.
func bare(p taffrail.Path) taffrail.Path {
	for i, step := range p.Steps() {
		if step.Kind() == taffrail.ElemStep || step.Kind() == taffrail.KeyStep {
			return taffrail.NewPath(p.Steps()[:i]...)
		}
	}
	return p
}

// told is what the tap saw, in numbers.
func (r *run) told() *taffrail.RunTap {
	if r.report == nil {
		return nil
	}
	t := &taffrail.RunTap{
		Providers: r.report.Providers, Others: r.report.Others, Connections: r.report.Connections, Applied: len(r.applied) + r.report.LeftOut, LeftOut: r.report.LeftOut,
		Withheld: clip(r.report.Withheld),
	}
	for _, a := range r.applied {
		if a.Error != "" {
			t.Failed++
		}
	}
	return t
}

// finish writes how the run went, with what was seen of it in one transaction.
func (r *run) finish(ctx context.Context, end RunEnd, failed error) (LogPosition, error) {
	d := r.daemon
	body := taffrail.RunFinished{Run: r.id, Started: r.first, Exit: end.Exit, Signal: end.Signal, Tap: r.told()}
	if body.Tap == nil {
		body.Untapped = r.why
	}
	c := entryContext{scope: r.scope(), outcome: taffrail.OutcomeOK, request: r.joins, intent: &r.first, by: r.request.By}
	if r.watcher != nil {
		if after := r.watcher.Recognise(ctx, r.request.Command); after.Stack != nil {
			body.Stack = after.Stack
			c.scope = after.Stack.ID
		}
	}
	switch {
	case failed != nil:
		body.Exit, c.outcome, c.err = -1, taffrail.OutcomeFailed, failed
	case end.Signal != "":
		c.outcome, c.err = taffrail.OutcomeFailed, fmt.Errorf("signal: %s", end.Signal)
	case end.Exit != 0:
		c.outcome, c.err = taffrail.OutcomeFailed, fmt.Errorf("exit status %d", end.Exit)
	}
	var last int64
	err := r.log.store.Update(ctx, func(tx *store.Tx) error {
		if len(r.applied) > 0 {
			ref, err := putPayload(tx, r.applied)
			if err != nil {
				return err
			}
			body.Tap.Resources = &ref
		}
		entry := d.entry(body, c)
		body.Millis = max(entry.Time.Sub(r.at), 0).Milliseconds()
		entry.Body = body
		stamp, err := tx.Append(entry)
		last = stamp.Index
		return err
	})
	if err != nil {
		return LogPosition{}, err
	}
	return d.positionOf(ctx, r.log, r.first, last)
}

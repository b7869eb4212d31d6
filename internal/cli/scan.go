package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// scanFlags are what can be said about a scan.
type scanFlags struct {
	output      output
	allowGaps   bool
	all         bool
	targets     []string
	workspace   string
	concurrency int
	timeout     time.Duration
	source      string
	allGone     bool
}

func (a *app) scanCommand() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan [DIR|STATE]",
		Short: "Compare what is live with what was recorded",
		Long: "Reads every resource of a stack through its own provider, compares it with what the state recorded, and writes what it saw into the log. " +
			"The stack is a folder of Terraform or OpenTofu code (by default this one) or a state file. Nothing is changed, neither live nor in the stack.\n\n" +
			exitStatusHelp("0 in sync", "2 drift, with gaps or without", "1 error, or no drift and gaps (see --allow-gaps)", "3 the log is not what was written"),
		Example: "# the stack in this folder\ntaffrail scan\n\n# one resource of another, for a program\ntaffrail scan infra/prod --target aws_s3_bucket.logs -o json",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(1, func(ctx context.Context, args []string) error { return a.scan(ctx, f, append(args, ".")[0]) }),
	}
	flags := cmd.Flags()
	outputFlag(cmd, &f.output)
	flags.BoolVar(&f.allowGaps, "allow-gaps", false, "exit with 0 if there is no drift and something could not be read")
	flags.BoolVar(&f.all, "all", false, "show what is no drift as well: volatile, suppressed, not verifiable; and every gap")
	flags.StringArrayVar(&f.targets, "target", nil, "read just this address; can be repeated")
	flags.StringVar(&f.workspace, "workspace", "", "name of the workspace")
	flags.IntVar(&f.concurrency, "concurrency", 0, "how many resources each provider reads at once (else the source knows)")
	flags.Lookup("concurrency").DefValue = ""
	flags.DurationVar(&f.timeout, "timeout", 0, "how long one read may take, such as 90s (else the source knows)")
	flags.Lookup("timeout").DefValue = ""
	flags.BoolVar(&f.allGone, "confirm-deletions", false, "believe it if everything that one provider was asked for is gone (else held to be a wrong account)")
	flags.StringVar(&f.source, "source", "terraform", "system that the stack belongs to")
	return cmd
}

func (a *app) scan(ctx context.Context, f scanFlags, target string) error {
	if err := f.check(target); err != nil {
		return err
	}
	settings, err := f.settings(target)
	if err != nil {
		return err
	}
	request := daemon.ScanRequest{System: f.source, Settings: settings, Selection: f.selection()}
	return a.with(ctx, true, func(q daemon.Queries) error {
		report, err := a.followScan(ctx, q, request, target)
		if err != nil {
			return err
		}
		return a.printScan(report, f)
	})
}

// check refuses values that flags can take and that mean nothing.
func (f scanFlags) check(target string) error {
	switch {
	case target == "":
		return usage("give a folder or a state file, or nothing for this folder", "the stack's name is empty")
	case f.concurrency < 0:
		return usage("give 1 or more, or leave the flag out", "--concurrency %d: nothing can be read by so many", f.concurrency)
	case f.timeout < 0:
		return usage("give a time such as 90s, or leave the flag out", "--timeout %v has passed before it begins", f.timeout)
	}
	for _, t := range f.targets {
		if strings.TrimSpace(t) == "" {
			return usage("give an address as the state has it, such as module.web.aws_instance.a[0]", "--target is empty")
		}
	}
	return nil
}

func (f scanFlags) selection() taffrail.Selection {
	var s taffrail.Selection
	for _, t := range f.targets {
		if address := taffrail.Address(t); len(s.Addresses) == 0 || !s.Selects(address) {
			s.Addresses = append(s.Addresses, address)
		}
	}
	return s
}

// sourceSettings are the keys of a source's Config that flags can set.
type sourceSettings struct {
	Target      string `json:"target"`
	Workspace   string `json:"workspace,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	Timeout     string `json:"timeout,omitempty"`
	AllGone     bool   `json:"confirm_mass_deletion,omitempty"`
}

// settings writes the flags as YAML: as that part of it which is JSON, where no text is taken for anything else.
func (f scanFlags) settings(target string) ([]byte, error) {
	for _, s := range []string{target, f.workspace} {
		if !utf8.ValidString(s) {
			return nil, usage("rename it", "%q is not UTF-8", s)
		}
	}
	s := sourceSettings{Target: target, Workspace: f.workspace, Concurrency: f.concurrency, AllGone: f.allGone}
	if f.timeout > 0 {
		s.Timeout = f.timeout.String()
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write settings of the source: %w", err)
	}
	return escapeJSON(b), nil
}

// followScan scans, and shows how far that has come.
func (a *app) followScan(ctx context.Context, q daemon.Queries, r daemon.ScanRequest, target string) (daemon.ScanReport, error) {
	var latest atomic.Pointer[daemon.ScanProgress]
	began := time.Now()
	stop := a.screen.follow(func() string { return scanProgress(target, latest.Load(), time.Since(began)) })
	defer stop()
	report, err := q.Scan(ctx, r, func(p daemon.ScanProgress) { latest.Store(&p) })
	if err == nil && report.Schema != daemon.ScanSchema {
		err = errors.New("the answer to the scan is of another version: " + report.Schema)
	}
	return report, err
}

func scanProgress(target string, p *daemon.ScanProgress, took time.Duration) string {
	if p == nil {
		return fmt.Sprintf("Opening %s ... %v", safe(target), took.Truncate(time.Second))
	}
	gaps := ""
	if p.Gaps > 0 {
		gaps = fmt.Sprintf(", %d not read", p.Gaps)
	}
	return fmt.Sprintf("Reading %s: %s, %d drifted%s ... %v",
		safe(p.Stack.Name), count(int64(p.Done), "resource", "resources"), p.Drifted, gaps, took.Truncate(time.Second))
}

func (a *app) printScan(r daemon.ScanReport, f scanFlags) error {
	v := view{all: f.all, allowGaps: f.allowGaps, targets: len(f.selection().Addresses)}
	a.status = scanStatus(r, v)
	if r.Log.Started {
		a.announce(r.Log.Origin, r.Log.Key)
	}
	if f.output == outputJSON {
		return writeJSON(a.Stdout, r)
	}
	p := a.page()
	p.report(r, v)
	return a.print(p)
}

// announce says loudly that a log was begun: if there should have been one, it is gone.
func (a *app) announce(origin, key string) {
	s := a.styleOf(a.Stderr)
	fmt.Fprintf(a.screen, "%s %s\n", s.bold("A new log was begun:"), safe(origin))
	fmt.Fprintln(a.screen, "It is not linked to an earlier one. If there was one here, it is gone: find out why.")
	fmt.Fprintf(a.screen, "Keep this key where the log is not; it verifies all that will be written:\n  %s\n\n", safe(key))
}

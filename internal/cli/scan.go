package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// scanFlags are what can be said about a scan.
type scanFlags struct {
	sourceFlags
	output    output
	allowGaps bool
	failOn    conditions
	all       bool
	sinceLast bool
	targets   []string
	parallel  int
	unmanaged []string
	managedBy []string
	watch     time.Duration
}

func (a *app) scanCommand() *cobra.Command {
	f := scanFlags{failOn: defaultConditions()}
	cmd := &cobra.Command{
		Use:   "scan [DIR|STATE|URL]...",
		Short: "Compare what is live with what was recorded",
		Long: "Reads every resource of a stack through its own provider, compares it with what the state recorded, and writes what it saw into the log. " +
			"A stack is a folder of Terraform or OpenTofu code (by default this one), a state file, or the address of a state. Nothing is changed, neither live nor in the stack. " +
			"Several stacks are scanned one after another, or some at once with --parallel; an error of one does not stop the others.\n\n" +
			exitStatusHelp("0 in sync", "2 drift, with gaps or without", "1 error, or no drift and gaps (see --allow-gaps)", "3 the log is not what was written",
				"of several stacks it is 3 if one has 3, else 2 if one has 2, else 1 if one has 1", "--fail-on chooses what counts as 2"),
		Example: "# the stack in this folder\ntaffrail scan\n\n# one resource of another, for a program\ntaffrail scan infra/prod --target aws_s3_bucket.logs -o json\n\n" +
			"# every night: what is new since yesterday?\ntaffrail scan infra/* --since-last --fail-on new\n\n# again and again, with the providers kept running\ntaffrail scan infra/prod --watch 30s",
		Args: cobra.ArbitraryArgs,
		RunE: a.do(-1, func(ctx context.Context, args []string) error { return a.scan(ctx, f, args) }),
	}
	flags := cmd.Flags()
	formFlag(cmd, &f.output, outputTable, outputJSON, outputNDJSON, outputSARIF, outputJUnit, outputMarkdown)
	flags.Var(&f.failOn, "fail-on", "what counts: "+strings.Join(conditionNames(), ", ")+"; new is what was first seen or has changed since the last scan")
	flags.BoolVar(&f.allowGaps, "allow-gaps", false, "exit with 0 if there is no drift and something could not be read")
	flags.BoolVar(&f.all, "all", false, "show what is no drift as well: volatile, suppressed, not verifiable; and every gap")
	flags.BoolVar(&f.sinceLast, "since-last", false, "show only what is new or has changed since the last scan, and what ended (json, sarif and junit are always whole)")
	flags.StringArrayVar(&f.targets, "target", nil, "read just this address; can be repeated")
	flags.IntVar(&f.parallel, "parallel", 1, "how many stacks are scanned at once")
	flags.StringArrayVar(&f.unmanaged, "unmanaged", nil, "look for live resources of this type that no stack declares, or of all that can be listed; can be repeated")
	flags.StringArrayVar(&f.managedBy, "managed-by", nil, "another stack whose resources are not unmanaged; can be repeated")
	flags.DurationVar(&f.watch, "watch", 0, "scan again and again, so long after each round, such as 30s")
	flags.Lookup("watch").DefValue = ""
	f.add(flags)
	return cmd
}

func (a *app) scan(ctx context.Context, f scanFlags, targets []string) error {
	if len(targets) == 0 {
		targets = []string{"."}
	}
	if err := f.check(targets); err != nil {
		return err
	}
	requests := make([]daemon.ScanRequest, len(targets))
	for i := range targets {
		r, err := f.request(targets, i)
		if err != nil {
			return err
		}
		requests[i] = r
	}
	shown := make([]string, len(targets))
	for i, t := range targets {
		shown[i] = named(t)
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		switch {
		case f.watch > 0:
			return a.watch(ctx, q, requests[0], shown[0], f)
		case len(targets) == 1:
			return a.scanOne(ctx, q, requests[0], shown[0], f)
		}
		return a.scanMany(ctx, q, requests, shown, f)
	})
}

// check refuses values that flags can take and that mean nothing.
func (f scanFlags) check(targets []string) error {
	for _, t := range targets {
		if t == "" {
			return usage("give a folder or a state file, or nothing for this folder", "the stack's name is empty")
		}
	}
	if err := f.sourceFlags.check(); err != nil {
		return err
	}
	for _, t := range f.targets {
		if strings.TrimSpace(t) == "" {
			return usage("give an address as the state has it, such as module.web.aws_instance.a[0]", "--target is empty")
		}
	}
	for _, t := range f.unmanaged {
		if strings.TrimSpace(t) == "" {
			return usage("give a resource type, such as aws_s3_bucket, or all", "--unmanaged is empty")
		}
	}
	return f.checkTogether(len(targets))
}

// checkTogether refuses what makes no sense together.
func (f scanFlags) checkTogether(stacks int) error {
	switch {
	case f.parallel < 1:
		return usage("give 1 or more, or leave the flag out", "--parallel %d: no stack can be scanned by so many", f.parallel)
	case f.watch < 0:
		return usage("give a time such as 30s", "--watch %v has passed before it begins", f.watch)
	case stacks > 1 && len(f.targets) > 0:
		return usage("scan the stack that has it alone", "--target names a resource of one stack, and there are %d stacks", stacks)
	case stacks > 1 && f.watch > 0:
		return usage("start one for each stack", "--watch watches one stack, not %d", stacks)
	case f.watch > 0 && f.output != outputTable && f.output != outputNDJSON:
		return usage("use table or ndjson", "--watch never ends, and %s has to", f.output)
	case len(f.managedBy) > 0 && len(f.unmanaged) == 0:
		return usage("add --unmanaged TYPE, or --unmanaged all", "--managed-by says what is not unmanaged, and nothing unmanaged is looked for")
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

// view is how much of a report the flags ask for.
func (f scanFlags) view() view {
	return view{all: f.all, sinceLast: f.sinceLast, counts: f.failOn, allowGaps: f.allowGaps, targets: len(f.selection().Addresses)}
}

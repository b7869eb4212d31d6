package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/auditor"
	"github.com/taffrail-dev/taffrail/internal/config"
)

func (a *app) verifyCommand() *cobra.Command {
	var form output
	var r auditor.Request
	var authorities, page string
	cmd := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Verify a bundle of evidence, offline",
		Long: "Verifies a bundle that `taffrail log export` made, here or elsewhere; - is standard input. It trusts nothing but the " +
			"policy, which is your own: which keys sign the log and for which sizes, which witnesses there are, how many of them must have seen it " +
			"(C2SP tlog-policy). It asks no network, unless config.yaml names anchors that have to be asked. With --remember the checkpoint is kept in a file of yours, and the next bundle must contain what was seen before. " +
			"The program taffrail-verify does the same, and is small enough to be read.\n\n" +
			exitStatusHelp("0 verified", "1 a file could not be read", "3 something contradicts what is signed or remembered",
				"4 no key of the policy signed it", "5 too few witnesses", "6 it does not show whether the log contains what was remembered"),
		Example: "taffrail verify evidence.tar --policy my.policy --remember prod.checkpoint",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("name a file that `taffrail log export` wrote, or - for standard input", "no bundle is named")
			}
			r.Bundle = args[0]
			return a.verifyBundle(ctx, r, authorities, page, form)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Policy, "policy", "", "file with the keys of log and witnesses and the quorum, your own; required")
	flags.StringVar(&authorities, "tsa-ca", "", "file with the certificates, in PEM, that those of time stamp authorities must go back to")
	flags.StringVar(&page, "html", "", "file to write a page for people to, which is no evidence itself")
	flags.StringVar(&r.Remember, "remember", "", "file in which the checkpoint is kept that was seen last")
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) verifyBundle(ctx context.Context, r auditor.Request, authorities, page string, form output) error {
	if r.Policy == "" {
		return usage("`taffrail log policy` prints one to begin with, on the machine that keeps the log; compare its keys with what you were told on another way",
			"no policy is named: whose signature counts is for you to say")
	}
	if page != "" && r.Bundle == "-" {
		return usage("write the bundle to a file first", "--html needs a bundle that can be read twice")
	}
	var report audit.BundleReport
	err := a.serving(ctx, false, func(s service, _ config.Installation) (err error) {
		if r.Anchors, err = s.Checkers(ctx, authorities); err == nil {
			report, err = auditor.Verify(ctx, r, os.Stdin)
		}
		return err
	})
	var known *taffrail.Error
	if errors.As(err, &known) {
		return err
	}
	if err != nil {
		return &taffrail.Error{Op: "verify bundle", Kind: taffrail.KindInvalid, Err: err, Hint: "name a bundle that `taffrail log export` wrote, and a policy in the form of C2SP tlog-policy"}
	}
	a.status = auditor.ExitStatus(report, nil)
	if page != "" {
		if err := a.writeEvidence(page, r.Bundle, report); err != nil {
			return err
		}
	}
	if form == outputJSON {
		return writeJSON(a.out, bundleForm{bundleSchema, verdictWord(report), report})
	}
	p := a.page()
	p.bundle(report)
	return a.print(p)
}

// bundleSchema names the form of a verified bundle as JSON.
const bundleSchema = "taffrail.dev/bundle-report/v1"

type bundleForm struct {
	Schema  string `json:"schema"`  // [bundleSchema]
	Verdict string `json:"verdict"` // verified or failed
	audit.BundleReport
}

func verdictWord(r audit.BundleReport) string {
	if r.OK() {
		return verified
	}
	return "failed"
}

// bundle prints the nine verdicts on a bundle.
func (p *page) bundle(r audit.BundleReport) {
	entries := "none in a row"
	if r.From < r.To {
		entries = spanText(r.From, r.To)
	}
	p.facts(
		fact{"Log", safe(r.Origin)}, fact{"Size", count(r.Size, "entry", "entries")}, fact{"Root", safe(r.Root)},
		fact{"Entries", entries + ", " + count(int64(r.Single), "single one", "single ones")},
		fact{"Payloads", count(int64(r.Payloads), "payload", "payloads") + ", " + count(int64(r.Withheld), "one withheld", "withheld")},
	)
	p.line()
	for _, v := range r.Verdicts {
		p.bundleVerdict(v)
	}
	p.line()
	for _, a := range r.Anchors {
		p.paragraph(safe(auditor.ReceiptText(a)), 0, p.dim)
	}
	if r.OK() {
		p.line(p.paint("1;32", "Verified:"), " ", safe(auditor.Levels(r)))
		return
	}
	p.line(p.alarm("NOT VERIFIED"))
}

func (p *page) bundleVerdict(v audit.Verdict) {
	const name = len(audit.VerdictCompleteness) + len(gap)
	word := map[audit.Finding]string{audit.FindingOK: p.green("ok"), audit.FindingFailed: p.alarm("FAILED"), audit.FindingNotChecked: p.yellow("not checked")}[v.Finding]
	p.line(pad(v.Name, name), word)
	if v.Detail != "" {
		p.paragraph(safe(v.Detail), name, p.dim)
	}
	for _, f := range v.Faults {
		p.paragraph(safe(f), name, p.red)
	}
	if v.Hint != "" {
		p.paragraph("hint: "+safe(v.Hint), name, p.yellow)
	}
}

// Taffrail-verify verifies a bundle of evidence offline, by the verifier's own policy. It is small, links nothing of taffrail but the
// package audit, and can be built by whoever does not trust the program that wrote the log.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/taffrail-dev/taffrail/audit/auditor"
)

const usage = `taffrail-verify -policy FILE [-remember FILE] [-json] BUNDLE

Verifies a bundle that "taffrail log export" made; - is standard input. The policy
is your own: which keys sign the log, which witnesses there are, how many of them
must have seen it (C2SP tlog-policy). With -remember, the checkpoint is kept in a
file of yours, and the next bundle must contain what was seen before.

Exit status: 0 verified; 1 a file could not be read; 3 something contradicts what
is signed or remembered; 4 no key of the policy signed it; 5 too few witnesses;
6 it does not show whether the log contains what was remembered.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var r auditor.Request
	flags := flag.NewFlagSet("taffrail-verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&r.Policy, "policy", "", "")
	flags.StringVar(&r.Remember, "remember", "", "")
	asJSON := flags.Bool("json", false, "")
	files, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return auditor.ExitVerified
	}
	if err != nil || len(files) != 1 || r.Policy == "" {
		fmt.Fprint(stderr, usage)
		return auditor.ExitUnreadable
	}
	r.Bundle = files[0]
	report, err := auditor.Verify(ctx, r, stdin)
	switch {
	case err != nil && *asJSON:
		fmt.Fprintln(stderr, "taffrail-verify:", err)
		err = errors.Join(err, encode(stdout, map[string]string{"error": err.Error()}))
	case err != nil:
		fmt.Fprintln(stderr, "taffrail-verify:", err)
	case *asJSON:
		err = encode(stdout, report)
	default:
		_, err = fmt.Fprint(stdout, auditor.Text(report))
	}
	return auditor.ExitStatus(report, err)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// parse takes flags before and behind the files.
func parse(flags *flag.FlagSet, args []string) (files []string, err error) {
	for len(args) > 0 && err == nil {
		if err = flags.Parse(args); err == nil && flags.NArg() > 0 {
			files = append(files, flags.Arg(0))
			args = flags.Args()[1:]
		} else {
			args = nil
		}
	}
	return files, err
}

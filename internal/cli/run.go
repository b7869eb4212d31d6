package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
	"github.com/taffrail-dev/taffrail/internal/git"
)

// runFlags are those of `taffrail run`.
type runFlags struct {
	stack string
	tap   bool
	noTap bool
	by    string
}

// Exit statuses of a command that was not run, as env(1) and shells have them.
const (
	exitNotRunnable = 126
	exitNotFound    = 127
	exitSignal      = 128 // plus the number of the signal
)

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a command, and record who ran what, where, and what it changed",
		Long: "Runs any command as it is: terminal, input, output, signals and exit status are the command's own. Before it starts, the log holds, signed, who runs it, where, at which commit, and with which plan; " +
			"after it, how it ended. Where the log cannot be written, nothing is run. Secrets in arguments are replaced by keyed digests, and people, folder and command line can be erased.\n\n" +
			"The command finds its run in TAFFRAIL_RUN. TF_APPEND_USER_AGENT makes Terraform, OpenTofu and most of their providers name it in each call to a cloud, so that the cloud's audit log leads back to the run.\n\n" +
			"For apply and destroy of terraform and tofu a tap stands between the tool and its providers, and records what was changed in which resource, from what value to what value. If it cannot, the command runs without one, and the reason is said.\n\n" +
			exitStatusHelp("0 the command's own", "1 the log could not be written", "126 or 127 the command cannot be run, or is not there", "128+N signal N ended it"),
		Example: "taffrail run -- tofu apply\n\n# another program, about a stack\ntaffrail run --stack infra/prod -- make deploy",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(-1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("name the command after --: taffrail run -- tofu apply", "there is no command to run")
			}
			if f.tap && f.noTap {
				return usage("give one of them", "--tap and --no-tap are both there")
			}
			return a.runIt(ctx, args, f)
		}),
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVar(&f.stack, "stack", "", "folder of the stack that the run is about (else as far as the command itself says)")
	flags.BoolVar(&f.tap, "tap", false, "watch the stack's providers, whatever the command is")
	flags.BoolVar(&f.noTap, "no-tap", false, "do not watch any provider")
	flags.StringVar(&f.by, "by", "", "who runs it, in a field that can be erased (else the user and the machine)")
	return cmd
}

func (f runFlags) mode() daemon.TapMode {
	switch {
	case f.tap:
		return daemon.TapOn
	case f.noTap:
		return daemon.TapOff
	}
	return daemon.TapAuto
}

// runIt runs a command and takes its exit status.
func (a *app) runIt(ctx context.Context, args []string, f runFlags) error {
	a.Args = nil // a form that is asked for there is the command's
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return a.notRunnable(err)
	}
	request, err := a.runRequest(ctx, args, f)
	if err != nil {
		return err
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		var ended daemon.RunEnd
		ran := false
		report, err := q.Run(ctx, request, func(s daemon.RunStart) (end daemon.RunEnd, err error) {
			a.tellStart(s)
			ended, ran, err = a.start(ctx, path, args, s.Env)
			return ended, err
		})
		if ran {
			a.status = statusOfRun(ended)
		}
		if err != nil && ran {
			return a.unwritten(err)
		}
		if err != nil {
			return err
		}
		a.tellEnd(report)
		return nil
	})
}

// notRunnable says that a command cannot be run at all.
func (a *app) notRunnable(err error) error {
	e := &taffrail.Error{Op: "run", Kind: taffrail.KindNotFound, Err: err, Hint: "nothing was run, and nothing was written into the log"}
	a.fail(e)
	a.status = exitNotFound
	if errors.Is(err, fs.ErrPermission) {
		a.status = exitNotRunnable
	}
	return nil
}

// unwritten says that a command was run and that the log does not say how it went. A success that nobody recorded is none.
func (a *app) unwritten(err error) error {
	status := a.status
	a.fail(err)
	if status != taffrail.ExitOK {
		a.status = status
	}
	return nil
}

// statusOfRun is the exit status that a command's end is.
func statusOfRun(e daemon.RunEnd) int {
	if e.Exit < 0 {
		return exitSignal + signalNumber(e.Signal)
	}
	return e.Exit
}

// commitWait bounds how long the version of the code is looked for.
const commitWait = time.Second

func (a *app) runRequest(ctx context.Context, args []string, f runFlags) (daemon.RunRequest, error) {
	dir, err := os.Getwd()
	if err != nil {
		return daemon.RunRequest{}, &taffrail.Error{Op: "run", Kind: taffrail.KindInvalid, Err: err}
	}
	code := dir
	if f.stack != "" {
		if f.stack, err = filepath.Abs(f.stack); err != nil {
			return daemon.RunRequest{}, &taffrail.Error{Op: "run", Kind: taffrail.KindInvalid, Err: err}
		}
		if info, err := os.Stat(f.stack); err != nil || !info.IsDir() {
			return daemon.RunRequest{}, usage("name the folder of a root module", "--stack %s is no folder", f.stack)
		}
		code = f.stack
	}
	ctx, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	commit, err := git.Commit(ctx, code)
	if err != nil {
		a.logger().Warn("the commit of the code cannot be read", "folder", code, "error", err)
	}
	_, terminal := terminalOf(os.Stdin)
	who := whoRuns(a.Getenv, terminal)
	who.Command = taffrail.Command{Args: slices.Clone(args), Dir: dir, Env: os.Environ()}
	who.Stack, who.Tap, who.Commit, who.By = f.stack, f.mode(), commit, f.by
	if f.by == "" {
		who.By = person()
	}
	return who, nil
}

// tellStart says what must not be overlooked before the command has the terminal.
func (a *app) tellStart(s daemon.RunStart) {
	if s.Started {
		a.announce(s.Origin, s.Key)
	}
	if s.Note != "" && !a.global.quiet {
		fmt.Fprintln(a.screen, a.styleOf(a.Stderr).dim("taffrail: the providers are not watched: "+safe(s.Note)))
	}
}

// tellEnd says where the run stands in the log.
func (a *app) tellEnd(r daemon.RunReport) {
	if a.global.quiet {
		return
	}
	text := "taffrail: " + string(r.Run) + ": "
	if r.Tap != nil {
		text += tapText(*r.Tap) + "; "
	}
	fmt.Fprintln(a.screen, a.styleOf(a.Stderr).dim(text+fmt.Sprintf("entries %d and %d", r.Log.First, r.Log.Last)))
}

// tapText says what a tap saw, on one line.
func tapText(t taffrail.RunTap) string {
	if t.Connections == 0 {
		return "the tool did not use the tap, and what it did was not seen"
	}
	text := count(int64(t.Applied), "resource", "resources") + " applied"
	if t.Failed > 0 {
		text += fmt.Sprintf(", %d failed", t.Failed)
	}
	if n := len(t.Others); n > 0 {
		var names []string
		for _, o := range t.Others {
			names = append(names, safe(o.Name))
		}
		text += ", and what " + strings.Join(names, ", ") + " did was not seen"
	}
	return text
}

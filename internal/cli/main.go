package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/fang"
	"golang.org/x/term"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/daemon"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// A Program is what one run of the command line is given.
type Program struct {
	Version        string // of this program
	Plugins        *plug.Registry
	Args           []string // without the program's name
	Stdout, Stderr io.Writer
	Getenv         func(string) string
}

// Main runs one command and gives its exit status. The first SIGINT or SIGTERM ends the command, which then tells what it has
// done so far; the second one ends the process.
func Main(ctx context.Context, p Program) int {
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(ctx, restore)
	return newApp(p, openDaemon).run(ctx)
}

// A service answers queries once it is started.
type service interface {
	daemon.Queries
	daemon.Serving
	Start(context.Context) error
	Stop(context.Context) error
}

func openDaemon(o daemon.Options) service { return daemon.New(o) }

// An app is one run of a program.
type app struct {
	Program
	open   func(daemon.Options) service
	global globals
	screen *screen
	out    io.Writer // standard output
	begun  string    // origin of the log that was announced as new
	status int
}

// globals are the flags of every command.
type globals struct {
	folders folders
	noColor bool
	verbose bool
	quiet   bool
}

func newApp(p Program, open func(daemon.Options) service) *app {
	s := &screen{out: p.Stderr}
	return &app{Program: p, open: open, screen: s, out: &beside{s, p.Stdout}}
}

// run never hands an error to fang: that would ask the terminal for its colours before it printed it.
func (a *app) run(ctx context.Context) int {
	root := a.root()
	root.SetArgs(append([]string{}, a.Args...)) // never nil: cobra would take those of the process
	root.SetOut(a.Stdout)
	root.SetErr(a.screen)
	err := fang.Execute(ctx, root,
		fang.WithVersion(a.Version),
		fang.WithErrorHandler(func(_ io.Writer, _ fang.Styles, err error) { a.fail(err) }))
	if err != nil && a.status == taffrail.ExitOK {
		a.status = taffrail.ExitError
	}
	return a.status
}

// fail tells an error, and makes its kind the exit status.
func (a *app) fail(err error) {
	a.status = taffrail.KindOf(err).ExitStatus()
	var unsaid error
	switch askedForm(a.Args) {
	case outputJSON:
		unsaid = writeJSON(a.out, formOf(err))
	case outputNDJSON:
		unsaid = writeLine(a.out, event{Type: eventError, Schema: eventSchema, Error: new(formOf(err).Error), ExitStatus: &a.status})
	}
	if unsaid != nil {
		printError(a.screen, a.styleOf(a.Stderr), unsaid)
	}
	printError(a.screen, a.styleOf(a.Stderr), err)
}

// options are what the flags and the operator's file say.
func (a *app) options() (daemon.Options, error) {
	dirs, err := findFolders(a.global.folders, a.Getenv)
	if err != nil {
		return daemon.Options{}, err
	}
	in, err := config.LoadInstallation(filepath.Join(dirs.config, config.InstallationName))
	return daemon.Options{
		Version: a.Version, DataDir: dirs.data, StateDir: dirs.state, ConfigDir: dirs.config, Installation: in,
		Plugins: a.Plugins, Logger: a.logger(), Now: time.Now,
	}, err
}

// with runs f with a service: started, if it is needed whole, and stopped in any case.
func (a *app) with(ctx context.Context, started bool, f func(daemon.Queries) error) error {
	o, err := a.options()
	if err != nil {
		return err
	}
	return a.withService(ctx, a.open(o), started, func(s service) error { return f(s) })
}

func (a *app) withService(ctx context.Context, s service, started bool, f func(service) error) error {
	if started {
		if err := s.Start(ctx); err != nil {
			return stopped(ctx, err)
		}
	}
	defer func() {
		// What was acknowledged is durable already. Stopping late, or not at all, leaves nothing to repair but processes.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			a.logger().Warn("stop", "error", err)
		}
	}()
	return stopped(ctx, f(s))
}

// logger writes operational messages to standard error: warnings, or all of them with --verbose.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	switch {
	case a.global.verbose:
		level = slog.LevelDebug
	case a.global.quiet:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(a.screen, &slog.HandlerOptions{Level: level}))
}

// prepare looks at where output goes, once the flags are known.
func (a *app) prepare() {
	width, terminal := terminalOf(a.Stderr)
	a.screen.quiet = a.global.quiet
	a.screen.terminal = terminal && a.Getenv("TERM") != "dumb"
	a.screen.width = width
}

// page is a page for standard output.
func (a *app) page() *page {
	const plain, narrow, wide = 100, 60, 160
	width, terminal := terminalOf(a.Stdout)
	if !terminal {
		width = plain
	}
	return &page{style: a.styleOf(a.Stdout), width: min(max(width, narrow), wide)}
}

// print writes a page to standard output.
func (a *app) print(p *page) error {
	_, err := io.WriteString(a.out, p.b.String())
	return err
}

// styleOf says whether a stream is coloured: only on a terminal that can, and not against a person's wish (no-color.org).
func (a *app) styleOf(w io.Writer) style {
	_, terminal := terminalOf(w)
	return style(terminal && !a.global.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb")
}

// terminalOf says whether a stream is a terminal, and how wide it is.
func terminalOf(w io.Writer) (width int, ok bool) {
	f, isFile := w.(interface{ Fd() uintptr })
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width == 0 {
		width = 80
	}
	return width, true
}

// exitStatusHelp ends the help of every command.
func exitStatusHelp(lines ...string) string {
	return "Exit status: " + strings.Join(lines, "; ") + "."
}

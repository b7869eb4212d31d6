package usercli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// withheld are the names of variables, by their beginnings, that would change what the tool does, or that are meant for us.
var withheld = []string{
	"CHECKPOINT_DISABLE=", "PLUGIN_", "PWD=", "TAFFRAIL_", "TF_CLI_ARGS", "TF_DATA_DIR=", "TF_IN_AUTOMATION=", "TF_INPUT=", "TF_LOG",
	"TF_REATTACH_PROVIDERS=", "TF_WORKSPACE=", "TMPDIR=",
}

func environ(of []string) []string {
	env := slices.DeleteFunc(slices.Clone(of), func(entry string) bool {
		return slices.ContainsFunc(withheld, func(name string) bool { return strings.HasPrefix(entry, name) })
	})
	return append(env, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1")
}

// A job is one run of a program.
type job struct {
	path     string
	dir      string
	environ  []string
	writable []string // folders outside of which it must not write, as far as the system can see to it; nil forbids nothing
	out      io.Writer
}

// run waits for the end of the program and of all that it started. An error of the program itself is an [*exec.ExitError].
func (j job) run(ctx context.Context, arguments ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := watch(endGroup)
	defer w.end()
	done := make(chan error, 1)
	// The thread that starts the program must not end before it, since the kernel takes that for the parent's death; and one that
	// was confined is of no more use to anyone, so that it ends with its goroutine.
	go func() {
		runtime.LockOSThread()
		confined := confine(j.writable)
		done <- j.start(ctx, w.group(), arguments)
		if !confined {
			runtime.UnlockOSThread()
		}
	}()
	return <-done
}

// start runs the program in a process group. If we are killed meanwhile, the watcher that leads the group kills all of it.
func (j job) start(ctx context.Context, group int, arguments []string) error {
	cmd := exec.CommandContext(ctx, j.path, arguments...)
	cmd.Dir, cmd.Env, cmd.Stdout = j.dir, append(slices.Clip(j.environ), "PWD="+j.dir), j.out
	isolate(cmd, group)
	cmd.Cancel = func() error { killGroup(cmd, group); return nil }
	cmd.WaitDelay = 5 * time.Second // for whoever still holds the output
	err := cmd.Run()
	if cmd.Process != nil {
		killGroup(cmd, group) // providers that were left
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// kept holds the first bytes of an output.
type kept struct {
	data []byte
	most int
}

func (k *kept) Write(p []byte) (int, error) {
	k.data = append(k.data, p[:min(len(p), k.most-len(k.data))]...)
	return len(p), nil
}

// A Problem is an error that the tool reported. It may quote secrets.
type Problem struct {
	Summary, Detail string
	File            string // relative to the root module; empty where there is no place
	Line            int
}

// A Failed is a run of the tool that came to nothing.
type Failed struct {
	What     string
	Problems []Problem // the first few
	Err      error
}

// Error names the problems, with their places, but for the details of all but the first.
func (f *Failed) Error() string {
	text := f.What
	for i, p := range f.Problems {
		text += ": " + p.Summary
		if p.File != "" {
			text += fmt.Sprintf(" at %s:%d", p.File, p.Line)
		}
		if i == 0 && p.Detail != "" {
			text += ": " + p.Detail
		}
	}
	if len(f.Problems) == 0 {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap gives how the program ended.
func (f *Failed) Unwrap() error { return f.Err }

const maxProblems = 3

// problems reads the messages of a run with -json, one per line, of which only errors matter.
func problems(r io.Reader) []Problem {
	var found []Problem
	lines := bufio.NewReaderSize(r, 256<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if p, ok := problem(line); ok && len(found) < maxProblems {
			found = append(found, p)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) { // a longer line is in pieces, none of which is JSON
			return found
		}
	}
}

func problem(line []byte) (Problem, bool) {
	var m struct {
		Type       string `json:"type"`
		Diagnostic struct {
			Severity, Summary, Detail string
			Range                     *struct {
				Filename string
				Start    struct{ Line int }
			}
		} `json:"diagnostic"`
	}
	if json.Unmarshal(line, &m) != nil || m.Type != "diagnostic" || m.Diagnostic.Severity != "error" {
		return Problem{}, false
	}
	p := Problem{Summary: m.Diagnostic.Summary, Detail: m.Diagnostic.Detail}
	if r := m.Diagnostic.Range; r != nil {
		p.File, p.Line = filepath.ToSlash(r.Filename), r.Start.Line
	}
	return p, true
}

// A Kind says which plan is made.
type Kind string

// The kinds.
const (
	OfCode Kind = "-refresh=false" // what the code wants of what the state holds
	OfLive Kind = "-refresh-only"  // what is live beside what the state holds
)

// Plan has the tool plan, and gives what `show -json` says of it to read. No exit status and no text is believed: whether the plan
// is whole stands in it.
func (c *Copy) Plan(ctx context.Context, t Tool, kind Kind, more []string, read func(io.Reader) error) error {
	arguments := []string{"-chdir=" + c.root, "plan", "-json", string(kind), "-lock=false", "-input=false", "-out=" + c.at("plan")}
	if planErr := c.plan(ctx, t, append(arguments, more...)); planErr != nil {
		return planErr
	}
	reader, writer := io.Pipe()
	shown := make(chan error, 1)
	go func() {
		err := c.job(t, writer).run(ctx, "-chdir="+c.root, "show", "-json", "-no-color", c.at("plan"))
		writer.CloseWithError(err) // nil is the end of the file
		shown <- err
	}()
	err := read(reader)
	reader.CloseWithError(errors.Join(err, errors.New("nobody reads on")))
	showErr := <-shown
	if err == nil && showErr == nil {
		return nil
	}
	if err == nil || showErr != nil && ctx.Err() != nil {
		err = showErr
	}
	return &Failed{What: t.Name + " show", Err: err}
}

func (c *Copy) plan(ctx context.Context, t Tool, arguments []string) error {
	reader, writer := io.Pipe()
	said := make(chan []Problem, 1)
	go func() { said <- problems(reader) }()
	err := c.job(t, writer).run(ctx, arguments...)
	_ = writer.Close() // a pipe's never fails
	found := <-said
	if err != nil {
		return &Failed{What: t.Name + " plan", Problems: c.relocate(found), Err: err}
	}
	return nil
}

// relocate has messages name the original and not the copy.
func (c *Copy) relocate(found []Problem) []Problem {
	for i := range found {
		p := &found[i]
		for _, text := range []*string{&p.Summary, &p.Detail, &p.File} {
			*text = strings.ReplaceAll(*text, c.Tree, c.Top)
		}
	}
	return found
}

func (c *Copy) job(t Tool, out io.Writer) job {
	return job{path: t.Path, dir: c.source.Dir, environ: c.environ(), writable: c.writable(), out: out}
}

func (c *Copy) environ() []string {
	env := append(environ(c.source.Environ), c.source.Quiet...)
	env = append(env, "TF_DATA_DIR="+c.at("data"), "TMPDIR="+c.at("tmp"))
	if c.source.Workspace != defaultWorkspace {
		env = append(env, "TF_WORKSPACE="+c.source.Workspace)
	}
	if c.source.CLIConfig != "" {
		env = append(env, "TF_CLI_CONFIG_FILE="+c.source.CLIConfig)
	}
	return env
}

// writable are the folders that the tool and its providers may write to: their own, those of devices and temporary files, and the
// hidden ones of the user's home, where tools keep tokens that they renew. None of them holds code of the stack.
func (c *Copy) writable() []string {
	folders := []string{c.dir, "/dev"}
	hidden, err := filepath.Glob(filepath.Join(c.source.Home, ".*"))
	if err != nil || c.source.Home == "" {
		hidden = nil
	}
	for _, dir := range append(hidden, os.TempDir(), "/run") {
		holds := slices.ContainsFunc(c.modules, func(m string) bool { return within(m, dir) || within(dir, m) })
		if name := filepath.Base(dir); !holds && name != "." && name != ".." {
			folders = append(folders, dir)
		}
	}
	return folders
}

package terraform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/planfile"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
)

// planCode runs a plan of code against state in a private copy.
func (r *reading) planCode(ctx context.Context) (*planfile.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, r.stack.config.PlanTimeout)
	defer cancel()
	run, err := r.openCLI(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := run.plan(ctx)
	return plan, errors.Join(err, run.copy.Close())
}

// A cliRun is the user's tool over a copy of the stack.
type cliRun struct {
	reading *reading
	tool    usercli.Tool
	copy    *usercli.Copy
}

// openCLI finds the tool and makes the copy, unless the code would have programs run.
func (r *reading) openCLI(ctx context.Context) (*cliRun, error) {
	s := r.stack
	if !s.target.code {
		return nil, &taffrail.Error{Op: "plan", Kind: taffrail.KindNotFound, Err: errors.New("there is no code beside the state"), Hint: "name the folder of the root module"}
	}
	tool, err := usercli.Find(ctx, r.wish())
	if err != nil {
		return nil, err
	}
	c, err := usercli.Open(r.source(ctx))
	if err != nil {
		return nil, err
	}
	if err := r.checkPrograms(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s.mu.Lock()
	s.cli = taffrail.Component{Name: tool.Name, Version: tool.Version}
	s.mu.Unlock()
	return &cliRun{reading: r, tool: tool, copy: c}, nil
}

func (r *reading) checkPrograms(c *usercli.Copy) error {
	if r.stack.config.AllowExec {
		return nil
	}
	programs, err := c.Programs()
	if err == nil && len(programs) > 0 {
		err = &taffrail.Error{
			Op: "plan", Kind: taffrail.KindInvalid, Hint: "if you trust the code, allow it with --allow-exec",
			Err: fmt.Errorf("a plan would run programs that the code names, at %s", strings.Join(programs[:min(len(programs), 3)], ", ")),
		}
	}
	return err
}

func (r *reading) wish() usercli.Wish {
	s := r.stack
	w := usercli.Wish{Program: s.config.CLI, Path: s.host.getenv("PATH"), Wrote: r.header.Tool, Environ: s.host.environ}
	for p := range r.finder.Lock {
		w.Locked = append(w.Locked, p)
	}
	for _, pattern := range []string{"*.tofu", "*.tofu.json"} {
		found, err := filepath.Glob(filepath.Join(s.target.dir, pattern))
		w.Tofu = w.Tofu || err == nil && len(found) > 0
	}
	return w
}

func (r *reading) source(ctx context.Context) usercli.Source {
	s := r.stack
	config := s.config.CLIConfig
	if config == "" {
		config = s.host.getenv("TF_CLI_CONFIG_FILE")
	}
	if abs, err := filepath.Abs(config); err == nil && config != "" {
		config = abs
	}
	return usercli.Source{
		Dir: s.target.dir, DataDir: s.target.dataDir, Workspace: s.target.workspace, Environ: s.host.environ, Quiet: quiet, Home: s.host.home,
		CLIConfig: config, Packages: r.packages(), Limit: usercli.DefaultLimit(),
		State: func(path string) error { return s.keeper.copyTo(ctx, path, r.header) },
	}
}

// packages are the providers that the lock file names: where init left them, and else in a mirror. Those that are nowhere are left out,
// and the tool, which checks every one against the lock file by itself, says so.
func (r *reading) packages() map[string]string {
	found := map[string]string{}
	for p, locked := range r.finder.Lock {
		name := p.String() + "/" + locked.Version + "/" + runtime.GOOS + "_" + runtime.GOARCH
		installed := filepath.Join(r.stack.target.dataDir, "providers", filepath.FromSlash(name))
		if exists(installed) {
			found[name] = installed
		} else if pack, err := r.finder.Find(p); err == nil {
			found[name] = filepath.Dir(pack.Executable)
		}
	}
	return found
}

// copyTo writes the state to a file, if it is the version that was read.
func (k *keeper) copyTo(ctx context.Context, path string, want state.Header) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if k.target.backend == nil {
		err = copyRegular(out, k.target.state)
	} else {
		err = k.copyRemote(ctx, out)
	}
	if err != nil {
		return err
	}
	if h, err := state.ReadHeader(path); err != nil || h != want {
		return errors.Join(errors.New("the state moved during the scan"), err)
	}
	return nil
}

func copyRegular(out io.Writer, path string) error {
	in, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

func (k *keeper) copyRemote(ctx context.Context, out io.Writer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	body, err := k.fetch(ctx, "")
	if err == nil {
		_, err = out.Write(body)
	}
	return err
}

// plan has the tool plan what the code wants.
func (c *cliRun) plan(ctx context.Context) (*planfile.Plan, error) {
	var plan *planfile.Plan
	err := c.run(ctx, usercli.OfCode, nil, func(shown io.Reader) (err error) {
		plan, err = planfile.Parse(shown, planfile.DefaultLimits())
		return err
	})
	if err != nil {
		return nil, err
	}
	plan.Relocate(c.copy.Tree, c.copy.Top)
	return plan, nil
}

// run has the tool plan, with the values that our own settings give to variables.
func (c *cliRun) run(ctx context.Context, kind usercli.Kind, more []string, read func(shown io.Reader) error) error {
	s := c.reading.stack
	for _, file := range s.config.VarFiles {
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.target.dir, file)
		}
		more = append(more, "-var-file="+file)
	}
	if len(s.config.Vars) > 0 { // not as arguments, which anybody on the host can see
		file, err := c.copy.Put("settings.tfvars", c.reading.tree.Root.Written(s.config.Vars))
		if err != nil {
			return err
		}
		more = append(more, "-var-file="+file)
	}
	return c.copy.Plan(ctx, c.tool, kind, more, read)
}

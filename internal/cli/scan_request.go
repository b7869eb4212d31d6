package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// sourceFlags are what can be said about how a stack is read.
type sourceFlags struct {
	source      string
	config      string
	workspace   string
	concurrency int
	timeout     time.Duration
	allGone     bool
	pending     bool
	allowExec   bool
	vars        []string
	varFiles    []string
}

func (f *sourceFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.workspace, "workspace", "", "name of the workspace")
	flags.IntVar(&f.concurrency, "concurrency", 0, "how many resources each provider reads at once (else the source knows)")
	flags.Lookup("concurrency").DefValue = ""
	flags.DurationVar(&f.timeout, "timeout", 0, "how long one read may take, such as 90s (else the source knows)")
	flags.Lookup("timeout").DefValue = ""
	flags.BoolVar(&f.allGone, "confirm-deletions", false, "believe it if everything that one provider was asked for is gone (else held to be a wrong account)")
	flags.BoolVar(&f.pending, "pending", false, "look also for code that is not applied yet, by a plan of tofu or terraform that changes nothing")
	flags.BoolVar(&f.allowExec, "allow-exec", false, "let the stack's code run programs of its own (data sources such as external), where a plan needs them")
	flags.StringArrayVar(&f.vars, "var", nil, "value of an input variable, as name=value; can be repeated")
	flags.StringArrayVar(&f.varFiles, "var-file", nil, "file of values of input variables; can be repeated")
	flags.StringVar(&f.config, "config", "", "file of settings and rules of acceptance (else taffrail.yaml beside the stack, if there is one)")
	flags.StringVar(&f.source, "source", "terraform", "system that the stack belongs to")
}

func (f sourceFlags) check() error {
	switch {
	case f.concurrency < 0:
		return usage("give 1 or more, or leave the flag out", "--concurrency %d: nothing can be read by so many", f.concurrency)
	case f.timeout < 0:
		return usage("give a time such as 90s, or leave the flag out", "--timeout %v has passed before it begins", f.timeout)
	}
	for _, v := range f.vars {
		if name, _, ok := strings.Cut(v, "="); !ok || strings.TrimSpace(name) == "" {
			// The value may be a secret: it is not repeated.
			return usage("write --var name=value", "--var has no name, or no =")
		}
	}
	return nil
}

// sourceSettings are the keys of a source's Config that flags can set.
type sourceSettings struct {
	Target      string            `json:"target"`
	Workspace   string            `json:"workspace,omitempty"`
	Concurrency int               `json:"concurrency,omitempty"`
	Timeout     string            `json:"timeout,omitempty"`
	AllGone     bool              `json:"confirm_mass_deletion,omitempty"`
	Pending     bool              `json:"pending,omitempty"`
	AllowExec   bool              `json:"allow_exec,omitempty"`
	Vars        map[string]string `json:"vars,omitempty"`
	VarFiles    []string          `json:"var_files,omitempty"`
	Also        []string          `json:"also,omitempty"`
}

// settings writes the flags as YAML: as that part of it which is JSON, where no text is taken for anything else. also are other stacks.
func (f sourceFlags) settings(target string, also []string) ([]byte, error) {
	s := sourceSettings{
		Target: target, Workspace: f.workspace, Concurrency: f.concurrency, AllGone: f.allGone, Pending: f.pending, AllowExec: f.allowExec, Also: also,
	}
	if f.timeout > 0 {
		s.Timeout = f.timeout.String()
	}
	for _, v := range f.vars {
		name, value, _ := strings.Cut(v, "=")
		if s.Vars == nil {
			s.Vars = map[string]string{}
		}
		s.Vars[strings.TrimSpace(name)] = value
	}
	for _, file := range f.varFiles {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", file, err)
		}
		s.VarFiles = append(s.VarFiles, absolute)
	}
	if err := s.check(f.vars); err != nil {
		return nil, err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write settings of the source: %w", err)
	}
	return escapeJSON(b), nil
}

// check refuses what JSON would change.
func (s sourceSettings) check(vars []string) error {
	for _, text := range slices.Concat([]string{s.Target, s.Workspace}, s.VarFiles, s.Also) {
		if !utf8.ValidString(text) {
			return usage("rename it", "%q is not UTF-8", text)
		}
	}
	for _, v := range vars {
		if !utf8.ValidString(v) {
			return usage("write it in UTF-8, or in a file", "--var holds a value that is not UTF-8")
		}
	}
	return nil
}

// request is what is asked for one stack as far as the source is concerned. also are other stacks.
func (f sourceFlags) request(target string, also []string) (daemon.ScanRequest, error) {
	r := daemon.ScanRequest{System: f.source}
	settings, err := f.settings(target, also)
	if err != nil {
		return r, err
	}
	c, err := configOf(f.config, target)
	if err != nil {
		return r, err
	}
	r.Accept, r.Settings = c.Accept, settings
	if f.source == "terraform" {
		r.Settings, err = underFlags(c.Terraform, settings)
	}
	return r, err
}

// request is what is asked for one of the stacks. Where unmanaged resources are looked for, it knows of the others.
func (f scanFlags) request(targets []string, i int) (daemon.ScanRequest, error) {
	scope := f.scope()
	var also []string
	if len(scope.Types) > 0 {
		for _, other := range slices.Concat(targets[:i], targets[i+1:], f.managedBy) {
			if other != targets[i] && !slices.Contains(also, other) {
				also = append(also, other)
			}
		}
	}
	r, err := f.sourceFlags.request(targets[i], also)
	r.Selection, r.Scope = f.selection(), scope
	return r, err
}

func (f scanFlags) scope() taffrail.Scope {
	var s taffrail.Scope
	for _, name := range f.unmanaged {
		kind := taffrail.ResourceType(strings.TrimSpace(name))
		if kind == "all" {
			kind = taffrail.EveryType
		}
		if !slices.Contains(s.Types, kind) {
			s.Types = append(s.Types, kind)
		}
	}
	return s
}

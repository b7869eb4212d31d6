package terraform

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// RunConfig says which stack a run is about.
type RunConfig struct {
	// Stack is the folder of the root module. Empty means the one that the command itself names, if it is terraform or tofu.
	Stack string `yaml:"stack"`
}

// A runWatcher implements [taffrail.RunWatcher].
type runWatcher struct {
	env    plug.Env
	config RunConfig
	cache  string
	home   string
}

func newRunWatcher(env plug.Env, c RunConfig, h host) *runWatcher {
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	return &runWatcher{env: env, config: c, cache: h.cache, home: h.home}
}

// describeTime bounds how long the state is looked for: a run does not wait for it.
const describeTime = 10 * time.Second

// Recognise implements [taffrail.RunWatcher].
func (w *runWatcher) Recognise(ctx context.Context, c taffrail.Command) taffrail.RunSubject {
	line := parseLine(c.Args)
	s := taffrail.RunSubject{Known: line.tool != "" || w.config.Stack != "", Verb: line.verb}
	if !s.Known {
		return s
	}
	s.Dir = w.folder(c, line)
	s.Plan = planDigest(line, s.Dir)
	switch {
	case line.tool == "":
		s.Why = "what the command runs is not known; --tap asks for a tap"
	case line.verb != "apply" && line.verb != "destroy":
		s.Why = line.tool + " " + line.verb + " applies nothing"
	default:
		s.Tap = true
	}
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	stack, err := w.open(c, line, s.Dir)
	if err != nil {
		w.env.Logger.Debug("the stack of the run is not known", slog.Any("error", err))
		return s
	}
	defer stack.Close()
	if info, err := stack.Describe(ctx); err == nil {
		s.Stack = &info
	} else {
		w.env.Logger.Debug("the stack of the run is not known", slog.Any("error", err))
	}
	return s
}

// folder is that of the root module.
func (w *runWatcher) folder(c taffrail.Command, line line) string {
	dir := cmp.Or(w.config.Stack, line.chdir)
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(c.Dir, dir)
}

// open opens the stack as the command sees it. No provider is started.
func (w *runWatcher) open(c taffrail.Command, line line, dir string) (*stack, error) {
	return open(w.env, Config{Target: dir, Vars: line.vars, VarFiles: line.varFiles}, w.host(c))
}

func (w *runWatcher) host(c taffrail.Command) host {
	return host{environ: c.Env, home: w.home, cache: w.cache}
}

// A line is a command line of the tool, as far as we need it.
type line struct {
	tool     string // "terraform" or "tofu"; empty: it is neither
	chdir    string
	verb     string
	plan     string // a plan file to apply
	vars     map[string]string
	varFiles []string
}

// valued are the flags of apply and destroy whose value may be an argument of its own.
var valued = []string{
	"backup", "encryption", "exclude", "exclude-file", "lock-timeout", "parallelism", "replace", "state", "state-out", "target", "target-file", "var", "var-file",
}

func parseLine(args []string) line {
	l := line{vars: map[string]string{}}
	if len(args) == 0 {
		return l
	}
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	if name != "terraform" && name != "tofu" {
		return l
	}
	l.tool = name
	rest := args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		flag, value, _ := strings.Cut(strings.TrimLeft(rest[0], "-"), "=")
		switch flag {
		case "chdir":
			l.chdir = value
		case "help", "h", "version", "v":
			return l
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		l.verb = rest[0]
		l.parseFlags(rest[1:])
	}
	return l
}

func (l *line) parseFlags(rest []string) {
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if !strings.HasPrefix(arg, "-") {
			if l.plan == "" && l.verb == "apply" {
				l.plan = arg
			}
			continue
		}
		flag, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !given && slices.Contains(valued, flag) && len(rest) > 0 {
			value, rest = rest[0], rest[1:]
		}
		switch flag {
		case "var":
			if name, text, ok := strings.Cut(value, "="); ok {
				l.vars[name] = text
			}
		case "var-file":
			l.varFiles = append(l.varFiles, value)
		}
	}
}

// planDigest is the SHA-256 of the plan file among the arguments; empty where there is none.
func planDigest(l line, dir string) string {
	if l.plan == "" {
		return ""
	}
	path := l.plan
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

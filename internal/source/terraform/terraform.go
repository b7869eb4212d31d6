// Package terraform reads stacks of Terraform and OpenTofu: their state, and what is live, through the stack's own providers.
//
// A provider is asked just as the tool itself asks it before a plan: it is started from the stack's folder of providers, configured
// from the stack's code and environment, given what the state holds of a resource, and answers with what is live. Nothing is
// planned, no lock is taken, and nothing is written into the stack's folder; a provider runs with that folder as its working
// directory, as under the tool, since configurations hold relative paths.
//
// What is particular to Terraform stays in this folder: schemas, private state, credentials, cty values. What leaves it
// are Observations, with every secret replaced by a keyed digest, and gaps that say what could not be read and why.
package terraform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
)

// Register adds the source to the registry, under the name "terraform": it reads stacks, finds them below a folder, and watches runs of the tools.
func Register(r *plug.Registry) {
	plug.Add(r, "terraform", func(_ context.Context, env plug.Env, c Config) (taffrail.Stack, error) {
		return open(env, c, system())
	})
	plug.Add(r, "terraform", func(_ context.Context, _ plug.Env, c DiscoverConfig) (taffrail.Discoverer, error) {
		return newDiscoverer(c, system())
	})
	plug.Add(r, "terraform", func(_ context.Context, env plug.Env, c RunConfig) (taffrail.RunWatcher, error) {
		return newRunWatcher(env, c, system()), nil
	})
}

// Config says which stack to read, and how.
type Config struct {
	// Target is the folder of a root module, a state file, or the URL of a state in a backend. Empty means the current folder. The code beside a state
	// file, if there is any, configures the providers. Without code a provider gets an empty configuration, and takes account,
	// region and credentials from the environment alone: set there what the code would say.
	Target string `yaml:"target"`
	// Code is the folder of the root module whose code configures the providers, for a target that is a URL. Empty means none.
	Code string `yaml:"code"`
	// Workspace is the workspace to read. Empty means the selected one: TF_WORKSPACE, else what `workspace select` chose.
	Workspace string `yaml:"workspace"`
	// Vars gives variables of the root module a value, as -var does, and VarFiles names files of values, as -var-file does, relative ones
	// below the root module's folder. The values go before the files, and both before everything else.
	Vars     map[string]string `yaml:"vars"`
	VarFiles []string          `yaml:"var_files"`
	// Concurrency is how many resources one provider process reads at once. 0 means 10, which is what the tools do.
	Concurrency int `yaml:"concurrency"`
	// ServiceConcurrency is how many of those may be of one service of the system, which is the second word of a type: s3 of
	// aws_s3_bucket. 0 means as many as Concurrency. A service that asks for fewer calls gets fewer, whatever this says.
	ServiceConcurrency int `yaml:"service_concurrency"`
	// Timeout bounds each call to a provider. 0 means 60s.
	Timeout time.Duration `yaml:"timeout"`
	// RetryPause is how long a service that asks for fewer calls is left alone at first, and about twice as long each time that it
	// does so again. 0 means 500ms.
	RetryPause time.Duration `yaml:"retry_pause"`
	// ConfirmDelay is how long after a resource was found gone it is read again, before it is believed. 0 means 1s.
	ConfirmDelay time.Duration `yaml:"confirm_delay"`
	// SettleDelay is that delay where the state was written in the last two minutes, and then it is also how long after a resource was found
	// to differ it is read again: a system may go on giving its old answers for a moment after an apply. 0 means 5s, and no less than
	// ConfirmDelay.
	SettleDelay time.Duration `yaml:"settle_delay"`
	// ConfirmMassDeletion says that it is no mistake if all resources of a type, or of most types, that a provider configuration is asked
	// for are gone. Without it they are reported as gaps, since a provider that was led to another account or region finds none either.
	ConfirmMassDeletion bool `yaml:"confirm_mass_deletion"`
	// CLIConfig is the file that says where mirrors of providers are. Empty means the file that the tools would take.
	CLIConfig string `yaml:"cli_config"`
	// CLI is the user's own tool, where one is needed: "terraform", "tofu" or a path. Empty means the one that fits the stack.
	CLI string `yaml:"cli"`
	// AllowExec permits what the stack's code can ask for: to run programs of its choice, such as those that give a key,
	// and those of data sources of the type "external" where Pending is asked for.
	AllowExec bool `yaml:"allow_exec"`
	// CacheDir is a folder in which packed providers are unpacked. Empty means a folder "taffrail" in the user's cache.
	CacheDir string `yaml:"cache_dir"`
	// Init says whether the user's own terraform or tofu may install a locked provider that is nowhere on this host: "auto", which is the
	// default, or "never". It goes to CacheDir, and neither the stack nor its lock file is touched.
	Init string `yaml:"init"`
	// AllowUnlocked runs providers of a stack that has no lock file, if init left exactly one version of them in the stack's
	// own folder. Their content is then vouched for by nobody.
	AllowUnlocked bool `yaml:"allow_unlocked"`
	// ReadAll also reads resources whose data lives in the state alone (random, time, tls, ...). Their providers answer with
	// what they are given, so that this shows no drift: it is for tests of the machinery.
	ReadAll bool `yaml:"read_all"`
	// Pending also asks what the code wants and is not applied yet, through the user's own terraform or tofu.
	Pending bool `yaml:"pending"`
	// Fallback says whether resources are read through the user's own tool where only that can work out how the code configures
	// their provider: "auto", which empty means, or "never".
	Fallback string `yaml:"fallback"`
	// PlanTimeout bounds each plan of it. 0 means 10m.
	PlanTimeout time.Duration `yaml:"plan_timeout"`
	// List says by type how its live resources are listed, where they are looked for that no stack declares: what would stand in the
	// list's block of code, such as harbor_dns_record: {zone: "example.com"}.
	List map[string]map[string]any `yaml:"list"`
	// Also names folders of root modules, or state files, whose resources are no strangers either: what one of them declares is not
	// unmanaged. Their states are read, and nothing live.
	Also []string `yaml:"also"`
}

const (
	defaultConcurrency  = 10
	maxConcurrency      = 1000
	defaultTimeout      = time.Minute
	defaultConfirmDelay = time.Second
	defaultSettleDelay  = 5 * time.Second
	defaultRetryPause   = 500 * time.Millisecond
	defaultPlanTimeout  = 10 * time.Minute

	fallbackAuto  = "auto"
	fallbackNever = "never"
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Concurrency < 0 || c.Concurrency > maxConcurrency:
		return c, badConfig("concurrency %d is not from 1 to %d", c.Concurrency, maxConcurrency)
	case c.ServiceConcurrency < 0 || c.ServiceConcurrency > maxConcurrency:
		return c, badConfig("service_concurrency %d is not from 1 to %d", c.ServiceConcurrency, maxConcurrency)
	case c.Timeout < 0:
		return c, badConfig("timeout %v is negative", c.Timeout)
	case c.RetryPause < 0 || c.RetryPause > longestPause:
		return c, badConfig("retry_pause %v is not from 0 to %v", c.RetryPause, longestPause)
	case c.Fallback != "" && c.Fallback != fallbackAuto && c.Fallback != fallbackNever:
		return c, badConfig("fallback %q is neither %q nor %q", c.Fallback, fallbackAuto, fallbackNever)
	case c.PlanTimeout < 0:
		return c, badConfig("plan_timeout %v is negative", c.PlanTimeout)
	case c.ConfirmDelay < 0:
		return c, badConfig("confirm_delay %v is negative", c.ConfirmDelay)
	case c.SettleDelay < 0:
		return c, badConfig("settle_delay %v is negative", c.SettleDelay)
	}
	if err := checkInit(c.Init); err != nil {
		return c, err
	}
	if c.Target == "" {
		c.Target = "."
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.ServiceConcurrency == 0 || c.ServiceConcurrency > c.Concurrency {
		c.ServiceConcurrency = c.Concurrency
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.PlanTimeout == 0 {
		c.PlanTimeout = defaultPlanTimeout
	}
	if c.RetryPause == 0 {
		c.RetryPause = defaultRetryPause
	}
	if c.ConfirmDelay == 0 {
		c.ConfirmDelay = defaultConfirmDelay
	}
	if c.SettleDelay == 0 {
		c.SettleDelay = defaultSettleDelay
	}
	c.SettleDelay = max(c.SettleDelay, c.ConfirmDelay)
	return c, nil
}

func badConfig(format string, args ...any) error {
	return &taffrail.Error{Op: "open stack", Kind: taffrail.KindInvalid, Err: fmt.Errorf(format, args...)}
}

// open finds the stack's code and state, and removes what a run that was killed left behind. No provider is started before the first Read.
func open(env plug.Env, c Config, host host) (*stack, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if env.Sealer == nil {
		return nil, &taffrail.Error{Op: "open stack", Kind: taffrail.KindInternal, Err: errors.New("there is no key to seal secrets with")}
	}
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	usercli.Sweep()
	target, err := findTarget(c, host)
	if err != nil {
		return nil, err
	}
	return &stack{env: env, config: c, host: host, target: target, growth: maxGrowth, keeper: &keeper{target: target, config: c, host: host}, sessions: map[addr.ProviderConfig]*session{}}, nil
}

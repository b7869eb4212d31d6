package terraform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// An examination looks at everything that a scan needs, in the order in which a scan needs it. It goes by the scan's own ways, so that
// what it says holds for the scan; it stops before the first resource would be read.
type examination struct {
	stack *stack
	emit  func(taffrail.Check) error
	err   error // of emit
}

// Examine implements [taffrail.Examiner]. Provider processes that it starts stay for a Read that follows.
func (s *stack) Examine(ctx context.Context, emit func(taffrail.Check) error) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	x := &examination{stack: s, emit: emit}
	tree := x.code(ctx)
	recorded := x.state(ctx)
	x.lock(ctx)
	finder := s.finder(ctx)
	x.lockFile(finder, recorded)
	x.variables(tree)
	x.program(ctx, finder)
	if recorded == nil {
		x.say("provider", "", taffrail.CheckSkipped, "which providers are needed is not known without the state", "")
		return cmp.Or(x.err, ctx.Err())
	}
	x.objects(recorded)
	found := x.providers(finder, recorded)
	x.configurations(ctx, tree, finder, recorded, found)
	return cmp.Or(x.err, ctx.Err())
}

func (x *examination) say(name, subject string, result taffrail.CheckResult, detail, hint string) {
	if x.err == nil {
		x.err = x.emit(taffrail.Check{Name: name, Subject: subject, Result: result, Detail: oneLine(detail), Hint: hint})
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// fail says what stands in the way, with its hint.
func (x *examination) fail(name, subject string, err error) {
	x.say(name, subject, taffrail.CheckFailed, reasonOf(err), taffrail.HintOf(err))
}

// code reads the root module; nil where it cannot be read.
func (x *examination) code(ctx context.Context) *module.Tree {
	t := x.stack.target
	tree, err := t.load()
	switch {
	case err != nil:
		x.fail("code", t.dir, err)
		return nil
	case !t.code:
		x.say("code", "", taffrail.CheckWarning, "there is none: providers take account, region and credentials from the environment alone",
			"scan the folder of the root module, or set in the environment what the code would say")
		return tree
	}
	detail := fmt.Sprintf("%s, %s called", count(len(tree.Root.Resources), "resource"), count(len(tree.Root.Calls), "module"))
	if c := x.stack.commit(ctx); c != nil {
		detail += fmt.Sprintf("; commit %.12s", c.Hash)
		if c.Dirty {
			detail += ", with changes"
		}
	}
	x.say("code", t.dir, taffrail.CheckOK, detail, "")
	return tree
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// state reads the state; nil where it cannot be read.
func (x *examination) state(ctx context.Context) *state.State {
	recorded, err := x.stack.keeper.read(ctx)
	where := x.stack.keeper.name()
	if err != nil {
		x.fail("state", where, err)
		return nil
	}
	x.say("state", where, taffrail.CheckOK, fmt.Sprintf("workspace %s, serial %d, lineage %s, written by version %s, %s",
		x.stack.target.workspace, recorded.Serial, addr.Clip(recorded.Lineage), cmp.Or(addr.Clip(recorded.Tool), "unknown"), count(len(recorded.Instances), "resource")), "")
	return recorded
}

func (x *examination) lock(ctx context.Context) {
	who, held, err := x.stack.keeper.locked(ctx)
	switch {
	case x.stack.target.unlocated != nil:
		x.say("state lock", "", taffrail.CheckSkipped, "where the state is kept is not known", "")
	case err != nil:
		x.fail("state lock", "", err)
	case held:
		x.say("state lock", "", taffrail.CheckWarning, "it is held: "+who, "scan when the apply is over: what a scan finds until then is reported as raced")
	case who == lockUnknown:
		x.say("state lock", "", taffrail.CheckWarning, "it cannot be seen without taking it: an apply during the scan is noticed when the state moves", "")
	default:
		x.say("state lock", "", taffrail.CheckOK, "not held", "")
	}
}

func (x *examination) lockFile(f *install.Finder, recorded *state.State) {
	switch {
	case errors.Is(f.LockErr, fs.ErrNotExist) && recorded != nil && len(external(recorded)) == 0:
		x.say("lock file", "", taffrail.CheckOK, "there is none, and no provider of the state needs one", "")
	case f.LockErr != nil && x.stack.config.AllowUnlocked:
		x.say("lock file", "", taffrail.CheckWarning, reasonOf(f.LockErr)+": providers are run that nobody vouches for", taffrail.HintOf(f.LockErr))
	case f.LockErr != nil:
		x.fail("lock file", "", f.LockErr)
	default:
		x.say("lock file", "", taffrail.CheckOK, count(len(f.Lock), "provider")+" locked", "")
	}
	if f.Broken != nil {
		x.say("CLI configuration", "", taffrail.CheckWarning, f.Broken.Error(), "mend it: its mirrors are not looked into")
	}
}

// objects tells of what is in the state beside ordinary resources.
func (x *examination) objects(recorded *state.State) {
	deposed, tainted := 0, 0
	for i := range recorded.Instances {
		switch {
		case recorded.Instances[i].Deposed != "":
			deposed++
		case recorded.Instances[i].Tainted:
			tainted++
		}
	}
	if deposed > 0 {
		x.say("deposed objects", "", taffrail.CheckWarning, count(deposed, "object")+" that wait to be destroyed: not compared", "apply the stack: it destroys them")
	}
	if tainted > 0 {
		x.say("tainted resources", "", taffrail.CheckWarning, count(tainted, "resource")+" that the next apply replaces: compared as all others", "")
	}
}

// external lists the providers of a state that are programs of their own.
func external(recorded *state.State) []addr.Provider {
	needed := map[addr.Provider]bool{}
	for i := range recorded.Instances {
		if p := recorded.Instances[i].Provider.Provider; !p.Builtin() {
			needed[p] = true
		}
	}
	return slices.SortedFunc(maps.Keys(needed), func(a, b addr.Provider) int { return cmp.Compare(a.String(), b.String()) })
}

// providers looks for each provider of the state, and gives those that can be run.
func (x *examination) providers(f *install.Finder, recorded *state.State) map[addr.Provider]bool {
	found := map[addr.Provider]bool{}
	for _, p := range external(recorded) {
		pack, err := f.Find(p)
		if err != nil {
			x.fail("provider", p.String(), err)
			continue
		}
		found[p] = true
		vouched := "its hash is in the lock file"
		if f.Lock == nil {
			vouched = "nothing vouches for its content"
		}
		x.say("provider", p.String(), taffrail.CheckOK, fmt.Sprintf("version %s at %s; %s", pack.Version, pack.Executable, vouched), "")
	}
	return found
}

// configurations starts and configures each provider as a scan would, and looks at the types that it is to read.
func (x *examination) configurations(ctx context.Context, tree *module.Tree, f *install.Finder, recorded *state.State, found map[addr.Provider]bool) {
	r := &reading{
		stack: x.stack, header: recorded.Header, tree: tree, finder: f, declared: map[declaredKey]*declared{}, seen: map[taffrail.Address]bool{},
		lanes: map[addr.ProviderConfig]*lane{},
	}
	uses := tally(r, recorded)
	for _, config := range slices.SortedFunc(maps.Keys(uses), func(a, b addr.ProviderConfig) int { return cmp.Compare(a.String(), b.String()) }) {
		if ctx.Err() != nil || x.err != nil {
			return
		}
		u := uses[config]
		l := &lane{reading: r, config: config, kinds: map[string]bool{}}
		for t, k := range u {
			l.kinds[t] = k.left == nil
		}
		maps.DeleteFunc(l.kinds, func(_ string, wanted bool) bool { return !wanted })
		switch {
		case len(l.kinds) == 0:
			x.types(config, u, nil, nil)
		case !found[config.Provider]:
			x.say("provider configuration", config.String(), taffrail.CheckSkipped, "the provider cannot be run", "")
			x.types(config, u, nil, &provider.Failure{Detail: "the provider cannot be run"})
		case tree == nil:
			x.say("provider configuration", config.String(), taffrail.CheckSkipped, "the code cannot be read", "")
			x.types(config, u, nil, &provider.Failure{Detail: "the code cannot be read"})
		default:
			x.configuration(ctx, r, l, u)
		}
	}
}

func (x *examination) configuration(ctx context.Context, r *reading, l *lane, u map[string]*use) {
	s := x.stack.session(r, l)
	failure := s.ensure(ctx)
	if ctx.Err() != nil {
		return
	}
	if failure != nil {
		x.say("provider configuration", l.config.String(), taffrail.CheckFailed, fmt.Sprintf("%s: %s", failure.Reason, s.scrub(failure.Detail)), failure.Hint)
		x.types(l.config, u, nil, failure)
		return
	}
	x.say("provider configuration", l.config.String(), taffrail.CheckOK, fmt.Sprintf("the provider runs, speaks protocol %d and took its configuration", s.process.Protocol()), "")
	x.types(l.config, u, s, nil)
	x.lists(ctx, s)
}

package terraform

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
)

// A use is a resource type as a state holds it.
type use struct {
	count          int
	oldest, newest int64         // versions of the schema that instances were written with
	left           *taffrail.Gap // why nobody is asked for it
}

// tally counts the resources of each type by the provider configuration that reads them. Deposed objects are not among them.
func tally(r *reading, recorded *state.State) map[addr.ProviderConfig]map[string]*use {
	uses := map[addr.ProviderConfig]map[string]*use{}
	for n := range recorded.Instances {
		i := &recorded.Instances[n]
		if i.Deposed != "" {
			continue
		}
		types := uses[i.Provider]
		if types == nil {
			types = map[string]*use{}
			uses[i.Provider] = types
		}
		u := types[i.Type]
		if u == nil {
			u = &use{oldest: i.SchemaVersion, left: r.leftOut(i)}
			types[i.Type] = u
		}
		u.count++
		u.oldest, u.newest = min(u.oldest, i.SchemaVersion), max(u.newest, i.SchemaVersion)
	}
	return uses
}

// types says of each type of a provider configuration whether it can be read. The session is nil if there is none.
func (x *examination) types(config addr.ProviderConfig, types map[string]*use, s *session, failure *provider.Failure) {
	for _, t := range slices.Sorted(maps.Keys(types)) {
		u := types[t]
		subject := t
		if config.Alias != "" || config.Module != "" {
			subject += " of " + config.String()
		}
		result, detail, hint := u.readable(t, s)
		switch {
		case u.left != nil:
			result, detail, hint = taffrail.CheckWarning, "not checked: "+u.left.Detail, ""
		case failure != nil:
			result, detail, hint = taffrail.CheckSkipped, failure.Detail, ""
			if s := x.stack.sessions[config]; s != nil {
				detail = s.scrub(detail)
			}
		}
		x.say("resource type", subject, result, count(u.count, "resource")+": "+detail, hint)
	}
}

// readable compares what the state holds of a type with what the provider has.
func (u *use) readable(name string, s *session) (result taffrail.CheckResult, detail, hint string) {
	if s == nil {
		return taffrail.CheckSkipped, "its provider was not asked", ""
	}
	switch known := s.resources[name]; {
	case known.err != nil:
		return taffrail.CheckFailed, "its schema cannot be used: " + known.err.Error(), "use another version of the provider"
	case known.schema == nil:
		return taffrail.CheckFailed, "the provider does not have it", "run init with a version of the provider that has it, or remove it from the state"
	case u.newest > known.schema.Version:
		return taffrail.CheckFailed, fmt.Sprintf("the state was written with version %d of its schema, and the provider has %d", u.newest, known.schema.Version),
			"run init with the version of the provider that wrote the state"
	case u.oldest < known.schema.Version:
		return taffrail.CheckOK, fmt.Sprintf("read live; the state has version %d of its schema, and is brought to %d first", u.oldest, known.schema.Version), ""
	}
	return taffrail.CheckOK, "read live", ""
}

// lists names the types that could be looked for beyond the state.
func (x *examination) lists(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, x.stack.config.Timeout)
	defer cancel()
	listable, all, failure := s.process.Listables(ctx)
	switch {
	case failure != nil:
		x.say("unmanaged resources", s.config.String(), taffrail.CheckWarning, "what can be listed is not known: "+s.scrub(failure.Detail), failure.Hint)
	case len(listable) == 0:
		x.say("unmanaged resources", s.config.String(), taffrail.CheckWarning, fmt.Sprintf("none of its %s can be listed", count(len(all), "resource type")), "")
	default:
		x.say("unmanaged resources", s.config.String(), taffrail.CheckOK,
			fmt.Sprintf("%d of %s can be listed: %s", len(listable), count(len(all), "resource type"), some(slices.Sorted(maps.Keys(listable)))), "")
	}
}

// some names the first of a list.
func some(names []string) string {
	const most = 20
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// variables names those that have no value: a provider configuration that needs one cannot be worked out.
func (x *examination) variables(tree *module.Tree) {
	if tree == nil || tree.Root == nil {
		return
	}
	unset, err := tree.Root.Unset((&reading{stack: x.stack}).scope())
	switch {
	case err != nil:
		x.fail("variables", "", err)
	case len(unset) > 0:
		x.say("variables", "", taffrail.CheckWarning, fmt.Sprintf("%s without a value: %s", count(len(unset), "variable"), some(unset)),
			"set TF_VAR_NAME, or give the files and values that the stack is applied with")
	default:
		x.say("variables", "", taffrail.CheckOK, "each has a value", "")
	}
}

// program looks for the user's own tool. Live resources are read without it.
func (x *examination) program(ctx context.Context, f *install.Finder) {
	s := x.stack
	tool, err := usercli.Find(ctx, usercli.Wish{
		Program: s.config.CLI, Path: s.host.getenv("PATH"), Locked: slices.Collect(maps.Keys(f.Lock)), Environ: s.host.environ,
	})
	if err != nil {
		x.say("tool", "", taffrail.CheckWarning, reasonOf(err)+": live resources are read without it, and code that is not applied yet is not seen", taffrail.HintOf(err))
		return
	}
	x.say("tool", tool.Path, taffrail.CheckOK, fmt.Sprintf("%s %s", tool.Name, tool.Version), "")
}

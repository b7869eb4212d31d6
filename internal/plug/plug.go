// Package plug is the registry of plug-ins: what stands for someone else's system, by role and name.
//
// A plug-in folder exports Register, which calls [Add] once for each role that it can play, and a Config of its own. [Open]
// decodes the configuration strictly into that Config and calls the plug-in. The registry is a value: there is no global one,
// and nothing registers itself.
package plug

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/taffrail-dev/taffrail"
)

// Env is all that a plug-in may take from us.
type Env struct {
	Logger *slog.Logger     // operational messages, never secrets
	Now    func() time.Time // the time, and the only source of it
	Sealer taffrail.Sealer  // turns secrets into keyed digests; nil for roles that see none
	// LogDatabase is the address of the database that holds the log, if it is a server's, for a guard that must not be in it. It may hold a
	// password.
	LogDatabase string
}

// Settings are the configuration of one plug-in, as written by a person or built from flags.
type Settings struct {
	File string // where the text comes from, for error messages
	YAML []byte
}

// A Registry holds the plug-ins that this program was built with. The zero Registry is empty and ready.
type Registry struct {
	entries map[key]entry
}

type key struct {
	role reflect.Type
	name string
}

type entry struct {
	config reflect.Type
	open   func(context.Context, Env, Settings) (any, error)
}

// Add registers that the plug-in of this name can play role R. R is an interface type and C the plug-in's Config. Adding the same
// role and name twice is a mistake of the program, and panics.
func Add[R, C any](r *Registry, name string, open func(context.Context, Env, C) (R, error)) {
	k := key{reflect.TypeFor[R](), name}
	if _, double := r.entries[k]; double {
		panic(fmt.Sprintf("plug: %v %q is registered twice", k.role, name))
	}
	if r.entries == nil {
		r.entries = map[key]entry{}
	}
	r.entries[k] = entry{reflect.TypeFor[C](), func(ctx context.Context, env Env, s Settings) (any, error) {
		config, err := decode[C](s)
		if err != nil {
			return nil, err
		}
		return open(ctx, env, config)
	}}
}

// Open opens the plug-in of this name in role R. A name that plays no such role, or settings that its Config does not know, are
// errors of [taffrail.KindInvalid]; all else is the plug-in's.
func Open[R any](ctx context.Context, r *Registry, name string, env Env, s Settings) (R, error) {
	var none R
	e, ok := r.entries[key{reflect.TypeFor[R](), name}]
	if !ok {
		return none, &taffrail.Error{
			Op: "open " + roleName[R](), Kind: taffrail.KindInvalid, Err: fmt.Errorf("%q is not known", name),
			Hint: "known are: " + strings.Join(Names[R](r), ", "),
		}
	}
	opened, err := e.open(ctx, env, s)
	if err != nil {
		return none, err
	}
	return opened.(R), nil
}

// Names lists the plug-ins that can play role R, sorted.
func Names[R any](r *Registry) []string {
	var names []string
	for k := range maps.Keys(r.entries) {
		if k.role == reflect.TypeFor[R]() {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// A Described is a plug-in in one of its roles, with the type of its settings.
type Described struct {
	Role, Name string
	Config     reflect.Type
}

// Describe lists all that is registered, sorted by role and name.
func Describe(r *Registry) []Described {
	all := []Described{}
	for k, e := range r.entries {
		all = append(all, Described{strings.ToLower(k.role.Name()), k.name, e.config})
	}
	slices.SortFunc(all, func(a, b Described) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name)) })
	return all
}

func roleName[R any]() string { return strings.ToLower(reflect.TypeFor[R]().Name()) }

// decode reads settings strictly: an unknown key is an error that names file and line.
func decode[C any](s Settings) (C, error) {
	var c C
	d := yaml.NewDecoder(bytes.NewReader(s.YAML), yaml.Strict())
	err := d.Decode(&c)
	if err == nil || errors.Is(err, io.EOF) {
		return c, nil
	}
	where := s.File
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		position := located.GetToken().Position
		where = fmt.Sprintf("%s:%d:%d", s.File, position.Line, position.Column)
		err = errors.New(located.GetMessage())
	}
	return c, &taffrail.Error{
		Op: "read settings", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: %w", where, err),
		Hint: "the keys are those of the plug-in's reference",
	}
}

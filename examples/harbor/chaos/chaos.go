// Package chaos changes what is in a practice cloud the way several people and
// programs do: rightly, in vain, to and fro, several at once. What it does
// follows from a seed, so that a cloud with a seed and a clock of its own has one
// history.
package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// People are who acts, unless others are named. The last may only read: what it
// tries is refused.
var People = []string{
	"carol@corp.example", "erin@corp.example", "grace@corp.example", "ci:4711", "ci:4712", "user:dana", "user:shared-admin",
	"carol@corp.example>Operations", "erin@corp.example>Operations>Maintenance", "mallory@corp.example>BreakGlass", "frank@corp.example",
}

// Options say what to do.
type Options struct {
	Seed   uint64
	Count  int      // of deeds; one may be several calls
	People []string // as [client.Client.Login] takes them; nil is [People]
	// Only are the kinds of objects to change; nil is all that there are.
	Only []string
	// Clock says that the cloud has a clock of its own, which is then moved.
	Clock bool
	// Report is told what was done; it may be nil.
	Report func(string)
}

// A Tally counts deeds.
type Tally struct{ Done, Refused, InVain int }

// actor is somebody with a credential, and their own client.
type actor struct {
	name  string
	c     *client.Client
	since time.Time // by the cloud's own clock
}

// run is the state of one chaos.
type run struct {
	o      Options
	c      *client.Client
	r      *rand.Rand
	actors []*actor
	things []api.Object
	now    time.Time // by the cloud's own clock; zero where it has none
	tally  Tally
}

// Act makes the deeds. A call that the cloud refuses is a part of it; one that
// gets no answer ends it.
func Act(ctx context.Context, c *client.Client, o Options) (Tally, error) {
	if o.People == nil {
		o.People = People
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	w := &run{o: o, c: c, r: rand.New(rand.NewPCG(o.Seed, 42))}
	if err := w.advance(ctx, 0); err != nil {
		return w.tally, err
	}
	for _, who := range o.People {
		a := &actor{name: who}
		if err := w.signIn(ctx, a); err != nil {
			return w.tally, err
		}
		w.actors = append(w.actors, a)
	}
	all, err := w.actors[0].c.List(ctx, "")
	if err != nil {
		return w.tally, err
	}
	w.things = slices.DeleteFunc(all, func(o api.Object) bool {
		return len(w.o.Only) > 0 && !slices.Contains(w.o.Only, o.Type) || len(values[o.Type]) == 0
	})
	if len(w.things) == 0 {
		return w.tally, errors.New("there is nothing to change: apply a stack, or make something up (harbor populate)")
	}
	for range o.Count {
		if err := w.deed(ctx); err != nil {
			return w.tally, err
		}
	}
	return w.tally, nil
}

// sessionAge is how old a session gets before somebody signs in again.
const sessionAge = 45 * time.Minute

func (w *run) signIn(ctx context.Context, a *actor) error {
	key, err := w.c.Login(ctx, a.name)
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", a.name, err)
	}
	a.c, a.since = w.c.As(key), w.now
	return nil
}

// advance moves the cloud's own clock, and has those sign in again whose sessions
// are about to end.
func (w *run) advance(ctx context.Context, seconds int) error {
	if !w.o.Clock {
		return nil
	}
	at, err := w.c.Advance(ctx, fmt.Sprintf("%ds", seconds))
	if err != nil {
		return err
	}
	w.now = at.Now
	for _, a := range w.actors {
		if w.now.Sub(a.since) > sessionAge {
			if err := w.signIn(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// deed is one of what people do, or fail to.
func (w *run) deed(ctx context.Context) error {
	if w.r.IntN(8) > 0 { // else it is the same second, nearly
		if err := w.advance(ctx, 1+w.r.IntN(180)); err != nil {
			return err
		}
	}
	by, on := pick(w.r, w.actors), pick(w.r, w.things)
	switch n := w.r.IntN(100); {
	case n < 5:
		_, err := w.c.Step(ctx)
		return err
	case n < 15:
		return w.undone(ctx, by, on)
	case n < 25:
		return w.again(ctx, by, on)
	case n < 32:
		return w.several(ctx, by, on)
	case n < 38:
		return w.throttled(ctx, by, on)
	}
	a, given := Change(w.r, on)
	return w.try(ctx, by, []string{on.ID}, on.Type, a, given)
}

// try makes one call.
func (w *run) try(ctx context.Context, by *actor, ids []string, kind string, a action.Action, given map[string]any) error {
	before, _, err := w.actors[0].c.Get(ctx, kind, ids[0])
	if err != nil && !client.NotFound(err) {
		return err
	}
	after, err := by.c.Act(ctx, kind, ids, a.Name, given, "")
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		w.tally.Refused++
		w.o.Report(fmt.Sprintf("%s may not %s %s/%v: %s", by.name, a.Name, kind, ids, refused.Code))
		return nil
	case err != nil:
		return err
	case after.Version == before.Version:
		w.tally.InVain++
	default:
		w.tally.Done++
	}
	w.o.Report(fmt.Sprintf("%s: %s on %s/%v", by.name, a.Name, kind, ids))
	return nil
}

// Change picks something that can be done to an object: an action, and what it is
// given. Some do nothing, since the object is so already.
func Change(r *rand.Rand, on api.Object) (action.Action, map[string]any) {
	for {
		a := pick(r, action.Kinds[on.Type].Actions)
		if given, ok := Give(r, on, a); ok {
			return a, given
		}
	}
}

// Give picks what an action is given, if there is something for it.
func Give(r *rand.Rand, on api.Object, a action.Action) (given map[string]any, ok bool) {
	given = map[string]any{}
	if a.Op == action.Clear || a.Op == action.Fix {
		return given, true
	}
	for _, name := range a.Attributes {
		if v := value(r, on, a, name); v != nil && (len(given) == 0 || r.IntN(3) == 0) {
			given[name] = v
		}
	}
	return given, len(given) > 0
}

func value(r *rand.Rand, on api.Object, a action.Action, name string) any {
	all := values[on.Type][name]
	if len(all) == 0 {
		return nil
	}
	v := pick(r, all)
	switch a.Op {
	case action.Add:
		return []any{v}
	case action.Remove:
		if have, _ := on.Attributes[name].([]any); len(have) > 0 && r.IntN(2) == 0 {
			return []any{pick(r, have)}
		}
		return []any{v}
	case action.Set:
		if elements[name] {
			return some(r, all)
		}
	case action.Drop:
		m, _ := v.(map[string]any)
		gone := map[string]any{}
		for k := range m {
			gone[k] = nil
		}
		return gone
	}
	return v
}

func some(r *rand.Rand, all []any) []any {
	out := []any{}
	for _, v := range all {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		out = append(out, all[0])
	}
	return out
}

// undone is a change that somebody else takes back.
func (w *run) undone(ctx context.Context, by *actor, on api.Object) error {
	now, _, err := w.actors[0].c.Get(ctx, on.Type, on.ID)
	if client.NotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	a, given := Change(w.r, now)
	if err := w.try(ctx, by, []string{on.ID}, on.Type, a, given); err != nil {
		return err
	}
	changed, _, err := w.actors[0].c.Get(ctx, on.Type, on.ID)
	if err != nil {
		return err
	}
	patch := map[string]any{}
	for _, name := range a.Attributes {
		patch[name] = now.Attributes[name]
	}
	calls, _ := action.Split(on.Type, changed.Attributes, patch)
	other := pick(w.r, w.actors)
	for _, c := range calls {
		back, _ := action.Find(on.Type, c.Action)
		if err := w.try(ctx, other, []string{on.ID}, on.Type, back, c.Attributes); err != nil {
			return err
		}
	}
	return nil
}

// again makes a change, and then somebody makes it again, in vain.
func (w *run) again(ctx context.Context, by *actor, on api.Object) error {
	a, given := Change(w.r, on)
	for _, who := range []*actor{by, pick(w.r, w.actors)} {
		if err := w.try(ctx, who, []string{on.ID}, on.Type, a, given); err != nil {
			return err
		}
	}
	return nil
}

// several is one call about several objects.
func (w *run) several(ctx context.Context, by *actor, on api.Object) error {
	bulk := Bulk(on.Type)
	var ids []string
	for _, o := range w.things {
		if o.Type == on.Type && len(ids) < 4 {
			ids = append(ids, o.ID)
		}
	}
	if len(bulk) == 0 {
		return nil
	}
	a := pick(w.r, bulk)
	given, ok := Give(w.r, on, a)
	if !ok {
		return nil
	}
	return w.try(ctx, by, ids, on.Type, a, given)
}

// Bulk are the actions of a kind that can be about several objects at once.
func Bulk(kind string) []action.Action {
	return slices.DeleteFunc(slices.Clone(action.Kinds[kind].Actions), func(a action.Action) bool { return !a.Bulk || a.Op == action.Set })
}

// throttled is a change while the cloud has had enough.
func (w *run) throttled(ctx context.Context, by *actor, on api.Object) error {
	target := api.Target(on.Type + "/" + on.ID)
	effect := pick(w.r, []api.Effect{api.Throttle, api.Error, api.Outage, api.Deny})
	if err := w.c.SetFault(ctx, api.TargetedFault{Target: target, Fault: api.Fault{Effect: effect}}); err != nil {
		return err
	}
	a, given := Change(w.r, on)
	after, err := by.c.AsProgram().Act(ctx, on.Type, []string{on.ID}, a.Name, given, "")
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && refused.Status >= http.StatusBadRequest:
		w.tally.Refused++
	case err != nil:
		return err
	default:
		return fmt.Errorf("%s is on for %s, and the call worked: version %d", effect, target, after.Version)
	}
	return w.c.ClearFaults(ctx, target)
}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A version is the object as a deed left it.
type version struct {
	deed    *deed
	stamp   taffrail.Stamp
	object  taffrail.Value
	counted bool  // the generation is the source's own count, not ours
	missing int64 // changes of intent between the version before and this one that no event tells of
	broken  bool  // something else shows that a version is missing before this one
	unnamed bool  // the object changed where the request named nothing
	sound   bool  // the count shows that no change of intent is
	written bool  // what the object notes of its writers, or what the request was made from, shows that no version is
	idle    bool  // it wrote nothing, and the version before is the same
	stood   bool  // it wrote nothing, and the version is of a write that is missing
}

// walk puts the versions that the events carry into the order of the object's own counter.
func (s *scene) walk() []version {
	var all []version
	for _, d := range s.deeds {
		if d.State == nil || d.Source == "" {
			continue
		}
		if s.outside(d) {
			continue
		}
		all = append(all, version{deed: d, stamp: d.State.Stamp, object: d.State.Object})
	}
	slices.SortStableFunc(all, func(a, b version) int {
		if a.stamp.Version > 0 && b.stamp.Version > 0 && a.stamp.Version != b.stamp.Version {
			return cmp.Compare(a.stamp.Version, b.stamp.Version)
		}
		return a.deed.Time.Compare(b.deed.Time)
	})
	return s.link(all)
}

// outside says whether an event is before the first reading or after the second, by the counter where there is one.
func (s *scene) outside(d *deed) bool {
	v := d.State.Version
	switch {
	case v > 0 && s.BeforeStamp.Version > 0 && v <= s.BeforeStamp.Version:
		return true
	case v > 0 && s.AfterStamp.Version > 0 && v > s.AfterStamp.Version && !d.State.Deleted:
		return true
	case v > 0 && s.BeforeStamp.Version > 0:
		return false
	}
	return d.place != inside
}

// link compares each version with the one before it.
func (s *scene) link(all []version) []version {
	s.markStood(all)
	prev := version{object: s.Before, stamp: s.BeforeStamp, counted: true}
	for i := range all {
		all[i].linkTo(prev)
		prev = all[i]
	}
	s.recount(all)
	return all
}

func (v *version) linkTo(prev version) {
	state := v.deed.State
	v.counted = v.stamp.Generation > 0
	if state.Partial {
		v.object = overlay(prev.object, state.Object)
	}
	v.idle = v.stamp.Version > 0 && v.stamp.Version == prev.stamp.Version
	v.stood = v.stood && !v.idle
	v.broken = v.stood
	differs := intentDiffers(prev.object, v.object)
	if !v.counted && prev.stamp.Generation > 0 {
		v.stamp.Generation = prev.stamp.Generation
		if differs {
			v.stamp.Generation++
		}
		return
	}
	if v.counted && prev.stamp.Generation > 0 && !state.Deleted {
		steps := v.stamp.Generation - prev.stamp.Generation
		if !v.stood && (differs || steps == 1 && noted(prev.object) != noted(v.object)) {
			steps-- // deployments count their annotations, too
		}
		v.missing = max(0, steps)
		v.sound = v.missing == 0
	}
	v.examine(prev)
}

// examine looks for signs of a version between, beside the counter.
func (v *version) examine(prev version) {
	if v.stood {
		return
	}
	state := v.deed.State
	if state.Replace && state.Based > 0 && prev.stamp.Version > 0 {
		v.broken = state.Based != prev.stamp.Version
		v.written = !v.broken
		return
	}
	afterPart := prev.deed != nil && prev.deed.State.Partial // whose notes were not seen
	if managers, newest := movedManagers(prev.object, v.object); len(managers) > 0 && !afterPart {
		v.broken = v.broken || len(managers) > 1 || newest.Before(v.deed.Time.Truncate(time.Second)) || v.deed.Writer != "" && managers[0] != v.deed.Writer
		v.written = !v.broken
	}
	v.written = v.written || !v.broken && !afterPart && wroteIn(v.object, v.deed.Writer, v.deed.Time) && len(managersOf(prev.object)) > 0
	if !state.Replace && !state.Partial && !state.Deleted && !state.Asserts.IsUnknown() {
		v.unnamed = !residual(prev.object, v.object, state.Asserts)
	}
}

// recount lays a count that went wrong behind versions whose generation only we have counted upon them: the next that is counted shows it.
func (s *scene) recount(all []version) {
	expected := s.AfterStamp.Generation
	last := s.BeforeStamp.Generation
	if len(all) > 0 {
		last = all[len(all)-1].stamp.Generation
	}
	missing := expected > 0 && last > 0 && expected > last
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].counted {
			all[i].broken = all[i].broken || missing
			all[i].sound = all[i].sound || !missing && expected > 0
		} else {
			missing = all[i].missing > 0
			expected = all[i].stamp.Generation
		}
	}
}

// intentDiffers says whether two versions differ in what their generation counts: all but metadata and status.
func intentDiffers(a, b taffrail.Value) bool {
	for _, name := range fieldNames(a, b) {
		if slices.Contains([]string{"metadata", "status", "kind", "apiVersion"}, name) {
			continue
		}
		x, _ := a.Field(name)
		y, _ := b.Field(name)
		if canon(x) != canon(y) {
			return true
		}
	}
	return false
}

func fieldNames(a, b taffrail.Value) []string {
	var all []string
	for _, v := range []taffrail.Value{a, b} {
		for name := range v.Fields() {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// noted are the annotations of an object.
func noted(object taffrail.Value) string {
	meta, _ := object.Field("metadata")
	annotations, _ := meta.Field("annotations")
	return canon(annotations)
}

// overlay puts what is known of a part over the whole as it was.
func overlay(whole, part taffrail.Value) taffrail.Value {
	if part.Shape() != taffrail.ShapeObject || whole.Shape() != taffrail.ShapeObject {
		return part
	}
	fields := map[string]taffrail.Value{}
	for name, v := range whole.Fields() {
		fields[name] = v
	}
	for name, v := range part.Fields() {
		if was, ok := fields[name]; ok {
			v = overlay(was, v)
		}
		fields[name] = v
	}
	return taffrail.Object(fields)
}

// movedManagers are the managers of fields whose entry is newer than before, and the time of the newest.
func movedManagers(prev, now taffrail.Value) (managers []string, newest time.Time) {
	before := managersOf(prev)
	for name, at := range managersOf(now) {
		if was, ok := before[name]; ok && !at.After(was) {
			continue
		}
		manager, _, _ := strings.Cut(name, "\x00")
		managers = append(managers, manager)
		if at.After(newest) {
			newest = at
		}
	}
	if len(before) == 0 {
		return nil, newest // the version before does not tell
	}
	return managers, newest
}

// wroteIn says whether an object notes that a writer wrote at a time, to the second.
func wroteIn(object taffrail.Value, writer string, at time.Time) bool {
	return slices.ContainsFunc(notesOf(object), func(n note) bool { return n.manager == writer && n.at.Equal(at.Truncate(time.Second)) })
}

// volatileMeta is what the server writes by itself.
var volatileMeta = []string{"resourceVersion", "generation", "managedFields", "uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}

// residual says whether a request asserts each change that the object made: one that it does not is another event's.
func residual(prev, now, asserts taffrail.Value) bool {
	return residualAt(nil, prev, now, asserts)
}

func residualAt(names []string, prev, now, asserts taffrail.Value) bool {
	if canon(prev) == canon(now) {
		return true
	}
	if len(names) == 1 && names[0] == "status" || len(names) == 2 && names[0] == "metadata" && slices.Contains(volatileMeta, names[1]) {
		return true
	}
	objects := prev.Shape() == taffrail.ShapeObject && now.Shape() == taffrail.ShapeObject
	switch {
	case asserts.IsUnknown() && !objects:
		return false
	case !objects || !asserts.IsUnknown() && asserts.Shape() != taffrail.ShapeObject:
		return true // the request names this place, or one above it
	}
	for _, name := range fieldNames(prev, now) {
		if len(names) == 0 && (name == "kind" || name == "apiVersion") {
			continue
		}
		x, _ := prev.Field(name)
		y, _ := now.Field(name)
		said, _ := asserts.Field(name)
		if !residualAt(below(names, name), x, y, said) {
			return false
		}
	}
	return true
}

// valueAt is the value at a path, null where there is none.
func valueAt(v taffrail.Value, steps []taffrail.Step) taffrail.Value {
	for i, step := range steps {
		switch step.Kind() {
		case taffrail.AttrStep, taffrail.KeyStep:
			v = child(v, step.Name())
		case taffrail.IndexStep:
			if step.Index() >= v.Len() {
				return taffrail.Null()
			}
			v = v.Elem(step.Index())
		case taffrail.ElemStep:
			if i == len(steps)-1 && hasElement(v, step.Element()) {
				return step.Element()
			}
			return taffrail.Null()
		}
	}
	if v.IsUnknown() {
		return taffrail.Null()
	}
	return v
}

// child is the field of a name, or of a list the element that a name like "name=c" tells.
func child(v taffrail.Value, name string) taffrail.Value {
	if field, ok := v.Field(name); ok {
		return field
	}
	key, want, ok := strings.Cut(name, "=")
	if !ok || v.Shape() != taffrail.ShapeList {
		return taffrail.Null()
	}
	for e := range v.Elems() {
		if got, ok := e.Field(key); ok && textOf(got) == plainText(want) {
			return e
		}
	}
	return taffrail.Null()
}

func hasElement(v, element taffrail.Value) bool {
	want := canon(element)
	for e := range v.Elems() {
		if canon(e) == want {
			return true
		}
	}
	return false
}

// leaks says whether the versions show anywhere that one is missing.
func (s *scene) leaks() bool {
	last := s.versions[len(s.versions)-1].stamp
	if s.AfterStamp.Generation > last.Generation && last.Generation > 0 || s.AfterStamp.Version > last.Version && last.Version > 0 {
		return true
	}
	return slices.ContainsFunc(s.versions, func(v version) bool { return v.broken || v.missing > 0 })
}

// A verdict is what the versions say of a change.
type verdict struct {
	author  int // of s.versions; -1: none of them
	grade   grade
	chain   []*deed // effective writers, first to last
	states  []taffrail.Value
	missing bool // they show that an event is missing that matters
	why     string
}

// judge walks the versions for one change: its author is where the value changed last and stayed.
func (s *scene) judge(v *view) verdict {
	steps := v.Path.Steps()
	out := verdict{author: -1}
	state := canon(valueAt(s.Before, steps))
	target := canon(v.After)
	for i, ver := range s.versions {
		if ver.idle {
			continue
		}
		at := valueAt(ver.object, steps)
		now := v.known(canon(at))
		if now == state {
			continue
		}
		state = now
		out.author = i
		if ver.stood {
			continue // it is another's
		}
		out.chain = append(out.chain, ver.deed)
		out.states = append(out.states, at)
	}
	if out.author < 0 {
		if s.outrun(v) {
			out.missing, out.why = true, "no version that an event carries has the value, and there is a later one: its event is missing"
		}
		return out
	}
	if state != target {
		return verdict{author: -1, missing: true, why: "the last version that an event carries has another value: a later event is missing"}
	}
	out.grade, out.why = s.complete(v, out.author)
	out.missing = out.grade == ""
	return out
}

// outrun says whether the object has a version after all that events carry, where every event that may have changed it carries one.
func (s *scene) outrun(v *view) bool {
	last := s.versions[len(s.versions)-1].stamp.Version
	return last > 0 && s.AfterStamp.Version > last && !slices.ContainsFunc(s.deeds, func(d *deed) bool { return d.State == nil && s.couldTouch(v, d) })
}

// complete grades an author: proved is one where no version is missing right before its own, and none after that could have taken the value
// away and brought it back unseen. No grade says that the author's own request did not name the value, and nothing shows that no version is
// missing before: then another event's did.
func (s *scene) complete(v *view, author int) (g grade, why string) {
	ver := s.versions[author]
	asserted, known := s.asserts(v, ver)
	gap := ver.broken || ver.missing > 0
	intent := len(v.names) > 0 && v.names[0] != "metadata" // what the generation counts
	switch {
	case ver.stood:
		return "", "the request wrote nothing: the value stood when it came, and the event that brought it is missing"
	case known && !asserted && (gap || !ver.written):
		return "", "the value came with a version whose request does not name it: an event before it is missing"
	case !ver.deed.State.Partial && !v.brought(ver) && s.untold(v, ver.object):
		return "", "the object notes that another wrote the field: the event that brought the value is missing"
	case gap && ver.deed.State.Replace:
		return gradeRewrite, "a version before it is missing, which may have brought the value already"
	case gap:
		return gradeAmid, "a version before it is missing, which may have brought the value already"
	case !ver.written && (!known || ver.deed.State.Replace):
		return gradeAsserted, "nothing shows that no version before it is missing"
	case known && !asserted, ver.unnamed && !(intent && ver.sound):
		return gradeAsserted, "the object changed where the request named nothing"
	case ver.deed.State.Partial && s.untoldBy(s.After, func(note) bool { return true }):
		return gradeAsserted, "the object notes a write that no event tells of, and the answer does not show what it left"
	case s.untold(v, ver.object), s.untold(v, s.After):
		return gradeAsserted, "the object notes a write of the field that no event tells of"
	}
	return s.stays(v, author)
}

func (s *scene) stays(v *view, author int) (g grade, why string) {
	const reason = "versions after it are missing, which may have taken the value away for a while"
	last := s.versions[author].stamp.Generation
	for _, ver := range s.versions[author+1:] {
		asserted, _ := s.asserts(v, ver)
		if ver.missing > 1 || asserted && !ver.idle && !ver.stood && (ver.missing > 0 || ver.broken) {
			return gradeAsserted, reason
		}
		last = ver.stamp.Generation
	}
	if s.AfterStamp.Generation > 0 && last > 0 && s.AfterStamp.Generation-last > 1 {
		return gradeAsserted, reason
	}
	return gradeProved, ""
}

// asserts says whether a version's request names the value at the change's path. Known is false where the request cannot be seen.
func (s *scene) asserts(v *view, ver version) (asserted, known bool) {
	state := ver.deed.State
	switch {
	case state.Deleted:
		return v.gone, true
	case state.Asserts.IsUnknown():
		return false, false
	case state.Replace:
		return true, true
	case v.to == "" && isApplied(state.Asserts):
		return false, false // what an apply no longer names may go by it
	}
	return assertsAt(state.Asserts, v.Path.Steps(), v.After), true
}

// isApplied says whether a request is a server-side apply: a part of an object that says what it is.
func isApplied(asserts taffrail.Value) bool {
	_, kind := asserts.Field("kind")
	_, version := asserts.Field("apiVersion")
	return kind && version
}

// assertsAt follows a path into a part of an object, as far as that goes: what stands above the place speaks for it.
func assertsAt(part taffrail.Value, steps []taffrail.Step, want taffrail.Value) bool {
	for _, step := range steps {
		if step.Kind() == taffrail.ElemStep || step.Kind() == taffrail.IndexStep {
			return true // a list is named as a whole
		}
		if part.IsNull() {
			return want.IsNull()
		}
		if part.Shape() == taffrail.ShapeList {
			return mentionsAny(part, want)
		}
		next, ok := part.Field(step.Name())
		if !ok && strings.Contains(step.Name(), "=") {
			return mentionsAny(part, want)
		}
		if !ok {
			return false
		}
		part = next
	}
	return canon(part) == canon(want) || part.IsUnknown() || part.Len() > 0
}

// mentionsAny says whether a value stands anywhere in a part, or whether the part takes something away where the value is gone.
func mentionsAny(part, want taffrail.Value) bool {
	text := canon(want)
	for _, n := range nodes(part) {
		if canon(n.value) == text && text != "" || text == "" && (n.value.IsNull() || n.last() == "$patch" || strings.HasPrefix(n.last(), "$")) {
			return true
		}
	}
	return text == "" && part.Shape() == taffrail.ShapeList
}

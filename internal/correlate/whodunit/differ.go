package whodunit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate"
)

// A differ lists what differs between the two sides of a resource, as the format wants it: each attribute, each key of a map, each element
// that a set lost or gained.
type differ struct {
	before, after taffrail.Value
	sets          *[]string
	kubernetes    bool
	found         []taffrail.Change
}

func newDiffer(s correlate.Subject, sets *[]string) *differ {
	return &differ{before: s.Before, after: s.After, sets: sets, kubernetes: isKubernetes(s.Before) || isKubernetes(s.After)}
}

func (d *differ) changes() []taffrail.Change {
	switch {
	case d.before.IsNull() && d.after.IsNull():
		return nil
	case d.before.IsNull() || d.after.IsNull():
		d.report(nil, d.before, d.after)
	default:
		d.walk(nil, nil, d.before, d.after)
	}
	return d.found
}

func (d *differ) report(steps []taffrail.Step, before, after taffrail.Value) {
	d.found = append(d.found, taffrail.Change{Path: taffrail.NewPath(steps...), Before: before, After: after, Class: taffrail.ClassDrift})
}

// walk compares two values. Names are those on the way, without places in lists.
func (d *differ) walk(steps []taffrail.Step, names []string, before, after taffrail.Value) {
	switch {
	case isNamed(before, after):
		d.walkObject(steps, names, before, after)
	case correlate.Same(before, after) && !d.ordered(names, before, after):
	case isListed(before, after):
		d.walkList(steps, names, before, after)
	default:
		d.report(steps, before, after)
	}
}

// ordered says whether two values can differ by the order of a list alone.
func (d *differ) ordered(names []string, before, after taffrail.Value) bool {
	return isListed(before, after) && !d.isSet(names, before, after) && !before.Equal(after)
}

// isNamed and isListed take nothing for an empty one of the other side's form.
func isNamed(a, b taffrail.Value) bool { return both(a, b, taffrail.ShapeObject) }

func isListed(a, b taffrail.Value) bool { return both(a, b, taffrail.ShapeList) }

func both(a, b taffrail.Value, shape taffrail.Shape) bool {
	is := func(v taffrail.Value) bool { return v.Shape() == shape }
	return is(a) && is(b) || is(a) && b.IsNull() || is(b) && a.IsNull()
}

func (d *differ) walkObject(steps []taffrail.Step, names []string, before, after taffrail.Value) {
	for _, name := range fieldNames(before, after) {
		if d.kubernetes && len(names) == 1 && names[0] == "metadata" && slices.Contains(serverWritten, name) {
			continue
		}
		d.walk(further(steps, taffrail.Attr(name)), append(slices.Clone(names), name), field(before, name), field(after, name))
	}
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

func field(v taffrail.Value, name string) taffrail.Value {
	if f, ok := v.Field(name); ok {
		return f
	}
	return taffrail.Null()
}

func further(steps []taffrail.Step, step taffrail.Step) []taffrail.Step {
	return append(slices.Clip(slices.Clone(steps)), step)
}

func (d *differ) walkList(steps []taffrail.Step, names []string, before, after taffrail.Value) {
	key := ""
	if d.kubernetes && len(names) > 0 {
		key = mergeKey(names[len(names)-1], before, after)
	}
	switch {
	case key != "":
		d.walkKeyed(steps, names, key, before, after)
	case d.isSet(names, before, after):
		d.walkSet(steps, before, after)
	case before.Len() == after.Len():
		for i := range before.Len() {
			d.walk(further(steps, taffrail.Index(i)), names, before.Elem(i), after.Elem(i))
		}
	default:
		d.report(steps, before, after)
	}
}

// setNames are attributes that providers give as sets of scalars, whatever the type.
var setNames = []string{
	"security_groups", "security_group_ids", "vpc_security_group_ids", "subnet_ids", "subnets", "managed_policy_arns", "cidr_blocks", "policy_arns", "groups", "users", "roles",
	"availability_zones", "target_group_arns", "enabled_cloudwatch_logs_exports", "capacity_providers", "aliases", "records", "attached_policies", "attached_policy_arns",
	"alarm_actions", "ok_actions", "insufficient_data_actions", "enabled_metrics", "suspended_processes", "vpc_zone_identifier", "thumbprint_list_set", "route_table_ids", "finalizers",
	"enabled_cluster_log_types", "public_access_cidrs", "policies",
}

// isSet says whether a list is to be compared as a set: where the case says so, and where it says nothing, if its elements are objects or
// the attribute is known to be one.
func (d *differ) isSet(names []string, before, after taffrail.Value) bool {
	if d.sets != nil {
		return slices.Contains(*d.sets, strings.Join(names, "."))
	}
	if len(names) > 0 && slices.Contains(setNames, names[len(names)-1]) {
		return true
	}
	return d.objects(before) && d.objects(after)
}

func (d *differ) objects(list taffrail.Value) bool {
	for e := range list.Elems() {
		if e.Shape() != taffrail.ShapeObject {
			return false
		}
	}
	return true
}

// walkSet reports elements that are on one side only, doubles counted.
func (d *differ) walkSet(steps []taffrail.Step, before, after taffrail.Value) {
	for _, e := range subtract(before, after) {
		d.report(further(steps, taffrail.Element(e)), e, taffrail.Null())
	}
	for _, e := range subtract(after, before) {
		d.report(further(steps, taffrail.Element(e)), taffrail.Null(), e)
	}
}

func subtract(a, b taffrail.Value) (left []taffrail.Value) {
	var rest []taffrail.Value
	for e := range b.Elems() {
		rest = append(rest, e)
	}
	for e := range a.Elems() {
		i := slices.IndexFunc(rest, func(o taffrail.Value) bool { return correlate.Same(e, o) })
		if i < 0 {
			left = append(left, e)
			continue
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return left
}

// mergeKey is the field that tells the elements of a list apart.
func mergeKey(list string, before, after taffrail.Value) string {
	for _, key := range mergeKeys[list] {
		if tellsApart(key, before) && tellsApart(key, after) {
			return key
		}
	}
	return ""
}

func tellsApart(key string, list taffrail.Value) bool {
	seen := map[string]bool{}
	for e := range list.Elems() {
		text := at(e, strings.Split(key, ".")...).Text()
		if text == "" || seen[text] {
			return false
		}
		seen[text] = true
	}
	return true
}

func (d *differ) walkKeyed(steps []taffrail.Step, names []string, key string, before, after taffrail.Value) {
	old, now := byKey(key, before), byKey(key, after)
	var all []string
	for _, m := range []map[string]taffrail.Value{old, now} {
		for k := range m {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	for _, k := range slices.Compact(all) {
		step := taffrail.Key(fmt.Sprintf("%s=%s", key, k))
		d.walk(further(steps, step), names, orNull(old, k), orNull(now, k))
	}
}

func byKey(key string, list taffrail.Value) map[string]taffrail.Value {
	all := map[string]taffrail.Value{}
	for e := range list.Elems() {
		all[at(e, strings.Split(key, ".")...).Text()] = e
	}
	return all
}

func orNull(m map[string]taffrail.Value, key string) taffrail.Value {
	if v, ok := m[key]; ok {
		return v
	}
	return taffrail.Null()
}

package correlate

import (
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// byManager goes by what the object itself notes: who owns the field now, and when that writer wrote last. It names the event of that writer if
// only one fits, and none if the object was written by the same name at the same time more than once.
func (s *scene) byManager(v *view, c *taffrail.Cause) bool {
	manager, when := owner(s.After, v)
	if manager == "" || when.Before(s.Start.Truncate(time.Second)) {
		return false
	}
	var fits []*deed
	for _, d := range s.deeds {
		if d.Writer == manager && d.State == nil && s.couldTouch(v, d) && !d.Time.After(when.Add(time.Second)) && !d.Time.Before(s.Start) {
			fits = append(fits, d)
		}
	}
	if len(fits) != 1 || fits[0].Time.Truncate(time.Second).Before(when.Add(-time.Second)) {
		return false
	}
	s.name(c, fits[0], gradeManager)
	c.Chain = append(c.Chain, fits[0].ID)
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceState, Event: fits[0].ID, Detail: "the object notes " + manager + " as the last to write the field, at the time of this event"})
	c.Reason = "the event does not say what it wrote"
	return true
}

// restates says whether a request gives back a whole object as it was read, and the notes of writers in that copy have the field already, which was not
// there before: where nothing is known to have brought it until then, it stood when the copy was made, and the request did not bring it.
func restates(v *view, d *deed) bool {
	if v.from != "" || v.element || len(v.names) == 0 {
		return false
	}
	meta, _ := d.Request.Field("metadata")
	version, _ := meta.Field("resourceVersion")
	manager, _ := owner(d.Request, v)
	return version.Text() != "" && manager != ""
}

// A note is what an object says of one who wrote it: the name under which, when anything changed by it last, to the second, and the fields it owns.
type note struct {
	manager, operation, subresource string
	at                              time.Time // zero: servers do not say it of those who scaled
	fields                          taffrail.Value
}

// key is what there is one note for.
func (n note) key() string {
	return strings.Join([]string{n.manager, n.operation, n.subresource}, "\x00")
}

// notesOf are the notes of an object, in its order, but for those without a time of who came to own what stood already, and brought nothing.
func notesOf(object taffrail.Value) (notes []note) {
	meta, _ := object.Field("metadata")
	list, _ := meta.Field("managedFields")
	for e := range list.Elems() {
		text := func(field string) string { v, _ := e.Field(field); return v.Text() }
		n := note{manager: text("manager"), operation: text("operation"), subresource: text("subresource")}
		n.fields, _ = e.Field("fieldsV1")
		var err error
		if n.at, err = time.Parse(time.RFC3339, text("time")); err != nil && n.subresource == "" {
			continue
		}
		notes = append(notes, n)
	}
	return notes
}

// managersOf says when each who wrote an object did last, as far as it is noted.
func managersOf(object taffrail.Value) map[string]time.Time {
	found := map[string]time.Time{}
	for _, n := range notesOf(object) {
		if !n.at.IsZero() {
			found[n.key()] = n.at
		}
	}
	return found
}

// wrote says whether a note may be of this event: the server writes it between request and answer.
func (d *deed) wrote(n note) bool {
	if n.at.IsZero() {
		return d.Writer == n.manager && strings.HasSuffix(d.Action, n.subresource)
	}
	until := d.Time.Add(time.Second)
	if d.State != nil && d.State.Answered.After(d.Time) {
		until = d.State.Answered
	}
	return d.Writer == n.manager && !n.at.Before(d.Time.Truncate(time.Second)) && !n.at.After(until)
}

// untold says whether an object has a note of a write by an owner of the field, since the first reading, that no event accounts for: one is missing,
// and may have brought the value.
func (s *scene) untold(v *view, object taffrail.Value) bool {
	return s.untoldBy(object, func(n note) bool { return owns(n.fields, v.names) })
}

// untoldBy is the same of the notes that matter.
func (s *scene) untoldBy(object taffrail.Value, matters func(note) bool) bool {
	before := notesOf(s.Before)
	return slices.ContainsFunc(notesOf(object), func(n note) bool {
		return s.isNew(n, before) && matters(n) && !slices.ContainsFunc(s.deeds, func(d *deed) bool { return d.wrote(n) })
	})
}

// isNew says whether a note was not there yet at the first reading.
func (s *scene) isNew(n note, before []note) bool {
	i := slices.IndexFunc(before, func(was note) bool { return was.key() == n.key() })
	if i < 0 {
		return n.at.IsZero() || !n.at.Before(s.Start.Truncate(time.Second))
	}
	return n.at.After(before[i].at)
}

// brought says whether the notes of a version bear its event out: its writer owns the field and wrote in that second. Where nobody owns it, they do not
// speak against it.
func (v *view) brought(ver version) bool {
	owned := false
	for _, n := range notesOf(ver.object) {
		if owns(n.fields, v.names) {
			owned = true
			if ver.deed.wrote(n) {
				return true
			}
		}
	}
	return !owned
}

// owner is the manager of a field, and when it wrote last. Where several share the field, the newest counts.
func owner(object taffrail.Value, v *view) (manager string, when time.Time) {
	for _, n := range notesOf(object) {
		if !n.at.Before(when) && owns(n.fields, v.names) {
			manager, when = n.manager, n.at
		}
	}
	return manager, when
}

// owns says whether a set of fields, as Kubernetes writes it ("f:spec", `k:{"name":"c"}`), holds a field or something above it.
func owns(fields taffrail.Value, names []string) bool {
	for _, name := range names {
		next, ok := fields.Field("f:" + name)
		if key, value, keyed := strings.Cut(name, "="); !ok && keyed {
			next, ok = fields.Field(`k:{"` + key + `":"` + value + `"}`)
			if !ok {
				next, ok = fields.Field(`k:{"` + key + `":` + value + `}`)
			}
		}
		if !ok {
			return false
		}
		if next.Len() == 0 {
			return true
		}
		fields = next
	}
	return len(names) > 0
}

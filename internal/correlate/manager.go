package correlate

import (
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

// owner is the manager of a field, and when it wrote last. Where several share the field, the newest counts.
func owner(object taffrail.Value, v *view) (manager string, when time.Time) {
	meta, _ := object.Field("metadata")
	list, _ := meta.Field("managedFields")
	for e := range list.Elems() {
		fields, _ := e.Field("fieldsV1")
		at, _ := e.Field("time")
		t, err := time.Parse(time.RFC3339, at.Text())
		if err != nil || t.Before(when) || !owns(fields, v.names) {
			continue
		}
		name, _ := e.Field("manager")
		manager, when = name.Text(), t
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

package correlate

import (
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// An act is an event with what is worked out of it once.
type act struct {
	taffrail.Event
	order int      // in which it was received
	first string   // word of the operation
	verb  verbKind // what the operation's first word says
	nouns []string // the words after it
	req   []node
	resp  []node
}

func newAct(e taffrail.Event, order int) *act {
	_, operation, _ := strings.Cut(e.Action, ":")
	a := &act{Event: e, order: order}
	all := words(operation)
	for len(all) > 1 && slices.Contains([]string{"batch", "admin", "start"}, all[0]) && verbs[all[1]] != verbNone {
		all = all[1:]
	}
	if len(all) > 0 {
		a.first, a.verb, a.nouns = all[0], verbs[all[0]], all[1:]
		if strings.HasPrefix(strings.ToLower(operation), "untag") {
			a.verb, a.nouns = verbRemove, append(slices.Clone(all[1:]), "tag")
		}
		if strings.HasPrefix(strings.ToLower(operation), "tag") {
			a.nouns = append(slices.Clone(all[1:]), "tag")
		}
	}
	return a
}

func (a *act) request() []node {
	if a.req == nil {
		a.req = nodes(a.Request)
	}
	return a.req
}

func (a *act) response() []node {
	if a.resp == nil {
		a.resp = nodes(a.Response)
	}
	return a.resp
}

// hidden says whether the request cannot be seen, as a whole or in part.
func (a *act) hidden() bool {
	return a.Redacted || a.Truncated || lacks(a.Request)
}

// A verbKind says what operations with this verb do to what they name.
type verbKind uint8

const (
	verbNone   verbKind = iota
	verbAdd             // puts beside what is there
	verbRemove          // takes away
	verbSet             // puts in the place of what is there, as far as it is named
)

// verbs maps the first word of an operation's name to what it does.
var verbs = map[string]verbKind{
	"authorize": verbAdd, "attach": verbAdd, "add": verbAdd, "associate": verbAdd, "register": verbAdd, "create": verbAdd, "tag": verbAdd,
	"subscribe": verbAdd, "grant": verbAdd, "allocate": verbAdd, "import": verbAdd, "publish": verbAdd, "join": verbAdd, "insert": verbAdd,
	"enable": verbSet, "put": verbSet, "modify": verbSet, "update": verbSet, "set": verbSet, "replace": verbSet, "change": verbSet,
	"edit": verbSet, "patch": verbSet, "apply": verbSet, "configure": verbSet, "restore": verbSet, "start": verbSet, "stop": verbRemove, "suspend": verbAdd, "resume": verbRemove, "copy": verbSet,
	"upgrade": verbSet, "rotate": verbSet, "switch": verbSet, "assign": verbAdd, "resize": verbSet, "scale": verbSet, "run": verbSet,
	"revoke": verbRemove, "detach": verbRemove, "remove": verbRemove, "delete": verbRemove, "untag": verbRemove, "disassociate": verbRemove,
	"deregister": verbRemove, "disable": verbRemove, "unsubscribe": verbRemove, "terminate": verbRemove, "release": verbRemove, "cancel": verbRemove,
	"unassign": verbRemove, "reset": verbRemove, "schedule": verbRemove, "clear": verbRemove, "deactivate": verbRemove, "deletecollection": verbRemove, "destroy": verbRemove, "purge": verbRemove,
}

// A deed is an act that touches a resource and may have changed it.
type deed struct {
	*act
	body  taffrail.Value // the request, without what is about others
	nodes []node
	via   string // the shared object through which it touches the resource
	place place
}

// A place says where in the window a deed stands.
type place uint8

const (
	inside place = iota // between the two readings
	early               // before the first, within what clocks may differ
	late                // after the second, likewise
)

// A scene is a resource with the deeds that may have changed it.
type scene struct {
	*caseOf
	*Subject
	ids      *aliases
	deeds    []*deed
	shared   []*deed
	rejected []taffrail.Rejection
	versions []version
	same     *taffrail.Value // what was the same before and after
}

func newScene(c *caseOf, subject *Subject) *scene {
	s := &scene{caseOf: c, Subject: subject, ids: newAliases(subject, c.models)}
	shared := s.sharedIDs()
	for _, e := range c.events {
		if e.Time.Before(c.Start.Add(-slack)) || e.Time.After(c.End.Add(slack)) {
			continue
		}
		if s.ids.touches(e) != "" {
			s.admit(e, "")
		} else if via := touchesShared(shared, e); via != "" && e.Changes() {
			s.shared = append(s.shared, s.deedOf(e, via))
		}
	}
	s.versions = s.walk()
	return s
}

// admit takes an event that touches the resource for a deed, or says why it cannot be one.
func (s *scene) admit(e *act, via string) {
	why := ""
	switch {
	case e.Error != "":
		why = "it failed: " + e.Error
	case e.DryRun:
		why = "it was a rehearsal"
	case e.Read:
		why = "it only reads"
	case s.ids.elsewhere(e):
		why = "it is about another object"
	case s.another(e):
		why = "it is about another part of the same object"
	}
	if why != "" {
		s.reject(e, why)
		return
	}
	s.deeds = append(s.deeds, s.deedOf(e, via))
}

func (s *scene) reject(e *act, why string) {
	s.rejected = append(s.rejected, taffrail.Rejection{Event: e.ID, Action: e.Action, Why: why})
}

func (s *scene) deedOf(e *act, via string) *deed {
	d := &deed{act: e, via: via}
	d.body = trim(e.Request, func(v taffrail.Value) bool { return s.ids.mentions(e.Action, v) })
	for _, n := range nodes(d.body) {
		if via != "" || !s.ids.names(e.Action, n) {
			d.nodes = append(d.nodes, n)
		}
	}
	switch {
	case e.Time.Before(s.Start):
		d.place = early
	case e.Time.After(s.End):
		d.place = late
	}
	return d
}

// sharedIDs are the identities of other objects that the resource refers to, by which something can reach it without touching it.
func (s *scene) sharedIDs() map[string]bool {
	found := map[string]bool{}
	for _, v := range []taffrail.Value{s.Before, s.After} {
		for _, text := range atoms(v) {
			if _, own := s.ids.forms[text]; !own && uniqueForm.MatchString(text) && len(text) < 300 && !strings.ContainsAny(text, " \n") {
				found[text] = true
			}
		}
	}
	return found
}

func touchesShared(shared map[string]bool, e *act) string {
	for _, n := range e.request() {
		if n.scalar() && shared[n.text] {
			return n.text
		}
	}
	return ""
}

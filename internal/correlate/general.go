package correlate

import (
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// general is what can be told of an event without knowing it: by names and values.
func (s *scene) general(v *view, d *deed) (claim, bool) {
	if v.gone {
		return s.removal(v, d)
	}
	if s.calledByAnother(v, d) {
		return claim{}, false
	}
	for _, f := range []func(*view, *deed) (claim, bool){s.named, s.member, s.unset, s.switched, s.stamped, s.valued, s.answered, s.unseen} {
		if c, ok := f(v, d); ok {
			return c, true
		}
	}
	return claim{}, false
}

// named goes by places in the request whose name is that of the attribute.
func (s *scene) named(v *view, d *deed) (claim, bool) {
	if v.element || d.verb == verbRemove {
		return claim{}, false
	}
	best, at := alien, node{}
	for _, n := range d.nodes {
		got := s.align(v, d, n)
		if got > best || got == best && got > alien && v.known(canon(n.value)) == v.to && v.known(canon(at.value)) != v.to {
			best, at = got, n
		}
	}
	if best == alien {
		return claim{}, false
	}
	return s.namedClaim(v, d, at, best)
}

func (s *scene) namedClaim(v *view, d *deed, n node, how alignment) (claim, bool) {
	c := claim{grade: gradeOf[how], kind: taffrail.EvidenceValue, to: v.known(canon(n.value)), detail: "the request has it at " + strings.Join(n.names, "."), at: n.names}
	if n.value.IsUnknown() {
		c.grade, c.kind, c.detail = gradeOpaque, taffrail.EvidenceFamily, "the request hides the value at "+strings.Join(n.names, ".")
		return c, true
	}
	if c.to != v.to && (n.value.Len() > 0 || len(v.atoms) > 1) {
		if !sameContent(v, []taffrail.Value{n.value}) {
			return c, how >= exactly || how == closely && (n.value.Len() == 0 || v.to == "")
		}
		c.to = v.to
	}
	if how == loosely && c.to != v.to {
		return c, false // a name that fits loosely says nothing against
	}
	return c, true
}

// gradeOf is what a claim by name is worth.
var gradeOf = map[alignment]grade{wholly: gradeWhole, exactly: gradeNamed, closely: gradeNamed, loosely: gradeLoose}

// member goes by elements of a set, and by keys of a map, that stand in the request.
func (s *scene) member(v *view, d *deed) (claim, bool) {
	if v.element {
		return s.elementClaim(v, d)
	}
	if len(v.names) < 2 || !s.tagged(v, d) {
		return claim{}, false
	}
	if d.verb == verbSet && slices.Contains([]string{"put", "replace", "set"}, d.first) && s.namesMore(d) {
		return claim{grade: gradeReplaced, kind: taffrail.EvidenceValue, detail: "the request replaces the map by one without the key"}, true
	}
	if d.verb != verbRemove {
		return claim{}, false
	}
	state, ok := keyState(v.names[len(v.names)-1], []taffrail.Value{d.body}, opRemove)
	return claim{grade: gradeNamed, kind: taffrail.EvidenceValue, to: state, detail: "the request takes the key away"}, ok
}

// tagged says whether an event is about the map that holds a key.
func (s *scene) tagged(v *view, d *deed) bool {
	parent := without(telling(words(v.names[len(v.names)-2])), []string{"all"})
	if within(parent, d.nouns) {
		return true
	}
	return slices.ContainsFunc(d.nodes, func(n node) bool { return len(n.names) > 0 && within(parent, words(n.names[0])) })
}

func (s *scene) elementClaim(v *view, d *deed) (claim, bool) {
	c := claim{grade: gradeNamed, kind: taffrail.EvidenceValue, detail: "the request has the element"}
	if len(v.atoms) == 1 && !strong(v.atoms[0]) {
		c.grade = gradeLoose
	}
	o := map[verbKind]op{verbAdd: opAdd, verbSet: opAdd, verbNone: opAdd, verbRemove: opRemove}[d.verb]
	if d.verb == verbAdd && v.to == "" && slices.ContainsFunc(d.nodes, func(n node) bool { return besideElement(v, n.value) }) {
		c.to, c.detail = grows, "the request has a member that the element is grouped with"
		return c, true
	}
	holder := slices.IndexFunc(d.nodes, func(n node) bool {
		return (n.scalar() || isItem(n.value)) && len(n.names) > 0 && holdsElement(v, n.value, o)
	})
	if holder >= 0 {
		o = itemOp(d.body, v, o)
		var ok bool
		c.to, ok = elementState(v, true, o)
		c.at = d.nodes[holder].names
		if s.familiar(v, d) == 0 {
			c.grade = gradeLoose
		}
		return c, ok
	}
	return s.replaced(v, d, c)
}

// itemOp is what an item of a batch says of itself: {"action": "DELETE", ...}.
func itemOp(body taffrail.Value, v *view, o op) op {
	for _, n := range nodes(body) {
		action, ok := n.value.Field("action")
		if ok && holdsElement(v, n.value, o) && verbs[strings.ToLower(action.Text())] == verbRemove {
			return opRemove
		}
	}
	return o
}

// isItem says whether something may be one of several, and not what holds them all.
func isItem(v taffrail.Value) bool {
	if v.Shape() != taffrail.ShapeObject {
		return false
	}
	for _, field := range v.Fields() {
		if field.Len() == 0 && !field.IsNull() {
			return true
		}
	}
	return false
}

// replaced says of an element that it went, as a list of the set's name lacks it, or one that has other elements of the set.
func (s *scene) replaced(v *view, d *deed, c claim) (claim, bool) {
	if d.verb != verbSet || len(v.names) == 0 {
		return c, false
	}
	for _, n := range d.nodes {
		if n.value.Shape() == taffrail.ShapeList && (s.align(v, d, n) >= closely || s.listsOthers(v, n.value)) {
			c.grade, c.to, c.detail = gradeReplaced, "", "the request replaces the set by one without it"
			return c, true
		}
	}
	return c, false
}

// listsOthers says whether a list has an element that the set has on one of the sides.
func (s *scene) listsOthers(v *view, list taffrail.Value) bool {
	steps := v.Path.Steps()
	for _, side := range []taffrail.Value{s.Before, s.After} {
		for own := range valueAt(side, steps[:len(steps)-1]).Elems() {
			for item := range list.Elems() {
				if x := atoms(own); slices.ContainsFunc(x, strong) && slices.Equal(x, atoms(item)) {
					return true
				}
			}
		}
	}
	return false
}

// familiar counts the words that the event's name and the attribute's have in common, beyond those of the type.
func (s *scene) familiar(v *view, d *deed) (n int) {
	var own []string
	for _, name := range v.names {
		own = append(own, telling(words(name))...)
	}
	n = common(own, d.nouns)
	kind := without(telling(s.ids.words), nil)
	if len(kind) > 1 && common(kind[1:], d.nouns) > 0 {
		n++
	}
	return n
}

// unset goes by names like DeleteBucketPolicy: what they name is gone, or is as if it had never been set.
func (s *scene) unset(v *view, d *deed) (claim, bool) {
	if d.verb != verbRemove || len(v.names) == 0 {
		return claim{}, false
	}
	c := claim{grade: gradeUnset, kind: taffrail.EvidenceFamily, detail: d.Action + " takes away what it names"}
	if v.to == "false" || v.to == "0" || strings.EqualFold(v.to, "none") {
		c.to = v.to
	}
	own := telling(words(v.names[0]))
	particular := without(without(own, s.ids.words), units)
	switch {
	case (len(v.names) > 1 || v.element) && s.namesMore(d):
		return c, false // it takes away some of them, and not all
	case v.element:
		return c, len(particular) > 0 && within(particular, d.nouns)
	case len(d.nouns) > 1 && within(d.nouns, s.ids.words):
		return c, true // it takes away the resource itself
	case len(particular) == 0:
		return c, within(own, d.nouns)
	case c.to == v.to:
		return c, common(particular, d.nouns) > 0 && !s.ofSibling(d)
	}
	return c, within(particular, d.nouns)
}

// units are words that say in what something is counted or told, and not what.
var units = []string{"type", "mode", "byte", "mb", "gb", "mib", "gib", "second", "minute", "hour", "day", "percent", "count"}

// ofSibling says whether an event is, by its name, about another part of the same object than the resource is: DeleteBucketPolicy, of a bucket's
// versioning.
func (s *scene) ofSibling(d *deed) bool {
	kind := without(telling(s.ids.words), append(words(s.ids.service), s.ids.words[:min(1, len(s.ids.words))]...))
	return len(without(kind, d.nouns)) > 0 && common(s.ids.words, d.nouns) > 0 && len(without(d.nouns, s.ids.words)) > 0
}

// calledByAnother says whether an event is called by another attribute of the resource than this one: AuthorizeSecurityGroupEgress, of ingress.
func (s *scene) calledByAnother(v *view, d *deed) bool {
	if len(v.names) == 0 {
		return false
	}
	rest := without(d.nouns, s.ids.words)
	if len(rest) == 0 || common(allWords(v.names), rest) > 0 {
		return false
	}
	for _, name := range fieldNames(s.Before, s.After) {
		if own := without(telling(words(name)), s.ids.words); name != v.names[0] && len(own) > 0 && within(own, rest) {
			return true
		}
	}
	return false
}

// namesMore says whether a request names something beside the resource.
func (s *scene) namesMore(d *deed) bool {
	return slices.ContainsFunc(d.nodes, func(n node) bool {
		return n.scalar() && informs(n.text) && !slices.Contains([]string{"host", "versioning"}, plain(n.last()))
	})
}

// switched goes by names like EnableKeyRotation, and StopInstances.
func (s *scene) switched(v *view, d *deed) (claim, bool) {
	if v.element || len(v.names) == 0 {
		return claim{}, false
	}
	own := without(telling(words(v.names[len(v.names)-1])), switchWords)
	about := len(own) > 0 && within(own, d.nouns) || len(own) == 0 && len(d.nouns) > 0 && within(d.nouns, s.ids.words)
	c := claim{grade: gradeNamed, kind: taffrail.EvidenceFamily, detail: d.Action + " switches it"}
	for _, state := range switchedTo[d.first] {
		if known := slices.Contains(switchStates, strings.ToLower(v.to)) && slices.Contains(switchStates, strings.ToLower(v.from)); !known {
			return c, false
		}
		if c.to == "" || strings.EqualFold(state, v.to) {
			c.to = state
		}
		if strings.EqualFold(state, v.to) {
			c.to = v.to
		}
	}
	return c, c.to != "" && about
}

// switchWords say of an attribute that it holds whether something is on, and not what.
var switchWords = []string{"enable", "enabled", "is", "state", "status", "active"}

// switchedTo are the states that operations leave that switch something by their name.
var switchedTo = map[string][]string{
	"enable": {"true", "active"}, "start": {"true", "running", "started"}, "activate": {"true", "active"}, "resume": {"true", "active", "running"},
	"disable": {"false", "inactive"}, "stop": {"false", "stopped"}, "deactivate": {"false", "inactive"}, "suspend": {"false", "suspended"}, "pause": {"false", "paused"},
}

var switchStates = []string{"", "true", "false", "active", "inactive", "running", "started", "stopped", "suspended", "paused"}

// stamped goes by attributes that hold when the resource was changed: the time is that of the event.
func (s *scene) stamped(v *view, d *deed) (claim, bool) {
	if v.element || v.After.Shape() != taffrail.ShapeString {
		return claim{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.000-0700", time.RFC1123} {
		if at, err := time.Parse(layout, v.After.Text()); err == nil {
			apart := at.Sub(d.Time).Abs()
			return claim{grade: gradeNamed, kind: taffrail.EvidenceTime, to: v.to, detail: "the value is the time of the event"}, apart <= 3*time.Second
		}
	}
	return claim{}, false
}

// valued goes by the value alone, wherever it stands.
func (s *scene) valued(v *view, d *deed) (claim, bool) {
	if len(v.plus) == 0 || v.element || d.verb == verbRemove || !slices.ContainsFunc(v.plus, strong) {
		return claim{}, false
	}
	c := claim{grade: gradeValue, kind: taffrail.EvidenceValue, to: v.to, detail: "the value stands in the request"}
	if !within(v.plus, atoms(d.body)) {
		return c, false
	}
	if s.familiar(v, d) == 0 {
		c.grade = gradeStray
	}
	return c, true
}

// answered goes by what the service gave back: computed values stand nowhere else.
func (s *scene) answered(v *view, d *deed) (claim, bool) {
	if v.element || v.to == "" || v.to == v.from || lacks(d.Response) {
		return claim{}, false
	}
	for _, n := range d.response() {
		if canon(n.value) == v.to && s.align(v, d, n) >= loosely {
			return claim{grade: gradeAnswer, kind: taffrail.EvidenceValue, to: v.to, detail: "the answer has it at " + strings.Join(n.names, ".")}, true
		}
	}
	return claim{}, false
}

// unseen is for an event whose name fits and whose request cannot be seen.
func (s *scene) unseen(v *view, d *deed) (claim, bool) {
	by := map[verbKind]op{verbAdd: opAdd, verbRemove: opRemove, verbSet: opSet, verbNone: opSet}[d.verb]
	if !d.hidden() || !s.couldTouch(v, d) {
		return claim{}, false
	}
	return claim{grade: gradeOpaque, kind: taffrail.EvidenceFamily, to: v.to, detail: "the request cannot be seen, and the event's name fits", away: !v.canCome(by)}, true
}

// couldTouch says whether events of a name may change an attribute at all.
func (s *scene) couldTouch(v *view, d *deed) bool {
	_, operation, _ := strings.Cut(d.Action, ":")
	if _, sub, ok := strings.Cut(operation, "/"); ok && strings.HasPrefix(d.Source, "kube") {
		return len(v.names) > 0 && (sub == "status") == (v.names[0] == "status") && (sub != "scale" || slices.Contains(v.names, "replicas"))
	}
	if strings.HasPrefix(d.Source, "kube") {
		return len(v.names) == 0 || v.names[0] != "status"
	}
	return s.familiar(v, d) > 0 || d.verb == verbSet && len(without(d.nouns, s.ids.words)) == 0
}

// removal goes by events that take away a whole resource: those that name its sort and nothing else.
func (s *scene) removal(v *view, d *deed) (claim, bool) {
	c := claim{grade: gradeNamed, kind: taffrail.EvidenceFamily, detail: d.Action + " takes away the resource"}
	made := d.verb == verbAdd || d.first == "put"
	switch {
	case made && !strings.HasPrefix(d.Source, "kube") && s.meansAll(d) && !contradicts(s.Before, d.Request, s.ids.words):
		c.to, c.detail = v.from, d.Action+" makes the resource"
		return c, true
	case d.verb != verbRemove:
		return c, takenFromBatch(d.body)
	case contradicts(s.Before, d.Request, s.ids.words):
		return c, false // another part of the same object
	}
	if strings.HasPrefix(d.Source, "kube") {
		_, operation, _ := strings.Cut(d.Action, ":")
		return c, !strings.Contains(operation, "/") // a part of it, otherwise
	}
	return c, s.meansAll(d) || len(d.nouns) == 0 && d.first == "unsubscribe"
}

// meansAll says whether an operation is, by its name, about the resource as a whole.
func (s *scene) meansAll(d *deed) bool {
	known := slices.Concat(s.ids.words, words(s.ids.service), s.models.words[string(s.Type)], []string{"deletion"})
	return len(d.nouns) > 0 && (within(d.nouns, known) || strings.Contains(plain(string(s.Type)), strings.Join(d.nouns, "")))
}

// takenFromBatch says whether an item of a batch that is about the resource says that it goes.
func takenFromBatch(body taffrail.Value) bool {
	return slices.ContainsFunc(nodes(body), func(n node) bool {
		action, ok := n.value.Field("action")
		return ok && verbs[strings.ToLower(action.Text())] == verbRemove
	})
}

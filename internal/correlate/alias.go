package correlate

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// Aliases are the names that a resource goes by in events. A strong one is unique by its form; a weak one, such as a mere name, counts
// only in events of the resource's own service, and where names of resources stand.
type aliases struct {
	forms   map[string]bool // name -> strong
	arns    []string        // for what lies below the resource
	service string          // as actions name it; empty: not known
	object  []string        // of Kubernetes: the kind, the namespace and the name
	words   []string        // of the resource's type
}

var uniqueForm = regexp.MustCompile(`^(arn:|https?://|kubernetes:)|^[a-z]{1,8}-[0-9a-f]{6,}$|^[0-9a-f]{8}-[0-9a-f]{4}-|^Z[0-9A-Z]{9,}$|^[A-Z0-9]{13,}$|.{24,}`)

func newAliases(s *Subject, m *Models) *aliases {
	a := &aliases{forms: map[string]bool{}, words: words(string(s.Type)), service: m.serviceOf(string(s.Type))}
	for _, id := range s.IDs {
		a.add(id)
	}
	a.addKubernetes(string(s.Address))
	return a
}

func (a *aliases) add(id string) {
	form := plainText(id)
	if form == "" || form == "true" || form == "false" {
		return
	}
	a.put(form)
	if rest, ok := strings.CutPrefix(form, "arn:aws:"); ok {
		a.arns = append(a.arns, form)
		parts := strings.SplitN(rest, ":", 4) // service, region, account, resource
		if len(parts) == 4 {
			a.service = m2(parts[0])
			a.put(parts[3])
			a.put(parts[3][strings.LastIndexAny(parts[3], ":/")+1:])
			if _, after, ok := strings.Cut(parts[3], "/"); ok {
				a.put(after)
			}
		}
	}
	if strings.Contains(form, "://") {
		a.put(form[strings.LastIndex(form, "/")+1:])
	}
}

// m2 is the service of an ARN as actions name it.
func m2(service string) string {
	if service == "monitoring" {
		return "cloudwatch"
	}
	return service
}

func (a *aliases) put(form string) {
	if form != "" {
		a.forms[form] = a.forms[form] || uniqueForm.MatchString(form)
	}
}

// addKubernetes takes an address group/version/Kind/namespace/name, and the core's without a group, for the name that audit events have.
func (a *aliases) addKubernetes(address string) {
	parts := strings.Split(address, "/")
	if len(parts) < 4 || strings.Contains(address, ":") {
		return
	}
	n := len(parts)
	name, namespace, kind, group := parts[n-1], parts[n-2], parts[n-3], ""
	if n >= 5 {
		group = parts[n-5]
	}
	if group == "core" {
		group = ""
	}
	a.object = []string{strings.ToLower(kind), namespace, name}
	for _, resource := range plurals(kind) {
		a.forms["kubernetes:"+strings.Join([]string{group, resource, namespace, name}, "/")] = true
		if clusterWide(namespace) {
			a.forms["kubernetes:"+strings.Join([]string{group, resource, "", name}, "/")] = true
		}
	}
	a.service = ""
}

// clusterWide says whether an address has this in the place of a namespace where there is none.
func clusterWide(namespace string) bool {
	return namespace == "_" || namespace == "-" || namespace == "cluster"
}

// elsewhere says whether an event of Kubernetes is about another object, which has the name of ours as well or mentions it: an object changes by
// requests for itself alone. A resource whose name begins like the kind's may be called so by an odd plural.
func (a *aliases) elsewhere(e *act) bool {
	for _, ref := range e.Refs {
		path, ok := strings.CutPrefix(ref, "kubernetes:")
		on := strings.Split(path, "/") // group, resource, namespace, name
		if !ok || len(on) != 4 || a.object == nil || a.forms[plainText(ref)] {
			continue
		}
		kind, namespace, name := a.object[0], a.object[1], a.object[2]
		if on[3] != name || on[2] != namespace && !clusterWide(namespace) || !strings.HasPrefix(on[1], kind[:min(len(kind), 3)]) {
			return true
		}
	}
	return false
}

// plurals are what a kind's objects may be called in URLs.
func plurals(kind string) []string {
	k := strings.ToLower(kind)
	all := []string{k, k + "s", k + "es"}
	if rest, ok := strings.CutSuffix(k, "y"); ok {
		all = append(all, rest+"ies")
	}
	return all
}

// nameEndings end the names of fields that name resources.
var nameEndings = []string{"name", "names", "id", "ids", "identifier", "identifiers", "arn", "arns", "url", "bucket", "alias", "cluster", "table", "key", "resource", "resources", "function", "queue", "topic", "domain", "group"}

// names says whether a text at a place in an event of a service names the resource.
func (a *aliases) names(action string, n node) bool {
	if n.text == "" || n.value.Len() > 0 {
		return false
	}
	for _, form := range eventForms(n.text) {
		strong, ok := a.forms[form]
		if !ok {
			continue
		}
		if strong && form == n.text || a.weakly(action, n) {
			return true
		}
	}
	return a.isBelow(n.text)
}

func (a *aliases) weakly(action string, n node) bool {
	service, _, _ := strings.Cut(action, ":")
	if a.service != "" && service != a.service {
		return false
	}
	last := strings.ToLower(n.last())
	if strings.Contains(strings.ToLower(strings.Join(n.names, ".")), "tag") {
		return false
	}
	return endsWith(last, nameEndings) || common(words(last), a.words) > 0
}

// eventForms are the forms of a text in an event that are looked up: itself, and the name in an ARN or URL.
func eventForms(text string) []string {
	if strings.HasPrefix(text, "arn:") || strings.Contains(text, "://") {
		return []string{text, text[strings.LastIndexAny(text, ":/")+1:]}
	}
	if rest, ok := strings.CutPrefix(text, "/hostedzone/"); ok {
		return []string{text, rest}
	}
	return []string{text}
}

// isBelow says whether a text is the ARN of something that is a part of the resource: a version, a stream, a rule of a listener.
func (a *aliases) isBelow(text string) bool {
	return strings.HasPrefix(text, "arn:") && slices.ContainsFunc(a.arns, func(arn string) bool {
		rest, ok := strings.CutPrefix(text, arn)
		return ok && rest != "" && (rest[0] == ':' || rest[0] == '/') || belowListener(arn, text)
	})
}

// belowListener folds rules into their listener and listeners into their balancer, which share a tail and not a head.
func belowListener(arn, text string) bool {
	head, tail, ok := strings.Cut(arn, ":loadbalancer/")
	if !ok {
		head, tail, ok = strings.Cut(arn, ":listener/")
	}
	return ok && strings.HasPrefix(text, head+":listener") && strings.Contains(text, "/"+tail+"/")
}

// touches says by which text an event touches the resource; empty: it does not.
func (a *aliases) touches(e *act) string {
	for _, ref := range e.Refs {
		form := plainText(ref)
		if a.forms[form] || a.isBelow(form) {
			return form
		}
		if strings.HasPrefix(form, "arn:") && a.names(e.Action, node{[]string{"arn"}, taffrail.String(form), form}) {
			return form
		}
	}
	for _, n := range slices.Concat(e.request(), e.response()) {
		if a.names(e.Action, n) {
			return n.text
		}
	}
	return ""
}

// mentions says whether a part of a body names the resource.
func (a *aliases) mentions(action string, v taffrail.Value) bool {
	return slices.ContainsFunc(nodes(v), func(n node) bool { return a.names(action, n) })
}

// Keys gives the texts by which the events are found that may concern a resource: its own names, and those of what it refers to. They are forms
// that [taffrail.NameForms] gives for the texts in events.
func (m *Models) Keys(s Subject) (own, shared []string) {
	sc := &scene{Subject: &s, ids: newAliases(&s, m)}
	return slices.Sorted(maps.Keys(sc.ids.forms)), slices.Sorted(maps.Keys(sc.sharedIDs()))
}

package taffrail

import (
	"slices"
	"strings"
)

// maxKeys bounds the keys of one event. A request that names more objects than that is found by the first of them.
const maxKeys = 4096

// Keys gives the texts by which an event is found, sorted, each once: the names in its refs and bodies in the forms of [NameForms], and the
// credential that it gave out as [IssuedKey] writes it.
func (e Event) Keys() []string {
	var keys []string
	add := func(text string) {
		if len(keys) < maxKeys {
			keys = append(keys, NameForms(text)...)
		}
	}
	for _, ref := range e.Refs {
		add(ref)
	}
	eachText(e.Request, add)
	eachText(e.Response, add)
	if e.Issued != "" && e.Error == "" {
		keys = append(keys, IssuedKey(e.Issued))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// IssuedKey is the key of events that gave out a credential.
func IssuedKey(credential string) string { return "issued:" + credential }

// namesNothing are fields, in lower case, whose values are no names of objects: what they say is how something is, or which call it was.
var namesNothing = map[string]bool{
	"requestid": true, "clienttoken": true, "clientrequesttoken": true, "idempotencytoken": true, "nexttoken": true, "revisionid": true, "etag": true,
	"effect": true, "action": true, "notaction": true, "version": true, "engineversion": true, "engine": true, "status": true, "state": true, "runtime": true,
	"protocol": true, "ipprotocol": true, "description": true, "codesha256": true, "lastmodified": true, "creationdate": true, "createdat": true, "networkmode": true,
	"essential": true, "cidrip": true, "cidripv4": true, "architectures": true, "packagetype": true, "apiversion": true, "uid": true, "resourceversion": true,
}

// maxNameless is the length of the longest of them.
const maxNameless = 18

// NamesNothing says whether nothing below a field of an event is looked up as the name of an object.
func NamesNothing(field string) bool {
	return len(field) <= maxNameless && namesNothing[strings.ToLower(field)]
}

// eachText calls f for each text in a value that may be a name by the field that it stands in.
func eachText(v Value, f func(string)) {
	switch v.Shape() {
	case ShapeString:
		f(v.Text())
	case ShapeNumber:
		f(v.Text())
	case ShapeObject, ShapeMap:
		for name, field := range v.Fields() {
			if !NamesNothing(name) {
				eachText(field, f)
			}
		}
	case ShapeList, ShapeSet:
		for e := range v.Elems() {
			eachText(e, f)
		}
	}
}

// maxName bounds a text that may be a name. ARNs have at most 2,048 bytes, and those that occur a tenth of that.
const maxName = 512

// PlainName gives a name in the one form in which it is compared: ARNs of any partition as those of the first, and without the mark for what lies
// below; names of hosts without the dot of the root, in lower case.
func PlainName(text string) string {
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "arn:aws-"):
		_, rest, _ := strings.Cut(text[len("arn:"):], ":")
		return strings.TrimSuffix("arn:aws:"+rest, ":*")
	case strings.HasPrefix(text, "arn:"):
		return strings.TrimSuffix(text, ":*")
	case strings.HasSuffix(text, ".") && !strings.ContainsAny(text, " \n"):
		return strings.ToLower(strings.TrimSuffix(text, "."))
	}
	return text
}

// NameForms gives the forms under which a text in an event is looked up where it may be the name of an object: itself; of an ARN or a URL the
// last part, too, and of an ARN whatever it lies below; of a load balancer's rule or listener what it belongs to. It gives none for a text that
// is no name by its form: a flag, a small number, a sentence, an address range, a document. All are as [PlainName] gives them.
func NameForms(text string) []string {
	text = PlainName(text)
	if !mayName(text) {
		return nil
	}
	forms := []string{text}
	if rest, ok := strings.CutPrefix(text, "/hostedzone/"); ok {
		return append(forms, rest)
	}
	arn := strings.HasPrefix(text, "arn:")
	if !arn && !strings.Contains(text, "://") {
		return forms
	}
	if last := text[strings.LastIndexAny(text, ":/")+1:]; mayName(last) {
		forms = append(forms, last)
	}
	if arn {
		forms = append(forms, above(text)...)
	}
	return forms
}

// mayName says whether a text may be the name of an object.
func mayName(text string) bool {
	if len(text) < 2 || len(text) > maxName || text == "true" || text == "false" {
		return false
	}
	digits, dots := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c <= ' ' || c == '{' || c == '"' || c == 0x7f:
			return false
		case c == 'T' && i == 10 && digits == 8 && text[4] == '-' && text[7] == '-': // a time
			return false
		case '0' <= c && c <= '9':
			digits++
		case c == '.' || c == ':' || c == '/':
			dots++
		}
	}
	if digits == len(text) {
		return digits >= 6
	}
	return digits+dots < len(text) // an address of a network, or a range of them, is no name
}

// above gives the ARNs that one lies below: of the function for a version, of the listener for a rule, and of the balancer for both.
func above(arn string) (all []string) {
	head := resourcePart(arn)
	for i := len(arn) - 1; i > head; i-- {
		if arn[i] == ':' || arn[i] == '/' {
			all = append(all, arn[:i])
		}
	}
	return append(all, balancers(arn)...)
}

// resourcePart is where the resource begins in an ARN: after its fifth colon.
func resourcePart(arn string) int {
	at := 0
	for range 5 {
		i := strings.IndexByte(arn[at:], ':')
		if i < 0 {
			return len(arn)
		}
		at += i + 1
	}
	return at
}

// balancers gives the listener and the load balancer that the ARN of a rule or a listener belongs to: they share a tail and not a head.
func balancers(arn string) (all []string) {
	head, tail, ok := strings.Cut(arn, ":listener-rule/")
	if ok {
		if i := strings.LastIndexByte(tail, '/'); i > 0 {
			tail = tail[:i]
		}
		all = append(all, head+":listener/"+tail)
	} else if head, tail, ok = strings.Cut(arn, ":listener/"); !ok {
		return nil
	}
	if i := strings.LastIndexByte(tail, '/'); i > 0 {
		all = append(all, head+":loadbalancer/"+tail[:i])
	}
	return all
}

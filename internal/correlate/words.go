package correlate

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/taffrail-dev/taffrail"
)

// plain is a name without case and punctuation: "DBInstanceClass" and "db_instance_class" are one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// sameWord maps words to the one that stands for all that mean the same in names.
var sameWord = map[string]string{
	"maximum": "max", "minimum": "min", "configuration": "config", "configurations": "config", "identifier": "id", "kb": "size", "policies": "policy",
	"database": "db", "tagging": "tag", "untag": "tag", "lifecycleconfiguration": "lifecycle", "sec": "second", "param": "parameter",
	"attr": "attribute", "versioned": "versioning", "encrypted": "encryption", "lb": "balancer", "logging": "log", "loggroup": "log", "repositories": "repository",
	"capacities": "capacity", "keys": "key", "properties": "property", "entries": "entry", "aliases": "alias", "variables": "variable",
}

// fillers are words that say nothing of what is named.
var fillers = []string{"value", "item", "set", "list", "config", "attribute", "aws", "input", "request", "update", "specification", "new", "name", "document", "member", "entry", "option", "setting", "parameter", "data", "content", "body", "change", "batch"}

// words are the words of a name, in one form each: "VisibilityTimeout" gives visibility, timeout.
func words(name string) []string {
	name = strings.ReplaceAll(name, "dBI", "DbI") // CloudTrail lowers the first letter of DBInstance alone
	name = strings.NewReplacer("dBP", "DbP", "dBC", "DbC", "dBS", "DbS", "DB", "Db", "vPC", "Vpc", "VPC", "Vpc").Replace(name)
	name = wordEnd.ReplaceAllString(wordEnd.ReplaceAllString(name, "${1}${3} ${2}${4}"), "${1}${3} ${2}${4}")
	var all []string
	for _, w := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		all = append(all, singular(w))
	}
	return all
}

func singular(w string) string {
	if same, ok := sameWord[w]; ok {
		return same
	}
	if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is") {
		w = strings.TrimSuffix(w, "s")
	}
	if same, ok := sameWord[w]; ok {
		return same
	}
	return w
}

// telling are the words that are no fillers; all of them if there are only fillers.
func telling(all []string) []string {
	kept := slices.DeleteFunc(slices.Clone(all), func(w string) bool { return slices.Contains(fillers, w) })
	if len(kept) == 0 {
		return all
	}
	return kept
}

func common(a, b []string) (n int) {
	for _, w := range a {
		if slices.Contains(b, w) {
			n++
		}
	}
	return n
}

func within(a, b []string) bool { return common(a, b) == len(a) }

var rootARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):root$`)

// textOf is a scalar in the one form in which the two sides are compared: 60 and "60", Enabled and true, a name with the final dot of
// DNS and one without, an account and its root.
func textOf(v taffrail.Value) string {
	switch v.Shape() {
	case taffrail.ShapeBool:
		if v.Truth() {
			return "true"
		}
		return "false"
	case taffrail.ShapeString:
		return plainText(v.Text())
	}
	return v.Text()
}

func plainText(s string) string {
	s = strings.TrimSpace(s)
	switch {
	case strings.EqualFold(s, "enabled") || strings.EqualFold(s, "true"):
		return "true"
	case strings.EqualFold(s, "disabled") || strings.EqualFold(s, "false"):
		return "false"
	case rootARN.MatchString(s):
		return rootARN.FindStringSubmatch(s)[1]
	}
	if plain := taffrail.PlainName(s); plain != s || strings.HasPrefix(s, "arn:") {
		return plain
	}
	if n, err := taffrail.Number(s); err == nil {
		return n.Text()
	}
	return s
}

// document opens text that is a JSON object or array.
func document(v taffrail.Value) taffrail.Value {
	if v.Shape() != taffrail.ShapeString {
		return v
	}
	s := strings.TrimSpace(v.Text())
	if !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return v
	}
	if opened, err := taffrail.FromJSON([]byte(s)); err == nil {
		return opened
	}
	return v
}

// canon is a value as text, so that two forms of the same have the same: names without case, lists without order, one element for a list of
// it, nothing for what is empty.
func canon(v taffrail.Value) string {
	v = document(v)
	switch v.Shape() {
	case taffrail.ShapeList, taffrail.ShapeSet:
		return canonList(v)
	case taffrail.ShapeMap, taffrail.ShapeObject:
		return canonObject(v)
	}
	return textOf(v)
}

func canonList(v taffrail.Value) string {
	var all []string
	for e := range v.Elems() {
		if text := canon(e); text != "" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return "[" + strings.Join(all, "\x00") + "]"
}

func canonObject(v taffrail.Value) string {
	var all []string
	for name, e := range v.Fields() {
		if text := canon(e); text != "" {
			all = append(all, plain(name)+"\x01"+text)
		}
	}
	if len(all) == 0 {
		return ""
	}
	if inner, ok := v.Field("value"); ok && len(all) == 1 && canon(inner) != "" {
		return canon(inner) // {"value": true} is how EC2 says true
	}
	slices.Sort(all)
	return "{" + strings.Join(all, "\x00") + "}"
}

// atoms are the scalars in a value that say something: no truth values, no nothing.
func atoms(v taffrail.Value) []string {
	all := collectAtoms(v, nil)
	slices.Sort(all)
	return slices.Compact(all)
}

func collectAtoms(v taffrail.Value, all []string) []string {
	v = document(v)
	for e := range v.Elems() {
		all = collectAtoms(e, all)
	}
	if v.Len() == 0 {
		if text := textOf(v); informs(text) {
			all = append(all, text)
		}
	}
	return all
}

func informs(text string) bool { return text != "" && text != "true" && text != "false" && text != "0" }

// strong says whether a text is so particular that it does not stand somewhere by chance.
func strong(text string) bool { return informs(text) && len(text) >= 3 }

// without gives the members of a that b lacks.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// Same says whether two values mean the same, however they are written: as text of a document or as its parts, as a number or its digits, with
// nothing for what is empty, and without regard to the order of lists.
func Same(a, b taffrail.Value) bool { return canon(a) == canon(b) }

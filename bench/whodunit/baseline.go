package main

import (
	"slices"
	"strings"
	"time"
)

// A baseline is what other tools do: it names one event for each change, whatever the change is.
type baseline struct {
	name string
	ids  func(resource) []string
	fits func(m) bool
}

// baselines are the newest event that has the resource's first id, and the newest successful one that has any of its names.
var baselines = []baseline{
	{"newest event by id", func(r resource) []string { return r.IDs[:1] }, func(m) bool { return true }},
	{"newest successful event by any name", func(r resource) []string { return r.IDs }, succeeded},
}

func succeeded(r m) bool {
	code, _ := at(r, "responseStatus", "code").(interface{ String() string })
	return r["errorCode"] == nil && (code == nil || code.String() < "400") && !strings.Contains(str(r["requestURI"]), "dryRun")
}

// newest is the newest record of a case that fits.
func (b baseline) newest(c whodunitCase) (found m) {
	var last time.Time
	for _, r := range c.Events[0].Records {
		when, err := time.Parse(time.RFC3339Nano, str(firstOf(r["eventTime"], r["requestReceivedTimestamp"])))
		if err != nil || !b.fits(r) || !mentions(r, b.ids(c.Resources[0])) {
			continue
		}
		if !when.Before(last) {
			last, found = when, r
		}
	}
	return found
}

func firstOf(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

func mentions(r m, ids []string) bool {
	if name := str(at(r, "objectRef", "name")); name != "" && slices.Contains(ids, name) {
		return true
	}
	whole := text(r)
	return slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(whole, text(id)) })
}

// answers are those of a baseline, in the form in which they are scored.
func (b baseline) answers(it item) []answer {
	r := b.newest(it.c)
	if r == nil {
		return nil
	}
	var all []answer
	for _, l := range it.labels {
		a := answer{Case: l.Case, Address: l.Address, Path: l.Path, Element: l.Element, Tier: "likely"}
		a.Cause = &cause{Event: str(firstOf(r["eventID"], r["auditID"]))}
		a.Cause.Actor.ID = str(firstOf(at(r, "userIdentity", "arn"), firstOf(at(r, "userIdentity", "invokedBy"), at(r, "user", "username"))))
		all = append(all, a)
	}
	return all
}

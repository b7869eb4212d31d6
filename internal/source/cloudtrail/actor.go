package cloudtrail

import (
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// actor is who called, as far as the record itself says. Links to earlier sessions are found beside other events.
func actor(r record) taffrail.Actor {
	u := r.UserIdentity
	a := taffrail.Actor{ID: principal(r), Key: u.AccessKeyID, Chain: []taffrail.Link{}}
	a = links(a, r)
	a.Class, a.Name, a.Features = classify(r)
	return a
}

// principal is the most specific name that the record has for the caller.
func principal(r record) string {
	u := r.UserIdentity
	for _, name := range []string{u.ARN, u.PrincipalID, u.InvokedBy, u.UserName, string(u.AccountID), u.CredentialID, r.SourceIPAddress, u.Type} {
		if name != "" {
			return name
		}
	}
	return "unknown"
}

func links(a taffrail.Actor, r record) taffrail.Actor {
	u := r.UserIdentity
	add := func(kind, id string) {
		if id != "" {
			a = a.Behind(taffrail.Link{Kind: kind, ID: id})
		}
	}
	add("credential", u.AccessKeyID)
	add("session", sessionName(u))
	add("role", u.Session.IssuerARN)
	add("source identity", u.Session.SourceIdentity)
	add("federated", u.Session.Provider)
	add("subject", webSubject(u))
	add("identity center user", u.OnBehalfOf)
	add("service", serviceOf(r))
	return a
}

// serviceOf is the service of AWS that called, for itself or for someone.
func serviceOf(r record) string {
	u := r.UserIdentity
	switch {
	case u.InvokedBy != "":
		return u.InvokedBy
	case r.EventType == "AwsServiceEvent":
		return r.EventSource
	case u.Type == "AWSService" && strings.HasSuffix(u.PrincipalID, "amazonaws.com"):
		return u.PrincipalID
	}
	return ""
}

// sessionName is the last part of arn:aws:sts::1:assumed-role/ROLE/SESSION, or of the principal's id ROLEID:SESSION.
func sessionName(u identity) string {
	if _, rest, ok := strings.Cut(u.ARN, ":assumed-role/"); ok {
		if _, name, ok := strings.Cut(rest, "/"); ok {
			return name
		}
	}
	if _, name, ok := strings.Cut(u.PrincipalID, ":"); ok && (u.Type == "AssumedRole" || u.Type == "WebIdentityUser") {
		return name
	}
	return ""
}

// webSubject is the sub of a web identity: the repository and branch of a pipeline, or a service account.
func webSubject(u identity) string {
	if u.Session.Subject == "" && u.Type == "WebIdentityUser" {
		return u.UserName
	}
	return u.Session.Subject
}

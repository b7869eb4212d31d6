package cloudtrail

import (
	"bytes"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/internal/form"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// A record has the fields of a CloudTrail record that we use, called as CloudTrail calls them. Some texts are loose: deliveries write
// "true" for true, and an account's number without quotes. The bodies are JSON as it stands in the record, and nil where there is none.
type record struct {
	UserIdentity       identity
	EventTime          string
	EventSource        string
	EventName          string
	AWSRegion          string
	SourceIPAddress    string
	UserAgent          string
	ErrorCode          string
	ErrorMessage       string
	RequestParameters  []byte
	ResponseElements   []byte
	ServiceEvent       []byte
	EventID            string
	ReadOnly           loose
	Resources          []string // their ARNs
	EventType          string
	RecipientAccountID loose
	OriginalEventID    string // of an addendum
}

// An identity is the userIdentity of a record.
type identity struct {
	Type             string
	PrincipalID      string
	ARN              string
	AccountID        loose
	AccessKeyID      string
	UserName         string
	InvokedBy        string
	IdentityProvider string
	CredentialID     string
	Session          session
	OnBehalfOf       string // the id of a user of IAM Identity Center
}

type session struct {
	IssuerARN      string
	IssuerName     string
	MFA            loose
	Provider       string // of a web identity
	Subject        string // of a web identity
	SourceIdentity string
	RoleDelivery   loose
}

// A loose text is a string, a number or a bool, as text.
type loose string

func (l loose) isTrue() bool { return strings.EqualFold(string(l), "true") }

// A reader reads the fields of a record that is known to be JSON. The first fault counts.
type reader struct{ fault error }

// parse reads a record that was rewritten: valid, and without white space.
func parse(line []byte) (record, error) {
	var r record
	var in reader
	for name, value := range in.fields("record", line) {
		in.top(&r, name, value)
	}
	return r, in.fault
}

func (in *reader) top(r *record, name, value []byte) {
	switch string(name) {
	case "userIdentity":
		in.identity(&r.UserIdentity, value)
	case "eventTime":
		in.text(&r.EventTime, name, value)
	case "eventSource":
		in.text(&r.EventSource, name, value)
	case "eventName":
		in.text(&r.EventName, name, value)
	case "awsRegion":
		in.text(&r.AWSRegion, name, value)
	case "sourceIPAddress":
		in.text(&r.SourceIPAddress, name, value)
	case "userAgent":
		in.text(&r.UserAgent, name, value)
	case "errorCode":
		in.text(&r.ErrorCode, name, value)
	case "errorMessage":
		in.text(&r.ErrorMessage, name, value)
	case "eventID":
		in.text(&r.EventID, name, value)
	case "eventType":
		in.text(&r.EventType, name, value)
	case "readOnly":
		in.loose(&r.ReadOnly, value)
	case "recipientAccountId":
		in.loose(&r.RecipientAccountID, value)
	case "requestParameters":
		r.RequestParameters = value
	case "responseElements":
		r.ResponseElements = value
	case "serviceEventDetails":
		r.ServiceEvent = value
	case "resources":
		in.resources(r, value)
	case "addendum":
		in.one(&r.OriginalEventID, "addendum", value, "originalEventID")
	}
}

func (in *reader) identity(u *identity, object []byte) {
	for name, value := range in.fields("userIdentity", object) {
		switch string(name) {
		case "type":
			in.text(&u.Type, name, value)
		case "principalId":
			in.text(&u.PrincipalID, name, value)
		case "arn":
			in.text(&u.ARN, name, value)
		case "accountId":
			in.loose(&u.AccountID, value)
		case "accessKeyId":
			in.text(&u.AccessKeyID, name, value)
		case "userName":
			in.text(&u.UserName, name, value)
		case "invokedBy":
			in.text(&u.InvokedBy, name, value)
		case "identityProvider":
			in.text(&u.IdentityProvider, name, value)
		case "credentialId":
			in.text(&u.CredentialID, name, value)
		case "sessionContext":
			in.session(&u.Session, value)
		case "onBehalfOf":
			in.one(&u.OnBehalfOf, "onBehalfOf", value, "userId")
		}
	}
}

func (in *reader) session(s *session, object []byte) {
	for name, value := range in.fields("sessionContext", object) {
		switch string(name) {
		case "sessionIssuer":
			in.one(&s.IssuerARN, "sessionIssuer", value, "arn")
			in.one(&s.IssuerName, "sessionIssuer", value, "userName")
		case "attributes":
			for field, v := range in.fields("attributes", value) {
				if string(field) == "mfaAuthenticated" {
					in.loose(&s.MFA, v)
				}
			}
		case "webIdFederationData":
			in.webIdentity(s, value)
		case "sourceIdentity":
			in.text(&s.SourceIdentity, name, value)
		case "ec2RoleDelivery":
			in.loose(&s.RoleDelivery, value)
		}
	}
}

// webIdentity takes the provider and the subject, which stands under "sub", or under the provider's name and ":sub".
func (in *reader) webIdentity(s *session, object []byte) {
	in.one(&s.Provider, "webIdFederationData", object, "federatedProvider")
	attributes, _ := jsonscan.Field(object, "attributes")
	for name, value := range in.fields("attributes", attributes) {
		if string(name) == "sub" || bytes.HasSuffix(name, []byte(":sub")) {
			if text, ok := jsonscan.Text(value); ok && s.Subject == "" {
				s.Subject = text
			}
		}
	}
}

func (in *reader) resources(r *record, list []byte) {
	r.Resources = nil
	if list[0] != '[' && list[0] != 'n' {
		in.wrong("resources", list)
	}
	for e := range jsonscan.Elems(list) {
		arn := ""
		in.one(&arn, "resources", e, "ARN")
		if arn != "" {
			r.Resources = append(r.Resources, arn)
		}
	}
}

// fields are the fields of an object, and none of null. Anything else is a fault.
func (in *reader) fields(name string, object []byte) func(func(name, value []byte) bool) {
	if len(object) > 0 && object[0] != '{' && object[0] != 'n' {
		in.wrong(name, object)
	}
	return jsonscan.Fields(object)
}

// one reads one text of an object.
func (in *reader) one(to *string, name string, object []byte, field string) {
	for n, value := range in.fields(name, object) {
		if string(n) == field {
			in.text(to, n, value)
		}
	}
}

// text reads a text. Null leaves what was there.
func (in *reader) text(to *string, name, value []byte) {
	text, ok := jsonscan.Text(value)
	switch {
	case ok:
		*to = text
	case value[0] != 'n':
		in.wrong(string(name), value)
	}
}

// loose reads any scalar.
func (in *reader) loose(to *loose, value []byte) {
	if text, ok := jsonscan.Text(value); ok {
		*to = loose(text)
	} else if value[0] != 'n' && value[0] != '{' && value[0] != '[' {
		*to = loose(value)
	}
}

func (in *reader) wrong(name string, value []byte) {
	if in.fault == nil {
		in.fault = form.Wrong(name, form.Kind(value[0]))
	}
}

package api

import "time"

// HeaderAccessKey carries the credential of the caller, in a cloud that wants to
// know who calls.
const HeaderAccessKey = "Harbor-Access-Key"

// A SessionRequest asks for a session. What it needs depends on the call.
type SessionRequest struct {
	Person          string `json:"person,omitempty"` // who signs in
	Set             string `json:"set,omitempty"`    // of permissions; the first that they have
	Role            string `json:"role,omitempty"`
	Session         string `json:"session,omitempty"` // name
	SourceIdentity  string `json:"source_identity,omitempty"`
	Provider        string `json:"provider,omitempty"` // of a web identity
	Subject         string `json:"subject,omitempty"`
	DurationSeconds int64  `json:"duration_seconds,omitempty"`
}

// A Credential is the answer: the text for [HeaderAccessKey], and whose it is.
type Credential struct {
	AccessKey string    `json:"access_key"`
	Principal string    `json:"principal"`
	Expires   time.Time `json:"expires"`
}

// A Caller says who somebody is.
type Caller struct {
	Principal string    `json:"principal"`
	Account   string    `json:"account"`
	Expires   time.Time `json:"expires"`
}

// Principals are who there is.
type Principals struct {
	Principals []Principal `json:"principals"`
}

// A Principal is somebody who may call. Users have a key of their own.
type Principal struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Detail    string `json:"detail"`
	AccessKey string `json:"access_key,omitempty"`
}

// An Advance moves the cloud's own clock, by a duration such as 90s.
type Advance struct {
	By string `json:"by"`
}

// A Moment is the time that it is then.
type Moment struct {
	Now time.Time `json:"now"`
}

// Moved is how many objects the controllers changed.
type Moved struct {
	Moved int `json:"moved"`
}

// Populate asks for so many made-up objects.
type Populate struct {
	Count int `json:"count"`
}

package cloudtrail

import (
	"encoding/json"
	"strings"
)

// A record has the fields of a CloudTrail record that we use, by CloudTrail's own names. Texts are loose: some deliveries write
// "true" for true, and an account's number without quotes.
type record struct {
	UserIdentity       identity        `json:"userIdentity"`
	EventTime          string          `json:"eventTime"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	AWSRegion          string          `json:"awsRegion"`
	SourceIPAddress    string          `json:"sourceIPAddress"`
	UserAgent          string          `json:"userAgent"`
	ErrorCode          string          `json:"errorCode"`
	ErrorMessage       string          `json:"errorMessage"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	ResponseElements   json.RawMessage `json:"responseElements"`
	ServiceEvent       json.RawMessage `json:"serviceEventDetails"`
	AdditionalEvent    json.RawMessage `json:"additionalEventData"`
	EventID            string          `json:"eventID"`
	ReadOnly           loose           `json:"readOnly"`
	Resources          []resource      `json:"resources"`
	EventType          string          `json:"eventType"`
	RecipientAccountID loose           `json:"recipientAccountId"`
	SharedEventID      string          `json:"sharedEventID"`
	Addendum           *addendum       `json:"addendum"`
}

type resource struct {
	ARN  string `json:"ARN"`
	Type string `json:"type"`
}

type addendum struct {
	OriginalEventID string `json:"originalEventID"`
}

// An identity is the userIdentity of a record.
type identity struct {
	Type             string  `json:"type"`
	PrincipalID      string  `json:"principalId"`
	ARN              string  `json:"arn"`
	AccountID        loose   `json:"accountId"`
	AccessKeyID      string  `json:"accessKeyId"`
	UserName         string  `json:"userName"`
	InvokedBy        string  `json:"invokedBy"`
	IdentityProvider string  `json:"identityProvider"`
	CredentialID     string  `json:"credentialId"`
	Session          session `json:"sessionContext"`
	OnBehalfOf       struct {
		UserID           string `json:"userId"`
		IdentityStoreARN string `json:"identityStoreArn"`
	} `json:"onBehalfOf"`
}

type session struct {
	Issuer struct {
		Type     string `json:"type"`
		ARN      string `json:"arn"`
		UserName string `json:"userName"`
	} `json:"sessionIssuer"`
	Attributes struct {
		MFA loose `json:"mfaAuthenticated"`
	} `json:"attributes"`
	WebID struct {
		Provider   string                     `json:"federatedProvider"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	} `json:"webIdFederationData"`
	SourceIdentity string `json:"sourceIdentity"`
	RoleDelivery   loose  `json:"ec2RoleDelivery"`
	InvokedBy      string `json:"invokedBy"`
}

// A loose text is a string, a number or a bool, as text.
type loose string

// UnmarshalJSON takes any scalar.
func (l *loose) UnmarshalJSON(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, `"`) {
		return json.Unmarshal(b, (*string)(l))
	}
	if text != "null" && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		*l = loose(text)
	}
	return nil
}

func (l loose) isTrue() bool { return strings.EqualFold(string(l), "true") }

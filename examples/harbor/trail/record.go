// Package trail keeps an audit trail in the form of AWS CloudTrail: records, log
// files of them, digest files that chain and sign the log files, and envelopes in
// which records are pushed.
//
// A [Writer] takes records and delivers them later, late and out of order as that
// service does. What was appended and is not delivered yet is on disk as well, so
// that a process which is killed loses no record that was appended.
package trail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Record is one call as CloudTrail tells it, in its order of fields.
type Record struct {
	EventVersion        string     `json:"eventVersion"`
	UserIdentity        Identity   `json:"userIdentity"`
	EventTime           Time       `json:"eventTime"`
	EventSource         string     `json:"eventSource"`
	EventName           string     `json:"eventName"`
	AWSRegion           string     `json:"awsRegion"`
	SourceIPAddress     string     `json:"sourceIPAddress"`
	UserAgent           string     `json:"userAgent"`
	ErrorCode           string     `json:"errorCode,omitempty"`
	ErrorMessage        string     `json:"errorMessage,omitempty"`
	RequestParameters   any        `json:"requestParameters"`
	ResponseElements    any        `json:"responseElements"`
	AdditionalEventData any        `json:"additionalEventData,omitempty"`
	ServiceEventDetails any        `json:"serviceEventDetails,omitempty"`
	RequestID           string     `json:"requestID,omitempty"`
	EventID             string     `json:"eventID"`
	ReadOnly            bool       `json:"readOnly"`
	Resources           []Resource `json:"resources,omitempty"`
	EventType           string     `json:"eventType"`
	ManagementEvent     bool       `json:"managementEvent"`
	RecipientAccountID  string     `json:"recipientAccountId"`
	EventCategory       string     `json:"eventCategory"`
}

// Values of fields that are the same in many records.
const (
	Version      = "1.09"
	APICall      = "AwsApiCall"
	ServiceEvent = "AwsServiceEvent"
	Management   = "Management"
)

// A Resource is what a record names as touched. Many records name none.
type Resource struct {
	ARN       string `json:"ARN"`
	AccountID string `json:"accountId"`
	Type      string `json:"type,omitempty"`
}

// An Identity is the userIdentity of a record.
type Identity struct {
	Type             string          `json:"type,omitempty"`
	PrincipalID      string          `json:"principalId,omitempty"`
	ARN              string          `json:"arn,omitempty"`
	AccountID        string          `json:"accountId,omitempty"`
	AccessKeyID      string          `json:"accessKeyId,omitempty"`
	UserName         string          `json:"userName,omitempty"`
	IdentityProvider string          `json:"identityProvider,omitempty"`
	SessionContext   *SessionContext `json:"sessionContext,omitempty"`
	OnBehalfOf       *OnBehalfOf     `json:"onBehalfOf,omitempty"`
	InvokedBy        string          `json:"invokedBy,omitempty"`
}

// A SessionContext says of temporary credentials where they come from.
type SessionContext struct {
	SessionIssuer       *Issuer           `json:"sessionIssuer,omitempty"`
	WebIDFederationData *WebIDFederation  `json:"webIdFederationData,omitempty"`
	Attributes          SessionAttributes `json:"attributes"`
	SourceIdentity      string            `json:"sourceIdentity,omitempty"`
}

// An Issuer is the role whose credentials they are.
type Issuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// A WebIDFederation says who vouched for a session, and what for.
type WebIDFederation struct {
	FederatedProvider string            `json:"federatedProvider"`
	Attributes        map[string]string `json:"attributes"`
}

// SessionAttributes are those of a session; MFAAuthenticated is text there.
type SessionAttributes struct {
	CreationDate     Time   `json:"creationDate"`
	MFAAuthenticated string `json:"mfaAuthenticated"`
}

// OnBehalfOf is the person of IAM Identity Center for whom a session acts.
type OnBehalfOf struct {
	UserID           string `json:"userId"`
	IdentityStoreARN string `json:"identityStoreArn"`
}

// A Time is written in UTC, in seconds, as CloudTrail does.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05Z"

// At makes a Time; what is below a second is lost.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

// MarshalJSON writes it.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.UTC().Format(timeLayout)) }

// UnmarshalJSON reads it.
func (t *Time) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	at, err := time.Parse(timeLayout, text)
	*t = Time{at}
	return err
}

// An Envelope is a record as EventBridge delivers it.
type Envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       Time            `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Wrap puts a record into its envelope, whose id is another than the record's.
func Wrap(record []byte) (Envelope, error) {
	var r Record
	if err := json.Unmarshal(record, &r); err != nil {
		return Envelope{}, fmt.Errorf("wrap record: %w", err)
	}
	sum := sha256.Sum256([]byte("envelope " + r.EventID))
	kind := "AWS API Call via CloudTrail"
	if r.EventType == ServiceEvent {
		kind = "AWS Service Event via CloudTrail"
	}
	return Envelope{Version: "0", ID: UUID(sum[:]), DetailType: kind, Source: "harbor." + service(r.EventSource), Account: r.RecipientAccountID,
		Time: r.EventTime, Region: r.AWSRegion, Resources: []string{}, Detail: record}, nil
}

func service(source string) string {
	name, _, _ := strings.Cut(source, ".")
	return name
}

// UUID writes 16 bytes as a random UUID is written.
func UUID(b []byte) string {
	id := [16]byte{}
	copy(id[:], b)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

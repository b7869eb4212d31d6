package cloudtrail

import (
	"encoding/json"
	"net/url"
	"strings"
)

// A parcel is what one message of a queue brings.
type parcel struct {
	objects []object // files of S3 to be read
	records [][]byte // as they are
	nothing bool     // it is to be passed over: a test, or news of something else than a new file
	fault   string   // why it is none of these
}

type object struct{ bucket, key string }

// messageForm has the fields by which the forms of messages are told apart.
type messageForm struct {
	Type       string          `json:"Type"`    // of SNS
	Message    string          `json:"Message"` // of SNS
	Event      string          `json:"Event"`   // of a test of S3
	DetailType string          `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
	S3Bucket   string          `json:"s3Bucket"` // of CloudTrail's own notifications
	S3Keys     []string        `json:"s3ObjectKey"`
	EventID    string          `json:"eventID"` // of a record alone
	Records    []struct {
		EventName string      `json:"eventName"`
		S3        *objectForm `json:"s3"`
	} `json:"Records"`
}

type objectForm struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key string `json:"key"`
	} `json:"object"`
}

// unpack tells what a message brings, by its form. It may be wrapped by SNS.
func unpack(body string) parcel { return unwrapped(body, 0) }

func unwrapped(body string, depth int) parcel {
	if strings.HasPrefix(body, "CloudTrail validation message") { // when a trail is told of its topic
		return parcel{nothing: true}
	}
	var m messageForm
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return parcel{fault: "the message is no JSON that is known"}
	}
	switch {
	case m.Message != "" && (m.Type == "Notification" || m.Type == "") && depth < 2:
		return unwrapped(m.Message, depth+1)
	case m.Event == "s3:TestEvent":
		return parcel{nothing: true}
	case m.S3Bucket != "" && len(m.S3Keys) > 0:
		return listed(m.S3Bucket, m.S3Keys)
	case m.DetailType == "Object Created":
		return created(m.Detail)
	case m.DetailType != "":
		return enveloped(m)
	case m.EventID != "":
		return parcel{records: [][]byte{[]byte(body)}}
	case len(m.Records) > 0:
		return notified(m)
	}
	return parcel{fault: "the message is neither news of a file in S3 nor an event of CloudTrail"}
}

func listed(bucket string, keys []string) (p parcel) {
	for _, key := range keys {
		p.objects = append(p.objects, object{bucket, key})
	}
	return p
}

// created is an event of EventBridge about an object. Unlike S3's own notifications it has the key as it is.
func created(detail json.RawMessage) parcel {
	var o objectForm
	if json.Unmarshal(detail, &o) != nil || o.Bucket.Name == "" || o.Object.Key == "" {
		return parcel{fault: "the event of EventBridge names no object"}
	}
	return parcel{objects: []object{{o.Bucket.Name, o.Object.Key}}}
}

func enveloped(m messageForm) parcel {
	var record struct {
		EventID string `json:"eventID"`
	}
	if json.Unmarshal(m.Detail, &record) != nil || record.EventID == "" {
		return parcel{fault: "it is an event of EventBridge that holds no record of CloudTrail"}
	}
	return parcel{records: [][]byte{m.Detail}}
}

// notified is what S3 says of objects. Keys are written as in the query of a URL.
func notified(m messageForm) (p parcel) {
	for _, r := range m.Records {
		if r.S3 == nil {
			return parcel{fault: "the message is neither news of a file in S3 nor an event of CloudTrail"}
		}
		if !strings.HasPrefix(r.EventName, "ObjectCreated:") {
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil || key == "" || r.S3.Bucket.Name == "" {
			return parcel{fault: "the message names an object that cannot be"}
		}
		p.objects = append(p.objects, object{r.S3.Bucket.Name, key})
	}
	p.nothing = len(p.objects) == 0
	return p
}

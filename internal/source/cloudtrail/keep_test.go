package cloudtrail

import (
	"bytes"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// oddRecords have what a short way through a record could get wrong.
var oddRecords = []string{
	recordOf(``),
	recordOf(`,"requestParameters":{"dryRun":true}`),
	recordOf(`,"requestParameters":{"DRYRUN":false,"dryRun":true}`),
	recordOf(`,"requestParameters":{"omitted":true,"dryRun":true}`),
	recordOf(`,"requestParameters":{"omitted":"true"}`),
	recordOf(`,"requestParameters":"{\"dryRun\":true}"`),
	recordOf(`,"requestParameters":"{\"password\":\"omitted\"}"`),
	recordOf(`,"requestParameters":"body was OMITTED"`),
	recordOf(`,"requestParameters":["name-one",123456789,12345,1e7,true,null]`),
	recordOf(`,"requestParameters":{"items":[{"name":"name-two"}]}`),
	recordOf(`,"requestParameters":{"policy":"{\"Resource\":\"arn:aws:s3:::bucket-a\"}","q":"%7B%22Resource%22%3A%22arn:aws:s3:::bucket-b%22%7D"}`),
	recordOf(`,"requestParameters":{"a":"****","b":"HIDDEN_DUE_TO_SECURITY_REASONS"}`),
	recordOf(`,"requestParameters":null,"serviceEventDetails":{"keyId":"key-one"}`),
	recordOf(`,"serviceEventDetails":{"keyId":"key-one"}`),
	recordOf(`,"responseElements":{"credentials":{"accessKeyId":"ASIAONE","secretAccessKey":"correct-horse-battery","sessionToken":"correct-horse-battery"}}`),
	recordOf(`,"responseElements":{"accessKey":{"accessKeyId":"AKIATWO","secretAccessKey":"correct-horse-battery","status":"Active"}}`),
	recordOf(`,"responseElements":{"credentials":null,"accessKey":{"accessKeyId":"AKIATWO"}}`),
	recordOf(`,"responseElements":{"credentials":[1],"accessKey":{"accessKeyId":12345678}}`),
	recordOf(`,"responseElements":{"accessKey":"{\"accessKeyId\":\"AKIATHREE\"}"}`),
	recordOf(`,"responseElements":{"accessKey":{"accessKeyId":"AKIAONE","accessKeyId":"AKIATWO"},"accessKey":{"x":1}}`),
	recordOf(`,"responseElements":{"items":[{"a":"name-three"}]}`),
	recordOf(`,"userAgent":"ghp_0123456789abcdef","errorMessage":"password=correct-horse-battery"`),
	recordOf(`,"additionalEventData":{"SecretAccessKey":"correct-horse-battery"}`),
	recordOf(`,"resources":[{"ARN":"arn:aws:rds:eu-west-1:1:db:db-one"},{"type":"x"},null]`),
	recordOf(`,"userIdentity":{"accountId":123456789012},"readOnly":"True","recipientAccountId":null`),
	recordOf(`,"addendum":{"reason":"UPDATED_DATA","originalEventID":"e-0"}`),
	recordOf(`,"eventName":"Put\u0041cl","requestParameters":{"n\u0061me":"n\u0061me-four"}`),
	authorize, withSecret,
}

func TestKeeperContract(t *testing.T) {
	records := make([][]byte, len(oddRecords))
	for i, raw := range oddRecords {
		records[i] = []byte(raw)
	}
	plugtest.Keeper(t, plugtest.DecoderCase{Open: open, Records: records, WithSecret: []byte(withSecret), Secret: "correct-horse-battery"})
}

func TestWhatIsNoRecordOfTheSourceIsRefused(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	for _, fields := range []string{
		`,"eventName":5`, `,"userIdentity":"x"`, `,"userIdentity":{"arn":[]}`, `,"userIdentity":{"sessionContext":{"sessionIssuer":{"arn":1}}}`, `,"resources":{}`, `,"resources":[1]`,
		`,"eventTime":"yesterday"`, `,"eventID":""`, `,"addendum":7`, `,"x":1e1000001`,
	} {
		if _, err := d.Keep([]byte(recordOf(fields))); taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

// A secret is replaced wherever it stands, not in the bodies alone.
func TestNoSecretIsKeptAnywhere(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	for _, raw := range oddRecords {
		kept, err := d.Keep([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"correct-horse-battery", "ghp_0123456789abcdef"} {
			if bytes.Contains(kept.Record, []byte(secret)) {
				t.Errorf("kept: %s", kept.Record)
			}
		}
	}
}

func TestManyKeys(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	var names strings.Builder
	for i := range 6000 {
		names.WriteString(`"name-` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + `",`)
	}
	raw := []byte(recordOf(`,"requestParameters":{"l":[` + names.String() + `1]}`))
	kept, err := d.Keep(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := plugtest.SameHead(d, raw, kept); err != nil || len(kept.Keys) != 4096 {
		t.Errorf("%d keys, %v", len(kept.Keys), err)
	}
}

func FuzzKeep(f *testing.F) {
	for _, raw := range oddRecords {
		f.Add([]byte(raw))
	}
	d := newDecoder(plugtest.MarkingSealer())
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept, err := d.Keep(raw)
		_, refused := d.Decode(raw)
		if (err == nil) != (refused == nil) {
			t.Fatalf("Keep says %v, and Decode %v", err, refused)
		}
		if err != nil {
			return
		}
		if either, _ := d.rules.Rewrite(nil, raw, sealing.Either); !bytes.Equal(either, kept.Record) {
			return // a digest that somebody made up stands for itself in what is delivered, and for a secret in what is kept
		}
		if err := plugtest.SameEvent(d, raw, kept); err != nil {
			t.Error(err)
		}
		if err := plugtest.SameHead(d, raw, kept); err != nil {
			t.Error(err)
		}
	})
}

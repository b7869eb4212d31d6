package kubeaudit

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// Ways in which a Secret's data come along.
var secretive = map[string]string{
	"created":        secret,
	"patched":        strings.Replace(secret, `{"kind":"Secret","stringData":{"p":"correct-horse-battery"},`, `[{"op":"add","path":"/stringData/p","value":"correct-horse-battery"},{"op":"add","path":"/data/q","value":"correct-horse-battery"}],"x":{`, 1),
	"merged":         strings.Replace(secret, `"kind":"Secret","stringData"`, `"stringData"`, 1),
	"listed":         strings.Replace(secret, `{"kind":"Secret","metadata":{"resourceVersion":"9","uid":"u-2"},"data":{"p":"Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}}`, `{"kind":"SecretList","items":[{"data":{"p":"Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5","r":"correct-horse-battery"}}]}`, 1),
	"of another API": strings.Replace(strings.Replace(secret, `"resource":"secrets"`, `"resource":"x"`, 1), `"requestObject"`, `"annotations":{},"requestObject"`, 1),
	"a variable":     strings.Replace(patched, `"requestObject":{"spec":{"replicas":3}}`, `"requestObject":{"spec":{"env":[{"name":"DB_PASSWORD","value":"correct-horse-battery"}]}}`, 1),
	"applied":        strings.Replace(patched, `"requestObject":{`, `"requestObject":{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"kind\":\"Secret\",\"data\":{\"k\":\"correct-horse-battery\"}}"}},`, 1),
	"in an address":  strings.Replace(patched, `/apis/apps/v1/namespaces/shop/deployments/web?`, `/apis/apps/v1/x?password=correct-horse-battery&`, 1),
	"in a name":      strings.Replace(patched, `"user":{`, `"user":{"extra":{"token":["correct-horse-battery"]},`, 1),
}

func TestKeep(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	all := map[string]string{"plain": patched}
	for name, raw := range secretive {
		all[name] = raw
	}
	for name, raw := range all {
		t.Run(name, func(t *testing.T) {
			kept, err := d.Keep([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			for _, hidden := range []string{"correct-horse-battery", "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"} {
				if bytes.Contains(kept.Record, []byte(hidden)) {
					t.Errorf("the secret is kept: %s", kept.Record)
				}
			}
			if bytes.ContainsAny(kept.Record, "\n\r") {
				t.Error("it is more than one line")
			}
			if kept.Digest != sha256.Sum256([]byte(raw)) {
				t.Error("the digest is not of what was delivered")
			}
			before, err := d.Decode([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			after, err := d.Decode(kept.Record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(taffrail.Event{}, "Digest")); diff != "" {
				t.Errorf("what is kept says something else: %s", diff)
			}
			if diff := cmp.Diff(taffrail.HeadOf(before), kept.EventHead); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A digest that somebody outside has written into an object is not taken for one of ours.
func TestKeepIsNotFooled(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	ours := taffrail.SealedText(plugtest.MarkingSealer().Seal(taffrail.String("guess")))
	kept, err := d.Keep([]byte(strings.Replace(patched, `"replicas":3`, `"replicas":3,"note":"`+ours+`"`, 1)))
	if err != nil || bytes.Contains(kept.Record, []byte(ours)) {
		t.Errorf("%v: it is kept as a digest of ours", err)
	}
}

// The stages before the end of a request are kept, change nothing, and are not taken for copies of its end.
func TestStages(t *testing.T) {
	d := newDecoder(plugtest.MarkingSealer())
	for stage, want := range map[string]struct {
		id      taffrail.EventID
		changes bool
	}{
		"ResponseComplete": {"a-1", true}, "Panic": {"a-1", false}, "RequestReceived": {"a-1/RequestReceived", false}, "ResponseStarted": {"a-1/ResponseStarted", false},
	} {
		kept, err := d.Keep([]byte(strings.Replace(patched, "ResponseComplete", stage, 1)))
		if err != nil || kept.ID != want.id || kept.Changes != want.changes {
			t.Errorf("%s: %v, %s, changes: %v", stage, err, kept.ID, kept.Changes)
		}
	}
}

func FuzzKeep(f *testing.F) {
	f.Add([]byte(patched))
	for _, raw := range secretive {
		f.Add([]byte(raw))
	}
	d := newDecoder(plugtest.MarkingSealer())
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept, err := d.Keep(raw)
		if err != nil {
			return
		}
		e, err := d.Decode(kept.Record)
		if err != nil {
			t.Fatalf("what is kept cannot be read: %v", err)
		}
		if !reflect.DeepEqual(kept.EventHead, taffrail.HeadOf(e)) {
			t.Errorf("the head differs: %+v", kept.EventHead)
		}
		if again, err := d.Keep(raw); err != nil || !bytes.Equal(again.Record, kept.Record) {
			t.Errorf("keeping twice differs: %v", err)
		}
	})
}

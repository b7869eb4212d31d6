package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

const (
	trail = `{"eventVersion":"1.08","userIdentity":{},"eventTime":"2026-01-01T00:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","eventID":"e-1"}`
	kube  = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a-1"}`
)

func TestSplit(t *testing.T) {
	for body, want := range map[string][]string{
		``: nil, " \n": nil, `{"a":1}`: {`{"a":1}`}, `{"a":1}{"b":2} {"c":3}` + "\n" + `{"d":"}{"}`: {`{"a":1}`, `{"b":2}`, `{"c":3}`, `{"d":"}{"}`},
		`[{"a":1}, 2, []]`: {`{"a":1}`, `2`, `[]`}, `[]`: nil, `"a" 1 true`: {`"a"`, `1`, `true`},
		"{\"a\":1}\nhello you\n{\"b\":2}": {`{"a":1}`, `!hello you`, `{"b":2}`},
		`{"a":}{"b":2}`:                   {`!{"a":}`, `{"b":2}`},
		"{\"a\":1\n{\"b\":2}":             {`!{"a":1`, `{"b":2}`},
		`{"a":1}]`:                        {`{"a":1}`, `!]`},
		`"open`:                           {`!"open`},
	} {
		var got []string
		for p := range Split([]byte(body)) {
			if p.Fault != "" {
				p.Raw = append([]byte("!"), p.Raw...)
			}
			got = append(got, string(p.Raw))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	}
}

// A body of nothing but faults costs no more than a few looks at it, and none of it is lost.
func TestSplitIsBounded(t *testing.T) {
	body := strings.Repeat("{\n", 1_000_000)
	var all strings.Builder
	n := 0
	for p := range Split([]byte(body)) {
		all.Write(p.Raw)
		n++
	}
	if n != maxFaults || strings.Count(all.String(), "{") != 1_000_000 {
		t.Errorf("%d pieces with %d brackets", n, strings.Count(all.String(), "{"))
	}
	next := 0
	for range Split([]byte(strings.Repeat("1 ", 100))) {
		if next++; next == 3 {
			break
		}
	}
}

func TestRecords(t *testing.T) {
	text := fmt.Sprintf("%q", trail)
	for value, want := range map[string][]taffrail.Record{
		trail: {{Format: "cloudtrail", Raw: []byte(trail)}}, kube: {{Format: "kubeaudit", Raw: []byte(kube)}}, text: {{Format: "cloudtrail", Raw: []byte(trail)}},
		`{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","detail":` + trail + `}`:   {{Format: "cloudtrail", Raw: []byte(trail)}},
		`{"Records":[` + trail + `,` + trail + `]}`:                                                     {{Format: "cloudtrail", Raw: []byte(trail)}, {Format: "cloudtrail", Raw: []byte(trail)}},
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + kube + `]}`:                    {{Format: "kubeaudit", Raw: []byte(kube)}},
		`{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","message":` + text + `}]}`: {{Format: "cloudtrail", Raw: []byte(trail)}},
		`{"Records":[` + trail + `,{"s3":1}]}`:                                                          nil,
		`{"Records":[]}`:                                                                                nil,
		`{"kind":"Event","apiVersion":"v1"}`:                                                            nil,
		`{"detail-type":"x","detail":{"a":1}}`:                                                          nil,
		`"hello"`:                                                                                       nil,
		`"{not JSON"`:                                                                                   nil,
		`5`:                                                                                             nil,
		strings.Repeat(`{"detail-type":"x","detail":`, maxNested+2) + trail + strings.Repeat(`}`, maxNested+2): nil,
	} {
		got, ok := Records([]byte(value))
		if ok != (want != nil) {
			t.Errorf("%s: %v", value, ok)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", value, diff)
		}
	}
}

func TestOf(t *testing.T) {
	own := func(raw []byte) taffrail.Record {
		return taffrail.Record{Format: "own", Raw: slices.Concat(raw, []byte("+"))}
	}
	for _, tc := range []struct {
		piece Piece
		want  taffrail.Record
	}{
		{Piece{Raw: []byte(trail)}, taffrail.Record{Format: "cloudtrail", Raw: []byte(trail)}},
		{Piece{Raw: []byte("{}")}, taffrail.Record{Format: "own", Raw: []byte("{}+")}},
		{Piece{Raw: []byte("x"), Fault: "f"}, taffrail.Record{Format: "own", Raw: []byte("x"), Fault: "f"}},
	} {
		if diff := cmp.Diff([]taffrail.Record{tc.want}, Of(tc.piece, own)); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(trail + kube))
	f.Add([]byte("[1,{\"a\":[}]\nx\n{"))
	f.Add([]byte(`{"Records":[{"detail-type":1,"detail":"{}"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for p := range Split(body) {
			if len(p.Raw) == 0 {
				t.Error("a piece of nothing")
			}
			if p.Fault == "" {
				Records(p.Raw)
			}
		}
	})
}

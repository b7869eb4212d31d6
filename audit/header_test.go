package audit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someLeaves are entries, and what is nearly one. Those that the scanner must read itself come with true.
var someLeaves = map[string]bool{
	`{"actor":"taffrail/0.1.0","body":{"drift":"d1","why":"in_sync"},"counter":1,"nonce":"a1","outcome":"observed","scope":"","time":"2026-01-02T03:04:06.6789Z","type":"drift.ended","v":1}`: true,
	`{"_sd":["A3G84","x"],"_sd_alg":"sha-256","counter":2,"intent":0,"resource":"bucket[\"é\"]\u0001","type":"x","z":[{"a":{"b":[]}},-5,true,false,null,{}]}`:                                 true,
	`{}`:                                   true,
	`{"_sd":[]}`:                           true,
	`{"counter":-0}`:                       true,
	`{"counter":999999999999999999}`:       true,
	`{"counter":9223372036854775807}`:      false,
	`{"counter":9223372036854775808}`:      false,
	`{"counter":01}`:                       false,
	`{"counter":1.0}`:                      false,
	`{"counter":1e3}`:                      false,
	`{"counter":"1"}`:                      false,
	`{"counter":-}`:                        false,
	`{"counter":null}`:                     false,
	`{"intent":null}`:                      false,
	`{"_sd":null}`:                         false,
	`{"_sd":["a",1]}`:                      false,
	`{"Type":"a"}`:                         false,
	`{"COUNTER":1,"a":"b"}`:                false,
	`{"type":"a","type":"b"}`:              false,
	`{"type":"a","time":"b"}`:              false,
	`{"":1,"type":"a"}`:                    true,
	`{"":1,"":"a"}`:                        false,
	`{"typ\u0065":"a"}`:                    false,
	`{"type":"\u0061"}`:                    false,
	`{"type":"é"}`:                         false,
	"{\"type\":\"\xff\"}":                  false,
	"{\"a\":\"\xff\"}":                     true,
	"{\"a\":\"\x1f\"}":                     false,
	"{\"a\":\"\x7f\"}":                     true,
	`{"a":"\x"}`:                           false,
	`{"a":"\u00g0"}`:                       false,
	`{"a":"\u123g"}`:                       false,
	`{"a":"\u12"}`:                         false,
	`{"a":"\ud800"}`:                       true,
	`{"a":"b`:                              false,
	`{"a":"b\`:                             false,
	`{"a":1}x`:                             false,
	`{"a":1} `:                             false,
	`{"a": 1}`:                             false,
	`{"a":1,}`:                             false,
	`{,"a":1}`:                             false,
	`{"a":[1,]}`:                           false,
	`{"a":[1}`:                             false,
	`{"a":tru}`:                            false,
	`{"a":truer}`:                          false,
	`{"a":nul`:                             false,
	`{"a"}`:                                false,
	`{"a":}`:                               false,
	`{"a":1`:                               false,
	`[]`:                                   false,
	`null`:                                 false,
	`"a"`:                                  false,
	`1`:                                    false,
	``:                                     false,
	`{"a":` + nested(30) + `}`:             true,
	`{"a":` + nested(40) + `}`:             false,
	`{"a":` + nested(20000) + `}`:          false,
	`{"a":{"type":"inner","counter":"x"}}`: true,
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestScanHeader(t *testing.T) {
	for leaf, scanned := range someLeaves {
		if _, ok := scanHeader([]byte(leaf)); ok != scanned {
			t.Errorf("%.200s: scanned is %v", leaf, ok)
		}
		sameAsJSON(t, []byte(leaf))
	}
}

// sameAsJSON compares with package json: what is read at all is read as it does.
func sameAsJSON(t *testing.T, leaf []byte) {
	t.Helper()
	var want header
	wantErr := json.Unmarshal(leaf, &want)
	got, err := parseHeader(leaf)
	if err != nil {
		return
	}
	if wantErr != nil {
		t.Fatalf("%q is read: %v", leaf, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q:\n%s", leaf, diff)
	}
}

// What others might read otherwise is no header.
func TestHeaderHasOneReading(t *testing.T) {
	for leaf, want := range map[string]bool{
		`{"outcome":"intended","type":"a"}`:                     true,
		`{"outcome":"intended","type":"\u0007"}`:                true, // which the scanner leaves to others
		`{"outcome":"é"}`:                                       true,
		`{"a":` + nested(40) + `}`:                              true,
		`{"outcome":"intended","outcome":"ok"}`:                 false,
		`{"OUTCOME":"ok","outcome":"intended"}`:                 false,
		`{"outcome":"intended","outcome\u017f":"ok"}`:           false, // another spelling
		`{"Outcome":"ok"}`:                                      false,
		`{"out\u0063ome":"ok"}`:                                 false,
		`{"type":"a","outcome":"ok"}`:                           false,
		`{"outcome": "ok"}`:                                     false,
		`{"counter":1.0}`:                                       false,
		`{"counter":NaN}`:                                       false,
		`{"counter":9007199254740993}`:                          true, // scanned: it is what it says
		`{"counter":null}`:                                      true,
		`{"outcome":"` + strings.Repeat("é", MaxEntry/2) + `"}`: false,
		`[{"outcome":"ok"}]`:                                    false,
		`{"outcome":"ok"}{"outcome":"intended"}`:                false,
		"{\"outcome\":\"\xff\"}":                                false,
		`{"outcome":"\ud800"}`:                                  false,
	} {
		if _, err := parseHeader([]byte(leaf)); (err == nil) != want {
			t.Errorf("%.100s: %v", leaf, err)
		}
	}
}

// FuzzScanHeader: where the scanner reads a header, it is the one that package json reads.
func FuzzScanHeader(f *testing.F) {
	for leaf := range someLeaves {
		if len(leaf) < 1000 {
			f.Add([]byte(leaf))
		}
	}
	f.Fuzz(func(t *testing.T, leaf []byte) { sameAsJSON(t, leaf) })
}

func BenchmarkParseHeader(b *testing.B) {
	var leaf []byte
	for one := range someLeaves {
		if strings.HasPrefix(one, `{"actor"`) {
			leaf = []byte(one)
		}
	}
	b.Run("scanner", func(b *testing.B) {
		for b.Loop() {
			if _, err := parseHeader(leaf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			var h header
			if err := json.Unmarshal(leaf, &h); err != nil {
				b.Fatal(err)
			}
		}
	})
}

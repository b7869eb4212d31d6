package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFault(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Fault
		err  string // part of the message; "" for none
	}{
		{in: "deny", want: Fault{Effect: Deny}},
		{in: "hang", want: Fault{Effect: Hang}},
		{in: "lag=5s", want: Fault{Effect: Lag, Delay: 5 * time.Second}},
		{in: "latency=40ms", want: Fault{Effect: Latency, Delay: 40 * time.Millisecond}},
		{in: "deny-list", want: Fault{Effect: DenyList}},
		{in: "lag-list=5s", want: Fault{Effect: LagList, Delay: 5 * time.Second}},
		{in: "lag=10m", want: Fault{Effect: Lag, Delay: MaxDelay}},
		{in: "", err: "none of"},
		{in: "denied", err: "none of"},
		{in: "deny=5s", err: "takes no value"},
		{in: "deny=", err: "takes no value"},
		{in: "lag", err: "want lag=DURATION"},
		{in: "lag=", err: "want lag=DURATION"},
		{in: "lag=0s", err: "more than zero"},
		{in: "lag=-1s", err: "more than zero"},
		{in: "latency=11m", err: "at most 10m"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseFault(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error is %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzParseFault(f *testing.F) {
	for _, s := range []string{"deny", "lag=5s", "latency=1h", "lag=1ns", "crash=", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fault, err := ParseFault(s)
		if err != nil {
			return
		}
		again, err := ParseFault(fault.String())
		if err != nil || again != fault {
			t.Errorf("%q is %v, and that is %v, %v", s, fault, again, err)
		}
	})
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string // want is the result written again; "" for an error
	}{
		{name: "big number", in: `{"attributes":{"n":9007199254740993,"m":1.0,"x":1e400}}`, want: `{"attributes":{"m":1.0,"n":9007199254740993,"x":1e400}}`},
		{name: "space after", in: "{\"attributes\":{}}\n", want: `{"attributes":{}}`},
		{name: "unknown field", in: `{"attribute":{}}`},
		{name: "two values", in: `{"attributes":{}}{}`},
		{name: "garbage after", in: `{"attributes":{}}x`},
		{name: "cut off", in: `{"attributes":`},
		{name: "nothing", in: ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w Write
			err := Decode(strings.NewReader(tt.in), &w)
			if tt.want == "" {
				if err == nil {
					t.Fatalf("%q is accepted as %v", tt.in, w)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(w)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestCloneSharesNothing(t *testing.T) {
	build := func() map[string]any {
		return map[string]any{"list": []any{map[string]any{"a": "b"}}, "n": json.Number("1"), "null": nil}
	}
	original := build()
	copied := Clone(original)
	if diff := cmp.Diff(original, copied); diff != "" {
		t.Fatalf("copy differs (-original +copy):\n%s", diff)
	}
	copied["list"].([]any)[0].(map[string]any)["a"] = "changed"
	if diff := cmp.Diff(build(), original); diff != "" {
		t.Errorf("changing the copy changed the original (-want +got):\n%s", diff)
	}
	if got := Clone(nil); got == nil {
		t.Error("a copy of nil cannot be written to")
	}
}

func TestEqual(t *testing.T) {
	one := map[string]any{"a": json.Number("1"), "b": []any{"x"}}
	if !Equal(one, map[string]any{"b": []any{"x"}, "a": json.Number("1")}) {
		t.Error("the order of keys matters")
	}
	if Equal(json.Number("9007199254740993"), json.Number("9007199254740992")) {
		t.Error("the last digit of a big number is lost")
	}
}

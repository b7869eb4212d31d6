package taffrail_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func TestAcceptRuleCovers(t *testing.T) {
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	stack := taffrail.StackInfo{ID: "terraform/l/default", Name: "/infra/prod"}
	res := taffrail.Resource{Address: `module.a.b_c["x*y"]`, Type: "b_c"}
	for _, tc := range []struct {
		name string
		rule taffrail.AcceptRule
		at   time.Time
		want bool
	}{
		{"everything", taffrail.AcceptRule{}, end.Add(-1), true},
		{"at its end", taffrail.AcceptRule{}, end, false},
		{"the stack by name", taffrail.AcceptRule{Stack: "*/prod"}, end.Add(-1), true},
		{"the stack by ID", taffrail.AcceptRule{Stack: "terraform/l/*"}, end.Add(-1), true},
		{"another stack", taffrail.AcceptRule{Stack: "*/staging"}, end.Add(-1), false},
		{"the address", taffrail.AcceptRule{Address: `module.a.b_c["x*y"]`}, end.Add(-1), true},
		{"a star in the middle", taffrail.AcceptRule{Address: `module.*["x*]`}, end.Add(-1), true},
		{"two stars", taffrail.AcceptRule{Address: "*.a.*"}, end.Add(-1), true},
		{"a part alone", taffrail.AcceptRule{Address: "module.a"}, end.Add(-1), false},
		{"in another order", taffrail.AcceptRule{Address: "*b_c*module*"}, end.Add(-1), false},
		{"the ends overlap", taffrail.AcceptRule{Type: "b_c*_c"}, end.Add(-1), false},
		{"brackets are themselves", taffrail.AcceptRule{Address: `module.[a].*`}, end.Add(-1), false},
		{"the type", taffrail.AcceptRule{Type: "b_*"}, end.Add(-1), true},
		{"another type", taffrail.AcceptRule{Type: "b"}, end.Add(-1), false},
	} {
		tc.rule.Expires = end
		if got := tc.rule.Covers(stack, res, tc.at); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestAcceptRuleComesBack(t *testing.T) {
	for _, pinned := range []taffrail.Value{taffrail.Unknown(), taffrail.Null(), taffrail.List(taffrail.Int(1), taffrail.String("a"))} {
		want := taffrail.AcceptRule{
			Address: "a.*", Status: taffrail.Modified, Path: taffrail.NewPath(taffrail.Attr("tags"), taffrail.Any()), Pinned: pinned,
			Reason: "r", Owner: "o", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), From: "f:1",
		}
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got taffrail.AcceptRule
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", raw, diff)
		}
	}
}

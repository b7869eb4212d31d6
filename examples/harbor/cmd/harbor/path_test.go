package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAssignment(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want assignment
		err  string
	}{
		{in: `name=web`, want: assignment{[]string{"name"}, "web"}},
		{in: `name=`, want: assignment{[]string{"name"}, ""}},
		{in: `n=9007199254740993`, want: assignment{[]string{"n"}, json.Number("9007199254740993")}},
		{in: `on=true`, want: assignment{[]string{"on"}, true}},
		{in: `x=null`, want: assignment{[]string{"x"}, nil}},
		{in: `x="5"`, want: assignment{[]string{"x"}, "5"}},
		{in: `x=a b`, want: assignment{[]string{"x"}, "a b"}},
		{in: `x=5 6`, want: assignment{[]string{"x"}, "5 6"}},
		{in: `x=10.0.0.0/8`, want: assignment{[]string{"x"}, "10.0.0.0/8"}},
		{in: `x=a=b`, want: assignment{[]string{"x"}, "a=b"}},
		{in: `rules.0.cidrs=["a","b"]`, want: assignment{[]string{"rules", "0", "cidrs"}, []any{"a", "b"}}},
		{in: `tags."a.b=c"=d`, want: assignment{[]string{"tags", "a.b=c"}, "d"}},
		{in: `tags."a\"b"=d`, want: assignment{[]string{"tags", `a"b`}, "d"}},
		{in: `tags.""=d`, want: assignment{[]string{"tags", ""}, "d"}},
		{in: `name`, err: "want PATH=VALUE"},
		{in: `=x`, err: "a step is empty"},
		{in: `a..b=x`, err: "a step is empty"},
		{in: `a.=x`, err: "a step is empty"},
		{in: `"a=x`, err: "want PATH=VALUE"},
		{in: `"a"b=x`, err: "want a dot"},
		{in: `x=[1,2`, err: "value [1,2"},
		{in: `x={"a":1}}`, err: "more follows"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseAssignment(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, %v, want an error with %q", got, err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(assignment{})); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestSetAndUnset(t *testing.T) {
	const before = `{"name":"web","tags":{"a.b":"1"},"rules":[{"port":1,"cidrs":["x"]},{"port":2}],"null":null}`
	for _, tt := range []struct {
		name, set, unset, want, err string
	}{
		{name: "top", set: `name=door`, want: `{"name":"door","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "in map", set: `tags."a.b"="2"`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2}],"tags":{"a.b":"2"}}`},
		{name: "in element", set: `rules.1.port=3`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":3}],"tags":{"a.b":"1"}}`},
		{name: "append", set: `rules.0.cidrs.+=y`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x","y"],"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "append and go in", set: `rules.+.port=9`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2},{"port":9}],"tags":{"a.b":"1"}}`},
		{name: "make objects on the way", set: `new.a.b=1`, want: `{"name":"web","new":{"a":{"b":1}},"null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "into null", set: `null.a=1`, want: `{"name":"web","null":{"a":1},"rules":[{"cidrs":["x"],"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "outside of list", set: `rules.2.port=1`, err: "no element 2 in a list of 2"},
		{name: "negative", set: `rules.-1.port=1`, err: "no element -1"},
		{name: "no index", set: `rules.first=1`, err: `"first" is no place in a list`},
		{name: "into a string", set: `name.x=1`, err: `in name: "x" leads into "web"`},

		{name: "unset top", unset: `tags`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2}]}`},
		{name: "unset in map", unset: `tags."a.b"`, want: `{"name":"web","null":null,"rules":[{"cidrs":["x"],"port":1},{"port":2}],"tags":{}}`},
		{name: "unset element", unset: `rules.0`, want: `{"name":"web","null":null,"rules":[{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "unset in element", unset: `rules.0.cidrs`, want: `{"name":"web","null":null,"rules":[{"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "unset in inner list", unset: `rules.0.cidrs.0`, want: `{"name":"web","null":null,"rules":[{"cidrs":[],"port":1},{"port":2}],"tags":{"a.b":"1"}}`},
		{name: "unset nothing", unset: `colour`, err: `there is no "colour"`},
		{name: "unset nothing inside", unset: `tags.x`, err: `in tags: there is no "x"`},
		{name: "unset outside", unset: `rules.2`, err: "no element 2"},
		{name: "unset into a string", unset: `name.x`, err: "nothing inside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attributes := map[string]any{}
			if err := decodeInto(before, &attributes); err != nil {
				t.Fatal(err)
			}
			var err error
			if tt.set != "" {
				_, err = assign(attributes, []string{tt.set})
			} else {
				_, err = remove(attributes, []string{tt.unset})
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %q in it", err, tt.err)
				}
				return
			}
			if got := encoded(attributes); err != nil || got != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

func decodeInto(s string, v any) error {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	return dec.Decode(v)
}

func TestUnsetOfASecret(t *testing.T) {
	attributes := map[string]any{"password_set": true}
	touched, err := remove(attributes, []string{"password"})
	if err != nil || len(touched) != 1 || touched[0] != "password" {
		t.Errorf("got %v, %v", touched, err)
	}
}

func FuzzAssign(f *testing.F) {
	for _, s := range []string{`a.b=1`, `a.0.+="x"`, `"q.q".x={}`, `l.+.+=1`, `a=[`, `l.0=`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		attributes := map[string]any{"l": []any{"x", map[string]any{}}, "o": map[string]any{"k": json.Number("1")}}
		a, err := parseAssignment(s)
		if err != nil {
			return
		}
		if _, err := setAt(attributes, a.path, a.value); err != nil {
			return
		}
		if _, err := json.Marshal(attributes); err != nil {
			t.Errorf("%q gives what is no JSON: %v", s, err)
		}
		if a.path[len(a.path)-1] == appendStep {
			return // names another place now
		}
		for _, step := range a.path {
			if step == appendStep {
				return
			}
		}
		if _, err := unsetAt(attributes, a.path); err != nil {
			t.Errorf("what %q set cannot be unset: %v", s, err)
		}
	})
}

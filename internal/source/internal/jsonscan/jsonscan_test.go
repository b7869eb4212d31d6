package jsonscan

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFields(t *testing.T) {
	var got []string
	for name, value := range Fields([]byte(` { "a" : 1 ,"\u0062":"x}\"" , "c":[{"d":2},"]"],"e":null}`)) {
		got = append(got, string(name)+"="+string(value))
	}
	if diff := cmp.Diff([]string{"a=1", `b="x}\""`, `c=[{"d":2},"]"]`, "e=null"}, got); diff != "" {
		t.Error(diff)
	}
	if v, ok := Field([]byte(`{"a":1,"a":2}`), "a"); !ok || string(v) != "2" {
		t.Errorf("of a name that stands twice: %s", v)
	}
}

func TestElems(t *testing.T) {
	var got []string
	for e := range Elems([]byte(`[1, "a]" ,[2],{"b":[]}]`)) {
		got = append(got, string(e))
	}
	if diff := cmp.Diff([]string{"1", `"a]"`, "[2]", `{"b":[]}`}, got); diff != "" {
		t.Error(diff)
	}
}

// What is found agrees with what encoding/json finds, wherever that finds something.
func FuzzScan(f *testing.F) {
	for _, raw := range []string{`{"a":"\ud83d\ude00","b":[1,{"c":null}]}`, `["\ud800x","\ud800\u0041"]`, `{"a":1`, `[`, `{"a"`, `{"a":}`, `"\`, `{"\u00e9":"\/"}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, elems := map[string]json.RawMessage{}, []json.RawMessage{}
		for name, value := range Fields(raw) {
			fields[string(bytes.ToValidUTF8(name, []byte("\uFFFD")))] = value
		}
		for e := range Elems(raw) {
			elems = append(elems, e)
		}
		if !json.Valid(raw) || !bytes.Equal(raw, bytes.ToValidUTF8(raw, nil)) {
			return
		}
		wantFields, wantElems := map[string]json.RawMessage{}, []json.RawMessage{}
		if json.Unmarshal(raw, &wantFields) == nil && wantFields != nil && !cmp.Equal(wantFields, fields) {
			t.Errorf("fields of %q: %s", raw, cmp.Diff(wantFields, fields))
		}
		if json.Unmarshal(raw, &wantElems) == nil && wantElems != nil && !cmp.Equal(wantElems, elems) {
			t.Errorf("elements of %q: %s", raw, cmp.Diff(wantElems, elems))
		}
		var want string
		if text, ok := Text(bytes.TrimSpace(raw)); ok && (json.Unmarshal(raw, &want) != nil || want != text) {
			t.Errorf("text of %q: %q", raw, text)
		}
	})
}

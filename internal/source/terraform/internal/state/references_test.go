package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

const referred = `{"version":4,"serial":9,"lineage":"l","terraform_version":"1.9.0","outputs":{"o":{"value":[1,{"resources":[]}]}},"resources":[
{"mode":"managed","type":"t","name":"a","provider":"p","instances":[{"attributes":{"x":1},"sensitive_attributes":[[{"type":"get_attr","value":"x"}]]},{"deposed":"d","attributes":{"x":2}}]},
{"mode":"data","type":"t","name":"a","provider":"p","instances":[{"index_key":"k","attributes":{"x":3}}]},
{"module":"module.m[0]","mode":"managed","type":"t","name":"a","provider":"p","instances":[{"index_key":1,"attributes_flat":{"x":"4"}}]},
{"mode":"managed","type":"t","name":"other","provider":"p","instances":"not even looked at"}
],"check_results":null}`

func TestReferences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tfstate")
	if err := os.WriteFile(path, []byte(referred), 0o600); err != nil {
		t.Fatal(err)
	}
	found, h, err := ReadReferences(path, func(_, _, _, name string) bool { return name == "a" })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range found {
		got = append(got, r.Module+" "+r.Mode+" "+r.Type+"."+r.Name+r.Key.String()+" "+string(r.Attributes)+strings.Repeat(" marked", len(r.Marks)))
	}
	want := []string{` managed t.a {"x":1} marked`, ` data t.a["k"] {"x":3}`, `module.m[0] managed t.a[1] `}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Header{Lineage: "l", Serial: 9, Tool: "1.9.0"}, h); diff != "" {
		t.Error(diff)
	}
}

func TestReferencesOfWhatIsNoState(t *testing.T) {
	all := func(string, string, string, string) bool { return true }
	for _, text := range []string{
		"", "[]", "{", `{"resources":{}}`, `{"resources":[`, `{"resources":[{"instances":1}]}`, `{"resources":[{"instances":[{"index_key":1.5}]}]}`,
		`{"serial":"x"}`, `{"resources":[{"instances":[{"sensitive_attributes":1}]}]}`,
	} {
		if _, _, err := References(strings.NewReader(text), all); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, _, err := ReadReferences(filepath.Join(t.TempDir(), "absent"), all); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Error(err)
	}
}

func FuzzReferences(f *testing.F) {
	f.Add(referred)
	f.Fuzz(func(t *testing.T, text string) {
		found, _, err := References(strings.NewReader(text), func(string, string, string, string) bool { return true })
		if err != nil && (taffrail.KindOf(err) != taffrail.KindInvalid || len(found) > 0) {
			t.Fatalf("%v with %d objects", err, len(found))
		}
	})
}

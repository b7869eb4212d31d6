package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

const whole = `# what we have settled
accept:
  - address: module.web.*
    type: aws_autoscaling_group
    stack: "*/prod"
    path: desired_capacity
    reason: the scaler sets it
    owner: team:web
    expires: 2026-12-31
  - {path: 'rules[*].ports', value: [22, "22", {a: null}, 9007199254740993123456, 1.50, true], reason: r, owner: o, expires: "2026-12-31T18:00:00+02:00"}
  - status: unmanaged
    type: aws_iam_role
    address: "* (unmanaged AWSServiceRole*)"
    reason: |
      made by the cloud itself
    owner: team:platform
    expires: 2027-06-30
terraform:
  # comments stay
  workspace: blue
  vars: {region: "eu"}
`

func number(text string) taffrail.Value {
	v, err := taffrail.Number(text)
	if err != nil {
		panic(err)
	}
	return v
}

func TestParse(t *testing.T) {
	c, err := Parse("taffrail.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := []taffrail.AcceptRule{
		{
			Stack: "*/prod", Address: "module.web.*", Type: "aws_autoscaling_group", Status: taffrail.Modified,
			Path: taffrail.NewPath(taffrail.Attr("desired_capacity")), Reason: "the scaler sets it", Owner: "team:web",
			Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), From: "taffrail.yaml:3",
		},
		{
			Status: taffrail.Modified, Path: taffrail.NewPath(taffrail.Attr("rules"), taffrail.Any(), taffrail.Attr("ports")),
			Pinned: taffrail.List(taffrail.Int(22), taffrail.String("22"), taffrail.Map(map[string]taffrail.Value{"a": taffrail.Null()}),
				number("9007199254740993123456"), number("1.5"), taffrail.Bool(true)),
			Reason: "r", Owner: "o", Expires: time.Date(2026, 12, 31, 16, 0, 0, 0, time.UTC), From: "taffrail.yaml:10",
		},
		{
			Status: taffrail.Unmanaged, Type: "aws_iam_role", Address: "* (unmanaged AWSServiceRole*)", Reason: "made by the cloud itself", Owner: "team:platform",
			Expires: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC), From: "taffrail.yaml:11",
		},
	}
	if diff := cmp.Diff(want, c.Accept, cmp.Comparer(taffrail.Value.Equal), cmp.Comparer(taffrail.Path.Equal)); diff != "" {
		t.Error(diff)
	}
}

// What the source decodes stands where it stood, so that its errors name the place in the file.
func TestSectionKeepsItsPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, place string }{
		{"below", "accept: []\n\nterraform:\n  workspace: blue\n  wrong: 1\n", "[5:3]"},
		{"beside", "terraform: {workspace: blue, wrong: 1}\naccept: []\n", "[1:30]"},
		{"before another", "terraform:\n  wrong: 1\n  workspace: blue\naccept:\n", "[2:3]"},
		{"beside, over two lines", "accept:\nterraform: {workspace: blue,\n  wrong: 1}\n", "[3:3]"},
		{"with a mark of byte order", "\ufeffterraform:\n  workspace: blue\n  wrong: 1\n", "[3:3]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("f", []byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			var strict struct{ Workspace string }
			err = yaml.UnmarshalWithOptions(c.Terraform, &strict, yaml.Strict())
			if err == nil || !strings.Contains(err.Error(), tc.place) {
				t.Errorf("%q: %v, want %s", c.Terraform, err, tc.place)
			}
			var loose struct{ Workspace string }
			if err := yaml.Unmarshal(c.Terraform, &loose); err != nil || loose.Workspace != "blue" {
				t.Errorf("%q: %+v %v", c.Terraform, loose, err)
			}
		})
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "accept:\n", "accept: []\nterraform:\n", "~\n"} {
		c, err := Parse("f", []byte(text))
		if err != nil || len(c.Accept) != 0 || c.Terraform != nil {
			t.Errorf("%q: %+v %v", text, c, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const rest = "reason: r, owner: o, expires: 2026-12-31}]"
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", "acept: []", `f:1:1: the key "acept" is not known`},
		{"unknown key of a rule", "accept:\n- adddress: a\n", `f:2:3: the key "adddress" is not known`},
		{"key that is no text", "1: a", `f:1:1: the key "1" is not known`},
		{"double key", "accept: []\naccept: []", "f:2:1"},
		{"broken", "accept: [\n", "f:1:9"},
		{"a tab", "accept:\n\t- a", "f:2:1"},
		{"a list", "- a", "f:1:1: it is a list"},
		{"a word", "accept", "f:1:1: it is text"},
		{"braces", "{accept: []}", "f:1:1"},
		{"two documents", "accept:\n---\naccept:\n", "f:3:7: a second document begins"},
		{"no UTF-8", "accept: \xff", "f: it is not UTF-8"},
		{"rules that are no list", "accept: {a: b}", "f:1:9: accept is a map"},
		{"a rule that is no map", "accept: [a]", "f:1:10: a rule is text"},
		{"an empty rule", "accept: [{}]", "f:1:10: the rule has no reason"},
		{"no reason", "accept: [{path: a, owner: o, expires: 2026-12-31}]", "f:1:11: the rule has no reason"},
		{"no owner", "accept: [{path: a, reason: r, expires: 2026-12-31}]", "f:1:11: the rule has no owner"},
		{"no end", "accept: [{path: a, reason: r, owner: o}]", "f:1:11: the rule has no expires"},
		{"an empty reason", "accept: [{path: a, reason: '', owner: o, expires: 2026-12-31}]", "f:1:28: reason is empty"},
		{"no word at all", "accept: [{path: a, reason: r, owner:, expires: 2026-12-31}]", "owner is empty"},
		{"two lines", "accept: [{path: a, owner: \"a\\nb\", reason: r, expires: 2026-12-31}]", "owner has more than one line"},
		{"a number for text", "accept: [{path: a, owner: 5, reason: r, expires: 2026-12-31}]", "owner is a single value, and not text"},
		{"no date", "accept: [{path: a, owner: o, reason: r, expires: tomorrow}]", "neither a date nor a moment"},
		{"a slip of the finger", "accept: [{path: a, owner: o, reason: r, expires: 0226-12-31}]", "neither a date nor a moment"},
		{"a day that is none", "accept: [{path: a, owner: o, reason: r, expires: 2026-02-30}]", "neither a date nor a moment"},
		{"a path that is none", "accept: [{path: 'a[', " + rest, "f:1:17: path at byte 1"},
		{"a deletion", "accept: [{status: deleted, type: t, " + rest, `the status "deleted" cannot be accepted`},
		{"everything", "accept: [{stack: prod, " + rest, "f:1:11: the rule is about everything"},
		{"everything, in stars", "accept: [{address: '*', type: '**', " + rest, "f:1:11: the rule is about everything"},
		{"value without path", "accept: [{type: t, value: 1, " + rest, "value has no meaning without path"},
		{"path of what is unmanaged", "accept: [{status: unmanaged, type: t, path: a, " + rest, "path has no meaning"},
		{"value of what is unmanaged", "accept: [{status: unmanaged, type: t, value: a, " + rest, "value has no meaning"},
		{"a number in two readings", "accept: [{path: a, value: 0123, " + rest, "f:1:27: number"},
		{"a number in words", "accept: [{path: a, value: [1, .inf], " + rest, "f:1:31: a value cannot be"},
		{"an alias", "accept: [{path: a, value: *x, " + rest, "f:1:27"},
		{"an anchor", "accept: [{path: a, value: &x 1, " + rest, "f:1:27: a value cannot be an anchor"},
		{"a tag", "accept: [{path: a, value: !!str 1, " + rest, "f:1:27: a value cannot be a tag"},
		{"a key of a value that is no text", "accept: [{path: a, value: {1: a}, " + rest, "f:1:28: a key of a value is not text"},
		{"merging", "accept: [{path: a, value: {<<: {b: c}}, " + rest, "f:1:28: a key of a value is not text"},
		{"deep", "accept: [{path: a, value: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + ", " + rest, "nested deeper than 100"},
		{"deep for the parser", "accept: " + strings.Repeat("[", 100_000), "f:1:109: it is nested deeper than 100"},
		{"deep on one line", "accept:\n" + strings.Repeat("- ", 100_000), "f:2:201: it is nested deeper than 100"},
		{"settings that are none", "terraform: blue", "f:1:12: terraform is text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("error %v, hint %q, want %q", err, taffrail.HintOf(err), tc.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	good, large := filepath.Join(folder, FileName), filepath.Join(folder, "large.yaml")
	for path, text := range map[string][]byte{good: []byte(whole), large: bytes.Repeat([]byte("#\n"), maxSize)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := Load(good); err != nil || len(c.Accept) != 3 || c.Accept[0].From != good+":3" {
		t.Errorf("%+v %v", c, err)
	}
	for path, kind := range map[string]taffrail.Kind{
		filepath.Join(folder, "none"): taffrail.KindNotFound, folder: taffrail.KindInvalid, large: taffrail.KindInvalid,
	} {
		if _, err := Load(path); taffrail.KindOf(err) != kind || !strings.Contains(err.Error(), path) || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v of kind %s", path, err, taffrail.KindOf(err))
		}
	}
}

// TestReference compares the page with the keys that are read.
func TestReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/config.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []keys{topKeys, ruleKeys} {
		var table strings.Builder
		table.WriteString("| Key | |\n|---|---|\n")
		for _, k := range known {
			table.WriteString("| `" + k.name + "` | " + k.about + " |\n")
		}
		if !strings.Contains(string(page), "\n"+table.String()+"\n") {
			t.Errorf("the page has no table\n%s", table.String())
		}
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if c, err := Parse("the page", []byte(example)); err != nil || len(c.Accept) == 0 || c.Terraform == nil {
		t.Errorf("the page's example: %+v %v", c, err)
	}
}

// Whatever the text, there is an answer; and what is accepted has a reason, an owner and an end.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("terraform: {a: b,\n c: d}\naccept:\n- {path: a, value: {b: [1]}, reason: r, owner: o, expires: 2026-12-31}")
	f.Add("accept: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte(text))
		if err != nil {
			if taffrail.HintOf(err) == "" || !strings.HasPrefix(err.Error(), "read configuration: f") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, r := range c.Accept {
			if r.Reason == "" || r.Owner == "" || r.Expires.IsZero() || r.From == "" {
				t.Fatalf("%q gives %+v", text, r)
			}
			if r.Status == taffrail.Modified && len(r.Path.Steps()) == 0 && vague(r.Address) && vague(r.Type) {
				t.Fatalf("%q is about everything", text)
			}
		}
	})
}

func TestPipeIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Error(err)
	}
}

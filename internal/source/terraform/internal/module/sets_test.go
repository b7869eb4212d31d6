package module

import (
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func TestSets(t *testing.T) {
	files := map[string]string{
		"main.tf": `
resource "t" "n" {
  count   = 2
  literal = "x"
  none    = null
  number  = 1
  ref     = var.x
  text    = "a${var.x}"
  wrapped = "${var.x}"
  choice  = var.x ? "a" : "b"
  maybe   = var.x ? "a" : null
  paren   = (null)
  call    = lower("A")
  list    = [for x in var.y : x]
  sum     = var.n + 1
  tags = {
    a        = "1"
    "b.c"    = null
    d        = var.x
  }
  open_tags = {
    (var.k) = "1"
    a       = "1"
  }
  ports = [80, "443"]
  names = ["a", var.x]
  later = null
  rule {
    port = 1
    cidr = "x"
  }
  rule {
    port = 2
  }
  single {
    inner {
      x = 1
    }
  }
  labelled "east" {
    x = 1
  }
  dynamic "many" {
    for_each = var.y
    content {}
  }
  many {}
  gone {
    x = 1
  }
}`,
		"x_override.tf": `
resource "t" "n" {
  later = 1
  gone {
    y = 1
  }
}`,
		"j.tf.json": `{"resource": {"t": {"j": {
  "literal": "x", "none": null, "ref": "${var.x}", "text": "a${var.x}", "tags": {"a": "1", "b": null},
  "rule": [{"port": 1, "cidr": "x"}, {"port": 2}], "single": {"x": 1}, "dynamic": {"many": {"for_each": [1], "content": {}}}}}}}`,
	}
	m := load(t, files)
	for _, tc := range []struct{ name, path, want string }{
		{"n", "", "set"}, {"n", "literal", "set"}, {"n", "none", "not"}, {"n", "number", "set"}, {"n", "absent", "not"},
		{"n", "ref", "?"}, {"n", "text", "set"}, {"n", "wrapped", "?"}, {"n", "choice", "set"}, {"n", "maybe", "?"}, {"n", "paren", "not"},
		{"n", "call", "?"}, {"n", "list", "set"}, {"n", "list[0]", "?"}, {"n", "sum", "set"},
		{"n", "tags", "set"}, {"n", `tags["a"]`, "set"}, {"n", `tags["b.c"]`, "not"}, {"n", `tags["d"]`, "?"}, {"n", `tags["e"]`, "not"},
		{"n", `tags["a"].deep`, "?"}, {"n", `open_tags["x"]`, "?"}, {"n", `ref["a"]`, "?"}, {"n", `none["a"]`, "not"},
		{"n", "ports[0]", "set"}, {"n", "ports[2]", "not"}, {"n", `ports{{"num":"443"}}`, "set"}, {"n", `ports{{"num":"22"}}`, "not"},
		{"n", `names{"a"}`, "set"}, {"n", `names{"b"}`, "?"}, {"n", "ports[*]", "set"},
		{"n", "later", "set"}, {"n", "rule", "set"}, {"n", "rule[0].cidr", "set"}, {"n", "rule[1].cidr", "not"}, {"n", "rule[1]", "set"},
		{"n", "rule[2].port", "not"}, {"n", "rule[*].port", "set"}, {"n", "rule[*].cidr", "?"}, {"n", `rule{{"obj":{}}}`, "?"},
		{"n", `rule{{"obj":{}}}.port`, "set"}, {"n", "single.inner.x", "set"}, {"n", "single[0].inner[0].y", "not"},
		{"n", `labelled["east"].x`, "set"}, {"n", `labelled["west"].x`, "not"}, {"n", "many", "?"}, {"n", "many[0].x", "?"},
		{"n", "gone[0].y", "set"}, {"n", "gone[0].x", "not"},
		{"j", "literal", "set"}, {"j", "none", "not"}, {"j", "ref", "?"}, {"j", "text", "set"}, {"j", "absent", "not"},
		{"j", `tags["a"]`, "set"}, {"j", `tags["b"]`, "not"}, {"j", `tags["c"]`, "not"}, {"j", "rule[1].cidr", "not"}, {"j", "rule[0].cidr", "set"},
		{"j", "rule[2]", "not"}, {"j", "single[0].x", "set"}, {"j", "single.x", "set"}, {"j", "single[1].x", "not"}, {"j", "many[0]", "?"}, {"j", "few[0]", "not"},
	} {
		p, err := taffrail.ParsePath(tc.path)
		if err != nil {
			t.Fatal(tc.path, err)
		}
		set, known := m.Resources["t."+tc.name].Sets(p)
		got := map[[2]bool]string{{true, true}: "set", {false, true}: "not"}[[2]bool{set, known}]
		if !known {
			got = "?"
		}
		if got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.name, tc.path, got, tc.want)
		}
	}
	if _, known := (Declaration{}).Sets(taffrail.Path{}); known {
		t.Error("code that is not at hand is known")
	}
}

package lang_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// place makes a folder with files that functions read.
func place(t *testing.T) lang.Folder {
	t.Helper()
	f := lang.Folder{Dir: t.TempDir(), Home: os.Getenv("HOME")}
	for name, text := range map[string]string{
		"a.txt": "hello\n", "sub/b.txt": "b", "sub/deep/c.txt": "c", "sub/d.json": "{}", "t.tftpl": "%{ for x in xs ~}\n<${x}>\n%{ endfor ~}\n",
		"one.tftpl": "${xs}", "bad.bin": "\xff\xfe", "main.tf": "",
	} {
		path := filepath.Join(f.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func evaluate(f lang.Folder, text string) (cty.Value, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	v, diags := expr.Value(&hcl.EvalContext{Functions: lang.Functions(f)})
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	return v, nil
}

// written is a value as JSON, or that there is none.
func written(f lang.Folder, text string) string {
	v, err := evaluate(f, text)
	if err != nil {
		return "error"
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return "unknown"
	}
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return err.Error()
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(data))
}

func TestFunctions(t *testing.T) {
	f := place(t)
	seen := map[string]bool{}
	for _, tc := range table {
		name, _, _ := strings.Cut(tc.expr, "(")
		seen[name] = true
		if got := written(f, tc.expr); got != tc.want {
			t.Errorf("%s is %s, want %s", tc.expr, got, tc.want)
		}
	}
	for name := range lang.Functions(f) {
		if !strings.Contains(name, "::") && !seen[name] {
			t.Errorf("%s has no row", name)
		}
	}
}

// The tools' own console says what each expression is.
func TestFunctionsAsTheToolsHaveThem(t *testing.T) {
	tools := 0
	for _, name := range []string{"terraform", "tofu", os.Getenv("TAFFRAIL_TEST_TOFU")} {
		tool, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		tools++
		t.Run(filepath.Base(tool), func(t *testing.T) { compareWithConsole(t, tool) })
	}
	if tools == 0 {
		t.Skip("neither terraform nor tofu is on PATH")
	}
}

// compareWithConsole lets the console work out the whole table: jsonencode of each expression that works, and can of each that fails.
func compareWithConsole(t *testing.T, tool string) {
	f := place(t)
	var rows []row
	var parts []string // the console prints its last answer alone, so that all is one expression
	for _, tc := range table {
		switch {
		case tc.want == "unknown", tc.only == "us", tc.only == "tofu" && !isTofu(t, tool), strings.Contains(tc.expr, "sensitive("):
			continue
		case tc.want == "error":
			parts = append(parts, "tostring(can("+tc.expr+"))")
		default:
			parts = append(parts, "jsonencode("+tc.expr+")")
		}
		rows = append(rows, tc)
	}
	cmd := exec.Command(tool, "console")
	cmd.Dir, cmd.Stdin = f.Dir, strings.NewReader("jsonencode(["+strings.Join(parts, ", ")+"])\n")
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all, err := evaluate(f, "jsondecode("+strings.TrimSpace(string(out))+")")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, theirs := range all.AsValueSlice() {
		want := "false"
		if rows[i].want != "error" {
			want = encoded(f, rows[i].expr)
		}
		if theirs.AsString() != want {
			t.Errorf("%s: %s says %s, we say %s", rows[i].expr, filepath.Base(tool), theirs.AsString(), want)
		}
	}
}

// encoded is what our own jsonencode makes of an expression.
func encoded(f lang.Folder, expr string) string {
	v, err := evaluate(f, "jsonencode("+expr+")")
	if err != nil {
		return err.Error()
	}
	return v.AsString()
}

func isTofu(t *testing.T, tool string) bool {
	t.Helper()
	out, err := exec.Command(tool, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(string(out), "OpenTofu")
}

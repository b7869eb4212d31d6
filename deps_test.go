package taffrail_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const modulePath = "github.com/taffrail-dev/taffrail"

// A rule says what a package may import. Ours are named from the module's root, "." being the root package itself; `/...` means
// everything below, too.
type rule struct {
	ours    []string
	foreign []string // modules and packages that are neither ours nor the standard library's; "*" is any
	never   []string // packages of the standard library
}

var anything = []string{"*"}

// dependencyRule is the table. The first row that fits a package holds, so that the particular stand before the general. A
// package without a row fails. It speaks of what is built in; tests may also use the contract suites and what they test with.
var dependencyRule = []struct {
	pkg string
	rule
}{
	{".", rule{}},
	{"audit", rule{foreign: []string{"golang.org/x/mod", "github.com/transparency-dev/formats", "github.com/gowebpki/jcs"}}},
	{"audit/auditor", rule{ours: []string{"audit"}}},
	{"audit/publish", rule{ours: []string{"audit"}, foreign: []string{"golang.org/x/mod"}}},
	{"audit/audittest", rule{ours: []string{"audit"}, foreign: []string{"golang.org/x/mod", "github.com/google/go-cmp"}}},
	{"internal/config", rule{ours: []string{"."}, foreign: []string{"github.com/goccy/go-yaml"}}},
	{"internal/detect", rule{ours: []string{"."}, never: []string{"os", "net", "log", "database/sql", "math/rand"}}},
	{"internal/correlate/whodunit", rule{ours: []string{".", "internal/correlate"}, never: []string{"os", "net", "log", "database/sql", "math/rand"}}},
	{"internal/correlate", rule{ours: []string{"."}, never: []string{"os", "net", "log", "database/sql", "math/rand"}}},
	{"internal/plug", rule{ours: []string{"."}, foreign: []string{"github.com/goccy/go-yaml"}}},
	{"internal/git", rule{ours: []string{"."}, foreign: []string{"github.com/go-git/go-git/v5", "github.com/go-git/go-billy/v5"}}},
	{"internal/pgtest", rule{foreign: []string{"github.com/jackc/pgx/v5"}}},
	{"internal/plugtest", rule{ours: []string{".", "internal/plug"}, foreign: []string{"github.com/google/go-cmp"}}},
	{"internal/store", rule{ours: []string{".", "audit"}, foreign: []string{"golang.org/x/mod", "golang.org/x/sys", "github.com/jackc/pgx/v5", "github.com/klauspost/compress", "github.com/pressly/goose/v3", "modernc.org/sqlite"}}},
	{"internal/source/internal/...", rule{ours: []string{".", "internal/plug", "internal/source/internal/..."}, foreign: anything}},
	{"internal/source/*/internal/...", rule{ours: []string{".", "internal/plug", "internal/source/internal/...", "internal/source/*/internal/..."}, foreign: anything}},
	{"internal/source/*", rule{ours: []string{".", "internal/git", "internal/plug", "internal/source/internal/...", "internal/source/*/internal/..."}, foreign: anything}},
	{"internal/trust/*", rule{ours: []string{".", "audit", "internal/plug"}, foreign: anything}},
	{"internal/plugins", rule{ours: []string{"internal/plug", "internal/source/*", "internal/trust/*"}}},
	{"internal/daemon", rule{
		ours:    []string{".", "audit", "audit/publish", "internal/config", "internal/correlate", "internal/correlate/whodunit", "internal/detect", "internal/plug", "internal/store"},
		foreign: []string{"golang.org/x/mod", "github.com/goccy/go-yaml"},
	}},
	{"internal/api", rule{ours: []string{".", "audit", "internal/daemon"}}},
	{"internal/cli", rule{ours: []string{".", "audit", "audit/auditor", "audit/publish", "internal/api", "internal/config", "internal/correlate/whodunit", "internal/daemon", "internal/git", "internal/plug"}, foreign: anything}},
	{"cmd/taffrail-verify", rule{ours: []string{"audit/auditor"}}},
	{"cmd/taffrail", rule{ours: []string{"internal/cli", "internal/plugins"}}},
	// A benchmark of the store itself cannot be made from outside: what it measures is no command.
	{"bench/log", rule{ours: []string{".", "audit", "internal/plug", "internal/store", "internal/trust/file"}, foreign: anything}},
	// What keeping alone costs is no command either: it is there to say where the time of an import goes.
	{"bench/ingest", rule{ours: []string{".", "internal/correlate", "internal/plug", "internal/source/cloudtrail", "internal/store"}}},
	{"bench/...", rule{ours: []string{".", "audit", "examples/..."}, foreign: anything}},
	{"examples/...", rule{ours: []string{".", "audit", "examples/..."}, foreign: anything}},
}

// sqlPackages may speak SQL: the store, and by name whoever tampers with a database for a demonstration, or measures a plain insert.
var sqlPackages = []string{"internal/store", "examples/demo/tamper", "bench/log"}

// servingPackages may serve HTTP: the API, and by name the witness, the tiles, what the sources share that are sent events, and the practice cloud.
var servingPackages = []string{
	"internal/api",
	"internal/source/internal/receive",
	"internal/trust/witness",
	"audit/publish",
	"examples/...",
}

func TestDependencyRule(t *testing.T) {
	for _, fault := range checkDependencies(os.DirFS(".")) {
		t.Error(fault)
	}
}

func TestDependencyRuleFindsAPlantedViolation(t *testing.T) {
	for _, tc := range []struct{ file, code, want string }{
		{"x.go", `package taffrail; import _ "golang.org/x/mod/sumdb/tlog"`, "x.go: . must not import golang.org/x/mod/sumdb/tlog"},
		{"audit/x.go", `package audit; import _ "github.com/taffrail-dev/taffrail"`, "audit/x.go: audit must not import ."},
		{"internal/detect/x.go", `package detect; import _ "net/http"`, "internal/detect/x.go: internal/detect must not import net/http"},
		{"internal/detect/x.go", `package detect; import "math/rand/v2"`, "internal/detect/x.go: internal/detect must not import math/rand/v2"},
		{"internal/cli/x.go", `package cli; import _ "github.com/taffrail-dev/taffrail/internal/store"`, "internal/cli/x.go: internal/cli must not import internal/store"},
		{"internal/cli/x.go", `package cli; import _ "database/sql"`, "internal/cli/x.go: only the store speaks SQL"},
		{"internal/cli/x.go", `package cli; import "net/http"; var _ http.Server`, "internal/cli/x.go: serves HTTP, which the API alone may"},
		{"internal/source/a/x.go", `package a; import _ "github.com/taffrail-dev/taffrail/internal/source/b"`, "internal/source/a/x.go: internal/source/a must not import internal/source/b"},
		{"internal/source/a/x.go", `package a; import _ "github.com/taffrail-dev/taffrail/internal/source/b/internal/c"`, "internal/source/a/x.go: internal/source/a must not import internal/source/b/internal/c"},
		{"internal/helpers/x.go", `package helpers`, "internal/helpers/x.go: internal/helpers has no row in the dependency table"},
		{"internal/detect/x.go", `package detect; func init() {}`, "internal/detect/x.go: has an init function"},
		{"internal/detect/x.go", `package detect`, "internal/detect: no file has a package comment"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(tc.file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, tc.file), []byte(tc.code), 0o644); err != nil {
				t.Fatal(err)
			}
			if faults := checkDependencies(os.DirFS(dir)); !slices.Contains(faults, tc.want) {
				t.Errorf("went unnoticed: %q", faults)
			}
		})
	}
}

func TestRowFits(t *testing.T) {
	for _, tc := range []struct {
		pattern, pkg string
		want         bool
	}{
		{".", ".", true},
		{"internal/source/*", "internal/source/a", true},
		{"internal/source/*", "internal/source/a/internal/b", false},
		{"internal/source/*/internal/...", "internal/source/a/internal/b/c", true},
		{"internal/source/*/internal/...", "internal/source/a/b", false},
		{"examples/...", "examples", true},
	} {
		if got := fits(tc.pattern, tc.pkg); got != tc.want {
			t.Errorf("%s fits %s: %v", tc.pattern, tc.pkg, got)
		}
	}
}

// checkDependencies parses the imports itself: asking the go command is defeated by its test cache.
func checkDependencies(tree fs.FS) (faults []string) {
	commented := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(tree, name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		code, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, code, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		commented[pkg] = commented[pkg] || file.Doc != nil
		faults = append(faults, checkFile(name, pkg, file)...)
		return nil
	})
	if err != nil {
		faults = append(faults, err.Error())
	}
	for pkg, yes := range commented {
		if !yes {
			faults = append(faults, pkg+": no file has a package comment")
		}
	}
	slices.Sort(faults)
	return faults
}

// skipFolder leaves out what is no part of this module.
func skipFolder(tree fs.FS, name string) error {
	base := path.Base(name)
	if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil && name != "." {
		return fs.SkipDir
	}
	return nil
}

func checkFile(name, pkg string, file *ast.File) (faults []string) {
	if servesHTTP(file) && !slices.ContainsFunc(servingPackages, func(p string) bool { return fits(p, pkg) }) {
		faults = append(faults, name+": serves HTTP, which the API alone may")
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !ast.IsGenerated(file) {
			faults = append(faults, name+": has an init function")
		}
	}
	i := slices.IndexFunc(dependencyRule, func(row struct {
		pkg string
		rule
	}) bool {
		return fits(row.pkg, pkg)
	})
	if i < 0 {
		return append(faults, fmt.Sprintf("%s: %s has no row in the dependency table", name, pkg))
	}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		faults = append(faults, checkImport(name, pkg, imported, dependencyRule[i].rule)...)
	}
	return faults
}

func servesHTTP(file *ast.File) (serves bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			pkg, ok := s.X.(*ast.Ident)
			serves = serves || ok && pkg.Name == "http" && slices.Contains([]string{"Server", "Serve", "ServeTLS", "ListenAndServe", "ListenAndServeTLS"}, s.Sel.Name)
		}
		return true
	})
	return serves
}

func checkImport(name, pkg, imported string, r rule) (faults []string) {
	if imported == "database/sql" && !slices.ContainsFunc(sqlPackages, func(p string) bool { return fits(p, pkg) }) {
		faults = append(faults, name+": only the store speaks SQL")
	}
	if !allowed(pkg, imported, r) {
		faults = append(faults, fmt.Sprintf("%s: %s must not import %s", name, pkg, strings.TrimPrefix(ours(imported), "./")))
	}
	return faults
}

func allowed(pkg, imported string, r rule) bool {
	if local := ours(imported); local != imported {
		return slices.ContainsFunc(r.ours, func(p string) bool { return fits(p, local) }) && !foreignInterior(pkg, local)
	}
	if !strings.Contains(strings.Split(imported, "/")[0], ".") { // the standard library
		return !slices.ContainsFunc(r.never, func(p string) bool { return fits(p+"/...", imported) })
	}
	return slices.ContainsFunc(r.foreign, func(p string) bool { return p == "*" || fits(p+"/...", imported) })
}

// ours gives the path of one of our packages from the module's root, and any other path as it is.
func ours(imported string) string {
	if imported == modulePath {
		return "."
	}
	return strings.TrimPrefix(imported, modulePath+"/")
}

// foreignInterior says whether a package lies inside another plug-in than pkg.
func foreignInterior(pkg, local string) bool {
	owner, _, inside := strings.Cut(local, "/internal/")
	return inside && strings.HasPrefix(owner, "internal/source/") && pkg != owner && !strings.HasPrefix(pkg, owner+"/")
}

// fits says whether a pattern of the table means a package: `*` is one element, `...` at the end is what is below.
func fits(pattern, pkg string) bool {
	prefix, below := strings.CutSuffix(pattern, "/...")
	want, got := strings.Split(prefix, "/"), strings.Split(pkg, "/")
	if len(got) < len(want) || len(got) > len(want) && !below {
		return false
	}
	for i := range want {
		if want[i] != "*" && want[i] != got[i] {
			return false
		}
	}
	return true
}

// TestEveryFolderThatTheTableNamesExists keeps the table from growing rows that mean nothing.
func TestEveryFolderThatTheTableNamesExists(t *testing.T) {
	var missing []string
	for _, row := range dependencyRule {
		folder := strings.TrimSuffix(row.pkg, "/...")
		if found, _ := filepath.Glob(folder); len(found) == 0 {
			missing = append(missing, row.pkg)
		}
	}
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Error(diff)
	}
}

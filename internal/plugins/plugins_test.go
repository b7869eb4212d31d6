package plugins

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

const importPath = "github.com/taffrail-dev/taffrail/internal/"

// families are the folders whose folders are plug-ins.
var families = []string{"source", "trust", "notify", "remedy"}

// missing names the plug-in folders of a tree that the list in plugins/plugins.go does not call.
func missing(t *testing.T, tree fs.FS) []string {
	t.Helper()
	called := listed(t, tree)
	var left []string
	for _, family := range families {
		folders, err := fs.Glob(tree, family+"/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range folders {
			if exportsRegister(t, tree, folder) && !slices.Contains(called, importPath+folder) {
				left = append(left, folder)
			}
		}
	}
	return left
}

// listed are the import paths of which Register is called.
func listed(t *testing.T, tree fs.FS) []string {
	t.Helper()
	f := parse(t, tree, "plugins/plugins.go")
	byName := map[string]string{}
	for _, i := range f.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		byName[path.Base(p)] = p
		if i.Name != nil {
			byName[i.Name.Name] = p
		}
	}
	var called []string
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Register" {
				if pkg, ok := s.X.(*ast.Ident); ok {
					called = append(called, byName[pkg.Name])
				}
			}
		}
		return true
	})
	return called
}

func exportsRegister(t *testing.T, tree fs.FS, folder string) bool {
	t.Helper()
	files, err := fs.Glob(tree, folder+"/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range parse(t, tree, name).Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "Register" {
				return true
			}
		}
	}
	return false
}

func parse(t *testing.T, tree fs.FS, name string) *ast.File {
	t.Helper()
	code, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestListIsComplete(t *testing.T) {
	if left := missing(t, os.DirFS("..")); len(left) > 0 {
		t.Errorf("plugins.go does not register %v: add a line for each", left)
	}
}

func TestListFindsWhatIsMissing(t *testing.T) {
	file := func(code string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(code)} }
	tree := fstest.MapFS{
		"plugins/plugins.go": file(`package plugins
			import ("x/plug"; "` + importPath + `source/a"; other "` + importPath + `trust/b"; "` + importPath + `notify/c")
			func Register(r *plug.Registry) { a.Register(r); other.Register(r); _ = c.Other }`),
		"source/a/a.go":          file(`package a; func Register() {}`),
		"trust/b/b.go":           file(`package b; func Register() {}`),
		"notify/c/c.go":          file(`package c; func Register() {}`),
		"remedy/d/x.go":          file(`package d; func Register() {}`),
		"remedy/e/e.go":          file(`package e; type T int; func (T) Register() {}`),
		"remedy/f/f_test.go":     file(`package f; func Register() {}`),
		"source/a/internal/g.go": file(`package g; func Register() {}`),
	}
	if diff := cmp.Diff([]string{"notify/c", "remedy/d"}, missing(t, tree)); diff != "" {
		t.Error(diff)
	}
}

// Without these roles no scan can be made.
func TestRegistryPlaysTheRoles(t *testing.T) {
	r := Registry()
	for role, names := range map[string][]string{
		"stack": plug.Names[taffrail.Stack](r), "sealer": plug.Names[taffrail.Sealer](r),
		"guard": plug.Names[audit.Guard](r), "keyring": plug.Names[audit.Keyring](r),
	} {
		if len(names) == 0 {
			t.Errorf("no plug-in plays %s", role)
		}
	}
}

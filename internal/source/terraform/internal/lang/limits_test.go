package lang_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// A function that reads a file takes one of a size that people write.
func TestFilesAreBounded(t *testing.T) {
	f := lang.Folder{Dir: t.TempDir()}
	path := filepath.Join(f.Dir, "large")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]string{regular.MaxCode + 1: "error", 3: `"AAAA"`} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if got := written(f, `filebase64("large")`); got != want {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
	if got := written(f, `base64gunzip("`+bomb(t, f)+`")`); got != "error" {
		t.Errorf("a text that unpacks to much more: %.20s", got)
	}
}

// bomb is a packed text that is far larger when it is unpacked.
func bomb(t *testing.T, f lang.Folder) string {
	t.Helper()
	v, err := lang.Functions(f)["base64gzip"].Call([]cty.Value{cty.StringVal(strings.Repeat("a", regular.MaxCode+1))})
	if err != nil {
		t.Fatal(err)
	}
	return v.AsString()
}

// Templates that hold each other end.
func TestTemplatesThatHoldEachOther(t *testing.T) {
	f := lang.Folder{Dir: t.TempDir()}
	for name, text := range map[string]string{"a": `${templatefile("a", {})}`, "b": `<${templatefile("c", { x = y })}>`, "c": "${x}"} {
		if err := os.WriteFile(filepath.Join(f.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := written(f, `templatefile("a", {})`); got != "error" {
		t.Errorf("a template of itself: %s", got)
	}
	if got := written(f, `templatefile("b", { y = 1 })`); got != `"<1>"` {
		t.Errorf("a template in a template: %s", got)
	}
}

func TestRSADecrypt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("hidden")) //nolint:staticcheck // what rsadecrypt is defined by
	if err != nil {
		t.Fatal(err)
	}
	modern, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for kind, der := range map[string][]byte{"RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(key), "PRIVATE KEY": modern} {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		call := func(sealed []byte) string {
			return written(lang.Folder{}, "rsadecrypt("+strconv.Quote(base64.StdEncoding.EncodeToString(sealed))+", "+strconv.Quote(text)+")")
		}
		if got := call(sealed); got != `"hidden"` {
			t.Errorf("%s: %s", kind, got)
		}
		if got := call(sealed[1:]); got != "error" {
			t.Errorf("%s: something else is decrypted to %s", kind, got)
		}
	}
}

// A home that is not known is no reason to look elsewhere.
func TestHome(t *testing.T) {
	if got := written(lang.Folder{Home: filepath.FromSlash("/home/x")}, `pathexpand("~/a")`); got != `"/home/x/a"` {
		t.Error(got)
	}
	if got := written(lang.Folder{}, `pathexpand("~/a")`); got != "error" {
		t.Error(got)
	}
}

func TestCodeThatNestsTooDeep(t *testing.T) {
	for text, want := range map[string]bool{
		strings.Repeat("(", 1999) + strings.Repeat(")", 1999): true, strings.Repeat("[\n", 3000): false, strings.Repeat("()", 5000): true,
		"a = " + strings.Repeat("!", 300_000): false, strings.Repeat("a = -1\n", 300_000): true, strings.Repeat("1 == ", 300_000): false,
	} {
		if err := lang.CheckNesting([]byte(text)); (err == nil) != want {
			t.Errorf("%.10s...: %v", text, err)
		}
	}
}

func TestNumbersThatCannotBeWritten(t *testing.T) {
	for text, want := range map[string]bool{"1e300": true, "[{ a = 1e99999999 }]": false, `"${1e-9999999}"`: false, "1.5": true} {
		expr, diags := hclsyntax.ParseExpression([]byte(text), "t", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if lang.CheckNumbers(expr).HasErrors() == want {
			t.Errorf("%s is taken: %t", text, !want)
		}
	}
	for text, want := range map[string]bool{`{"a": 1e99999999}`: false, `{"a": "${1e99999}"}`: false, `{"a": "3e12345"}`: true, `{"a": 1e10}`: true} {
		if lang.CheckJSONNumbers([]byte(text), "t").HasErrors() == want {
			t.Errorf("%s is taken: %t", text, !want)
		}
	}
}

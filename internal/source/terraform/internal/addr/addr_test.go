package addr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// Keys of for_each hold whatever people put in them; an address stays one, and is what Terraform prints.
func TestTrap07_KeysHoldAnything(t *testing.T) {
	for _, tc := range []struct {
		module, kind, name string
		key                addr.Key
		want               string
	}{
		{"", "harbor_bucket", "logs", addr.Key{}, `harbor_bucket.logs`},
		{"", "harbor_bucket", "logs", addr.IntKey(0), `harbor_bucket.logs[0]`},
		{"", "harbor_bucket", "logs", addr.StringKey(""), `harbor_bucket.logs[""]`},
		{"", "harbor_bucket", "logs", addr.StringKey("a.b/c"), `harbor_bucket.logs["a.b/c"]`},
		{"", "harbor_bucket", "logs", addr.StringKey(`say "hi"\`), `harbor_bucket.logs["say \"hi\"\\"]`},
		{"", "harbor_bucket", "logs", addr.StringKey("${x}%{y}$z"), `harbor_bucket.logs["$${x}%%{y}$z"]`},
		{"", "harbor_bucket", "logs", addr.StringKey("a\tb\nc\u0007"), `harbor_bucket.logs["a\tb\nc\u0007"]`},
		{`module.web["x.y"].module.z[1]`, "a", "b", addr.StringKey("]"), `module.web["x.y"].module.z[1].a.b["]"]`},
	} {
		if diff := cmp.Diff(tc.want, addr.Instance(tc.module, tc.kind, tc.name, tc.key)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestParseModule(t *testing.T) {
	m, err := addr.ParseModule(`module.web["x.y\"]"].module.inner-most[12].module.c`)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Path(); got != "web.inner-most.c" {
		t.Errorf("path %q", got)
	}
	for _, bad := range []string{
		"web", "module.", "module.a.", "module.a[", "module.a[x]", "module.a[-1]", "module.a[01]", `module.a["b]`, `module.a["b"`,
		`module.a["\q"]`, `module.a["\uD"]`, "module.a.b", "module.a module.b", "module.1",
	} {
		if m, err := addr.ParseModule(bad); err == nil {
			t.Errorf("%q was read as %q", bad, m)
		}
	}
}

func TestProviderConfig(t *testing.T) {
	for _, text := range []string{
		`provider["registry.example/acme/cloud"]`,
		`provider["registry.example/acme/cloud"].west`,
		`module.a.provider["registry.example:8443/acme/cloud"].west`,
		`module.a.module.b.provider["acme/cloud"]`,
		`provider["registry.example/acme/cloud"].by_region["eu.west"]`,
	} {
		c, err := addr.ParseProviderConfig(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if c.String() != text {
			t.Errorf("%s became %s", text, c)
		}
	}
	for _, bad := range []string{
		"", "provider.aws", `provider["a/b/c/d"]`, `provider["a/../c"]`, `provider["a//c"]`, `provider["x"`, `provider["x"]y`,
		`provider["x"].`, `provider["x"].a.b`, `module.aprovider["x"]`, `x.provider["y"]`, `provider["../../../etc"]`,
	} {
		if c, err := addr.ParseProviderConfig(bad); err == nil {
			t.Errorf("%q was read as %s", bad, c)
		}
	}
}

func TestProviderMatches(t *testing.T) {
	inState := addr.Provider{Host: "registry.example", Namespace: "hashicorp", Type: "cloud"}
	for source, want := range map[string]bool{
		"cloud": true, "hashicorp/cloud": true, "HashiCorp/Cloud": true, "registry.example/hashicorp/cloud": true,
		"acme/cloud": false, "other.example/hashicorp/cloud": false, "hashicorp/clouds": false,
	} {
		p, err := addr.ParseProvider(source)
		if err != nil {
			t.Fatal(err)
		}
		if p.Matches(inState) != want {
			t.Errorf("%s matches: %t", source, !want)
		}
	}
}

func TestProviderIsPublic(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "registry.terraform.example": true, "registry.opentofu.example": true,
		"corp.example": false, "registry.corp.example": false, "terraform.example": false, "registry.terraform.corp.example": false,
		"terraform.registry.example": false, "registry.terraform": false, "registry.terraforms.example": false,
	} {
		if got := (addr.Provider{Host: host, Namespace: "hashicorp", Type: "time"}).Public(); got != want {
			t.Errorf("%q is public: %t", host, got)
		}
	}
}

func FuzzParseModule(f *testing.F) {
	f.Add(`module.web["x.y"].module.z[1]`)
	f.Add(`module.a["\u00e9$${\"]"]`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := addr.ParseModule(s)
		if err != nil {
			return
		}
		again, err := addr.ParseModule(m.String())
		if err != nil {
			t.Fatalf("%q was written as %q, which is none: %v", s, m, err)
		}
		if again.String() != m.String() {
			t.Fatalf("%q became %q", m, again)
		}
	})
}

func FuzzParseProviderConfig(f *testing.F) {
	f.Add(`module.a.provider["registry.example/acme/cloud"].west`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := addr.ParseProviderConfig(s)
		if err != nil {
			return
		}
		again, err := addr.ParseProviderConfig(c.String())
		if err != nil || again != c {
			t.Fatalf("%q became %v, then %v, %v", s, c, again, err)
		}
	})
}

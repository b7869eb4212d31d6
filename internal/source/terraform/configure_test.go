package terraform

import (
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

const required = `terraform {
  required_providers {
    odd = { source = "registry.example/test/odd" }
  }
}
`

func (r *rig) configured() string {
	r.t.Helper()
	for _, line := range testprovider.Log(r.world) {
		if rest, ok := strings.CutPrefix(line, "configure "); ok {
			return rest
		}
	}
	return ""
}

func TestConfigurationReachesTheProvider(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("main.tf", required+`
variable "region" { default = "north" }
variable "suffix" { type = string }
variable "retries" {
  type    = number
  default = 1
}
variable "token" {
  type      = string
  sensitive = true
}
provider "odd" {
  region  = "${var.region}-${var.suffix}"
  token   = var.token
  retries = var.retries
  endpoint { url = "u1" }
  endpoint { url = "u2" }
}
provider "odd" {
  alias  = "west"
  region = "west"
}
`)
	r.write("terraform.tfvars", "suffix = \"file\"\nretries = 2\n")
	r.write("x.auto.tfvars.json", `{"retries": 3}`)
	r.host.environ = append(r.host.environ, "TF_VAR_token=from-environment", "TF_VAR_suffix=overruled", "TF_VAR_nobody=1")
	west := `provider["` + testprovider.Name + `"].west`
	r.state(thing("a", nil), thing("b", nil).with("provider", west))
	got := r.scan()
	if got.coverage.Checked != 2 {
		t.Fatalf("coverage %+v", got.coverage)
	}
	var lines []string
	for _, line := range testprovider.Log(r.world) {
		if strings.HasPrefix(line, "configure") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	want := []string{
		`configure {"assume":{"role":null},"endpoint":[],"region":"west","retries":null,"token":null} tool=1.11.4`,
		`configure {"assume":{"role":null},"endpoint":[{"url":"u1"},{"url":"u2"}],"region":"north-file","retries":3,"token":"from-environment"} tool=1.11.4`,
	}
	slices.Sort(want)
	if !slices.Equal(lines, want) {
		t.Errorf("configured with\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// A provider is never configured with a guess. What is not known is named, with its place, and the resources are a gap.
func TestTrap17_UnknownConfigurationIsAGap(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, code, provider, detail, hint string }{
		{"data", `provider "odd" {
  token = data.vault.x.token
}`, "", "provider configuration unknown: data.vault.x.token at main.tf:8", "the state does not have it"},
		{"resource", `provider "odd" {
  endpoint {
    url = odd_thing.lb["a"].url
  }
}`, "", `odd_thing.lb["a"].url at main.tf:9`, "the state does not have it"},
		{"unset variable", `variable "t" {}
provider "odd" { token = "x${var.t}" }`, "", "var.t at main.tf:8", "TF_VAR_t"},
		{"function", `provider "odd" { token = file("secret") }`, "", "the call of file fails at main.tf:7", ""},
		{"unknown argument", `provider "odd" { tokens = "x" }`, "", "main.tf:7", ""},
		{"wrong type", `provider "odd" { retries = "many" }`, "", "main.tf:7", ""},
		{"two blocks", "provider \"odd\" {}\nprovider \"odd\" {}", "", "main.tf:8: more than one block", ""},
		{"missing alias", "", `provider["registry.example/test/odd"].west`, "no provider block has the alias", ""},
		{"child module", "", `module.m.provider["registry.example/test/odd"]`, "no code calls the module of module.m.", "apply the stack"},
		{"for_each", "", `provider["registry.example/test/odd"].by["x"]`, "no provider block has the alias", ""},
		{"variable of another type", `variable "n" {
  type    = number
  default = "many"
}
provider "odd" { retries = var.n }`, "", `variable "n"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.write("main.tf", required+"\n"+tc.code)
			resource := thing("a", nil)
			if tc.provider != "" {
				resource = resource.with("provider", tc.provider)
			}
			r.state(resource)
			got := r.scan()
			o := got.all[0]
			if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured {
				t.Fatalf("gap %+v", o.Gap)
			}
			if !strings.Contains(o.Gap.Detail, tc.detail) || !strings.Contains(o.Gap.Hint, tc.hint) {
				t.Errorf("detail %q, hint %q", o.Gap.Detail, o.Gap.Hint)
			}
			if c := r.configured(); c != "" {
				t.Errorf("it was configured with %s", c)
			}
		})
	}
}

func TestRefusedCredentials(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("main.tf", required+`provider "odd" { token = "wrong-token-1" }`)
	r.state(thing("a", nil), thing("b", nil))
	got := r.scan()
	for _, o := range got.all {
		if o.Gap == nil || o.Gap.Reason != taffrail.ReasonDenied || !strings.Contains(o.Gap.Detail, "the token (sensitive) is wrong") {
			t.Errorf("gap %+v", o.Gap)
		}
	}
	if strings.Contains(got.dump()+r.log.String(), "wrong-token-1") {
		t.Error("the token left")
	}
}

// The provider gets the environment, credentials with it, but nothing that is meant for the tool or for us.
func TestProviderEnvironment(t *testing.T) {
	r := newRig(t)
	r.install()
	r.host.environ = append(r.host.environ, "CLOUD_REGION=north", "CLOUD_TOKEN=env-secret-1", "TF_LOG=TRACE", "TF_VAR_x=1", "TF_CLI_ARGS=-x",
		"TF_REATTACH_PROVIDERS={}", "TAFFRAIL_KEY=k", "TF_LOG_PROVIDER_ODD=TRACE", "TF_DATA_DIR=.terraform")
	r.state(thing("a", nil), thing("b", nil), thing("c", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "environment"}, "odd_thing/c": {Fault: "diagnostic:bad env-secret-1"}, "odd_thing/b": {Fault: "folder"}})
	got := r.scan()
	detail := strings.Join(testprovider.Log(r.world), "\n")
	for _, absent := range []string{"TF_LOG=", "TF_VAR_x", "TF_CLI", "TF_REATTACH", "TAFFRAIL_KEY", "TF_LOG_PROVIDER_ODD"} {
		if strings.Contains(detail, absent) {
			t.Errorf("%s in %s", absent, detail)
		}
	}
	if !strings.Contains(detail, "CLOUD_REGION=north") || !strings.Contains(detail, "CLOUD_TOKEN=env-secret-1") || !strings.Contains(detail, "TF_LOG_SDK=OFF") {
		t.Errorf("the environment is not handed on: %s", detail)
	}
	if detail := got.by["odd_thing.c"].Gap.Detail; !strings.Contains(detail, "bad (sensitive)") {
		t.Errorf("a credential of the environment left: %s", detail)
	}
	if !strings.Contains(got.by["odd_thing.b"].Gap.Detail, r.dir) {
		t.Errorf("it runs in %s", got.by["odd_thing.b"].Gap.Detail)
	}
}

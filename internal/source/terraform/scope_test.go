package terraform

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// configurations are what processes of the provider were configured with, in order of text.
func (r *rig) configurations() []string {
	var all []string
	for _, line := range testprovider.Log(r.world) {
		if rest, ok := strings.CutPrefix(line, "configure "); ok {
			all = append(all, rest)
		}
	}
	slices.Sort(all)
	return all
}

// A provider that hangs on another resource, on data, on a module or on settings gets what the tool would give it.
func TestTrap17_ConfigurationFromTheState(t *testing.T) {
	r := newRig(t)
	r.install()
	r.config.Vars = map[string]string{"region": "given"}
	r.config.VarFiles = []string{"more.vars"}
	r.write("more.vars", `suffix = "file"`)
	r.write("main.tf", required+`
variable "region" {}
variable "suffix" {}
module "net" {
  source = "./net"
  zone   = odd_thing.lb.region
}
provider "odd" {
  alias  = "west"
  region = "${var.region}-${var.suffix}-${odd_thing.lb.name}"
  token  = data.odd_vault.x.password
  endpoint { url = module.net.url }
}
`)
	r.write("net/net.tf", required+`
variable "zone" {}
provider "odd" {
  region = upper(var.zone)
  token  = odd_thing.inner["k"].password
}
output "url" { value = "https://${odd_thing.inner["k"].name}" }
`)
	provider := `provider["` + testprovider.Name + `"]`
	vault := thing("x", map[string]any{"password": "vault-secret-1"}).with("type", "odd_vault").with("mode", "data")
	inner := thing("inner", map[string]any{"password": "inner-secret-1"}).with("index_key", "k").with("module", "module.net").with("provider", "module.net."+provider)
	far := thing("far", nil).with("provider", provider+".west")
	r.state(thing("lb", nil), vault, inner, far)
	r.live(testprovider.World{"odd_thing/far": {Fault: "diagnostic:refused vault-secret-1"}})
	got := r.scan()
	if got.coverage.Checked != 2 {
		t.Errorf("coverage %+v", got.coverage)
	}
	want := []string{
		`{"assume":{"role":null},"endpoint":[],"region":"NORTH","retries":null,"token":"inner-secret-1"} tool=1.11.4`,
		`{"assume":{"role":null},"endpoint":[],"region":null,"retries":null,"token":null} tool=1.11.4`,
		`{"assume":{"role":null},"endpoint":[{"url":"https://n-inner"}],"region":"given-file-n-lb","retries":null,"token":"vault-secret-1"} tool=1.11.4`,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, r.configurations()); diff != "" {
		t.Error(diff)
	}
	if detail := got.by["odd_thing.far"].Gap.Detail; !strings.Contains(detail, "refused (sensitive)") {
		t.Errorf("detail %q", detail)
	}
	if strings.Contains(got.dump()+r.log.String(), "vault-secret-1") {
		t.Error("a secret of the state left")
	}
}

// What the state gave is looked up again with each reading, and a process that was configured with something else is started anew.
func TestTrap17_ConfigurationFollowsTheState(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("main.tf", required+"\nprovider \"odd\" {\n  alias  = \"west\"\n  region = odd_thing.lb.name\n}\n")
	far := func() res { return thing("far", nil).with("provider", `provider["`+testprovider.Name+`"].west`) }
	r.state(thing("lb", nil), far())
	s := r.open()
	r.read(s)
	r.read(s)
	r.stateAt(8, thing("lb", map[string]any{"name": "moved"}), far())
	r.live(testprovider.World{})
	r.read(s)
	if got := len(r.configurations()); got != 3 {
		t.Errorf("%d processes were configured: %v", got, r.configurations())
	}
	if all := strings.Join(r.configurations(), "\n"); !strings.Contains(all, `"region":"n-lb"`) || !strings.Contains(all, `"region":"moved"`) {
		t.Error(all)
	}
	r.stateAt(9, far())
	if o := r.read(s).by["odd_thing.far"]; o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured || !strings.Contains(o.Gap.Detail, "odd_thing.lb.name at main.tf:") {
		t.Errorf("gap %+v", o.Gap)
	}
}

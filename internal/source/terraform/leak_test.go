package terraform

import (
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// What a sensitive variable holds is a secret, though the provider's schema does not call the attribute one that it goes to.
func TestTrap29_SecretsOfVariablesAndEnvironment(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("main.tf", required+`
variable "place" {
  sensitive = true
  default   = "default-place-1"
}
variable "unused" { sensitive = true }
provider "odd" {
  region = var.place
  token  = "prov-token-123456"
}`)
	r.write("terraform.tfvars", `place = "file-place-1"`)
	r.host.environ = append(r.host.environ, "TF_VAR_place=env-place-1", "TF_VAR_unused=env-unused-1", "CLOUD_TOKEN=cloud-env-1")
	secrets := []string{"default-place-1", "file-place-1", "env-place-1", "env-unused-1", "prov-token-123456", "cloud-env-1"}
	tags := map[string]any{"plain": "visible"}
	for _, secret := range secrets {
		tags["of "+secret[:4]] = "uses " + secret
	}
	r.state(thing("a", map[string]any{"tags": tags}), thing("b", nil))
	r.live(testprovider.World{"odd_thing/a": set("size", "5"), "odd_thing/b": {Fault: "diagnostic:bad " + strings.Join(secrets, " ")}})
	got := r.scan()
	dump := got.dump() + r.log.String()
	for _, secret := range secrets {
		if strings.Contains(dump, secret) {
			t.Errorf("%s left", secret)
		}
	}
	if !strings.Contains(dump, `"visible"`) || got.by["odd_thing.b"].Gap == nil {
		t.Error("too much is hidden")
	}
	if c := changes(got.by["odd_thing.a"]); len(c) != 1 {
		t.Errorf("masked alike, these differ: %v", c)
	}
}

// An upgrade renames an attribute, so that the state's mark leads nowhere.
func TestTrap29_MarkedBeforeAnUpgradeRenamesIt(t *testing.T) {
	r := newRig(t)
	r.install()
	marks := []any{[]any{map[string]any{"type": "get_attr", "value": "title"}}}
	resource := thing("x", nil)
	resource["instances"] = []any{map[string]any{
		"schema_version": 1, "attributes": map[string]any{"id": "x", "title": "marked-secret-title"}, "sensitive_attributes": marks,
	}}
	r.state(resource)
	r.live(testprovider.World{"odd_thing/x": set("size", "5")})
	got := r.scan()
	if strings.Contains(got.dump(), "marked-secret-title") {
		t.Errorf("leaks: %s", got.dump())
	}
	if o := got.all[0]; o.Gap != nil || len(changes(o)) != 1 {
		t.Errorf("gap %+v, changes %v", o.Gap, changes(o))
	}
}

package terraform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// Secrets of a schema, of a state, old and new, and where they turn up besides: none leaves the package, on no way.
func TestTrap29_NoSecretLeaves(t *testing.T) {
	const (
		oldPassword = "old-pa$$word é"
		newPassword = "new-password\"quoted"
		nested      = "nested-secret"
		inSet       = "set-secret"
		inBlock     = "block-secret"
		byState     = "state-secret"
		byStateNew  = "hidden at another place"
	)
	r := newRig(t)
	r.install()
	attributes := map[string]any{
		"password": oldPassword, "inner": map[string]any{"a": "x", "secret": nested},
		"users": []any{map[string]any{"name": "u", "token": inSet}}, "disk": []any{map[string]any{"gb": 1, "key": inBlock}},
		"tags":  map[string]any{"dsn": "scheme://user:" + oldPassword + "@host", "plain": "visible"},
		"items": []any{byState, "second"},
	}
	marks := []any{[]any{
		map[string]any{"type": "get_attr", "value": "items"},
		map[string]any{"type": "index", "value": map[string]any{"type": "number", "value": 0}},
	}}
	r.state(
		thing("same", attributes).with("sensitive_attributes", marks), thing("changed", attributes).with("sensitive_attributes", marks),
		thing("leaky", attributes).with("sensitive_attributes", marks),
		thing("no-upgrade", map[string]any{"id": "no-upgrade", "password": oldPassword, "items": []any{byState}}).with("sensitive_attributes", marks),
		thing("renamed", map[string]any{"id": "id-of-live-secret"}),
		thing("named", map[string]any{"id": "id-" + oldPassword, "password": oldPassword}),
	)
	live, err := json.Marshal(newPassword)
	if err != nil {
		t.Fatal(err)
	}
	r.live(testprovider.World{
		"odd_thing/changed":           {Set: map[string]json.RawMessage{"password": live, "items": raw(`["inserted","` + byStateNew + `","second"]`)}},
		"odd_thing/leaky":             {Fault: "leak"},
		"odd_thing/no-upgrade":        set("items", `["else"]`), // what is as the state holds it needs no upgrade
		"odd_thing/id-of-live-secret": set("password", `"live-secret"`),
	})
	got := r.scan()
	if got.coverage.Checked != 4 || got.coverage.Incomplete != 2 {
		t.Fatalf("coverage %+v", got.coverage)
	}
	dump := got.dump() + r.log.String()
	for _, secret := range []string{oldPassword, "old-pa", newPassword, "new-password", nested, inSet, inBlock, byState, byStateNew, "live-secret"} {
		if strings.Contains(dump, secret) {
			at := strings.Index(dump, secret)
			t.Errorf("%q left: ...%s...", secret, dump[max(0, at-80):at+len(secret)])
		}
	}
	if !strings.Contains(dump, `"visible"`) {
		t.Error("what is no secret is masked, too")
	}
	if o := got.by["odd_thing.same"]; len(changes(o)) > 0 {
		t.Errorf("masked values differ: %v", changes(o))
	}
	if o := got.by["odd_thing.named"]; o.Resource.ID != "" {
		t.Errorf("the ID %q holds a secret", o.Resource.ID)
	}
	paths := strings.Join(changes(got.by["odd_thing.changed"]), "\n")
	if !strings.Contains(paths, "password: {\"secret\":") || strings.Contains(paths, "inner") {
		t.Errorf("a changed secret is not a change at its path:\n%s", paths)
	}
	if o := got.by["odd_thing.leaky"]; !strings.Contains(o.Gap.Detail, "bad password (sensitive) in a request") {
		t.Errorf("detail %q", o.Gap.Detail)
	}
	if o := got.by["odd_thing.no-upgrade"]; !strings.Contains(o.Gap.Detail, "cannot upgrade") {
		t.Errorf("detail %q", o.Gap.Detail)
	}
}

// The old SDK reads an empty secret as null: that is no change.
func TestEmptySecretOfTheOldSDKIsNull(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(legacy("a", map[string]any{"password": ""}))
	r.live(testprovider.World{"odd_legacy/a": set("password", "null")})
	if o := r.scan().all[0]; len(changes(o)) > 0 {
		t.Error(changes(o))
	}
}

func TestNoSealerNoStack(t *testing.T) {
	r := newRig(t)
	r.state()
	_, err := open(envWithoutSealer(), r.config, r.host)
	if err == nil || taffrail.KindOf(err) != taffrail.KindInternal {
		t.Errorf("error %v", err)
	}
}

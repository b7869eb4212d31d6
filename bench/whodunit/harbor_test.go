package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
)

// One seed makes one corpus, in which all is labelled.
func TestHarborCorpus(t *testing.T) {
	record := func() []item {
		t.Helper()
		items, err := recordHarbor(t.Context(), options{first: 3, seeds: 1})
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	items := record()
	if len(items) != len(plots())*len(harborDials) {
		t.Fatalf("%d cases", len(items))
	}
	labels, absent := 0, 0
	seen := map[string]bool{}
	for _, it := range items {
		ids := map[string]bool{}
		for _, r := range it.c.Events[0].Records {
			ids[str(r["eventID"])] = true
			seen[str(at(r, "userIdentity", "type"))] = true
			seen[str(r["errorCode"])] = true
			seen[str(r["eventType"])] = true
			seen[str(r["eventName"])] = true
			if str(r["userAgent"]) == judge {
				t.Errorf("%s tells what the judge did", it.c.ID)
			}
		}
		for _, l := range it.labels {
			labels++
			if l.Event == "" || l.Actor == "" || l.Present != ids[l.Event] {
				t.Errorf("label %+v", l)
			}
			if !l.Present {
				absent++
			}
		}
		if got := itemOf(it.c, it.labels); got.corpus != it.corpus || got.missing != it.missing {
			t.Errorf("%s is read as of %q, %v missing", it.c.ID, got.corpus, got.missing)
		}
	}
	if labels < 100 || absent < 10 {
		t.Errorf("%d labels, %d events are not there", labels, absent)
	}
	for _, want := range []string{"AssumedRole", "IAMUser", "AWSService", "AccessDenied", "ThrottlingException", "AwsServiceEvent", "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "SetDesiredCapacity", "ReplaceFirewallRules", "CreateTags", "ModifyLaunchTemplate"} {
		if !seen[want] {
			t.Errorf("there is no %s", want)
		}
	}
	again := record()
	for i := range items {
		if diff := cmp.Diff(text(items[i].c), text(again[i].c)); diff != "" {
			t.Fatalf("two corpora of one seed differ: %s", items[i].c.ID)
		}
	}
}

var versioned = regexp.MustCompile(`20\d{6}(v\d+)?$`)

// What the practice cloud can do, there is a model of, and no model is of what it cannot.
func TestEveryActionHasAModel(t *testing.T) {
	content, err := os.ReadFile("../../internal/correlate/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]string
		Events   map[string][]string
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	// Attachments have no attribute that changes: they come and go.
	without := []string{"access:AttachRolePolicy", "access:DetachRolePolicy", "access:DeleteRolePolicy", "storage:ModifyBucketAttribute"}
	known, services := map[string]bool{"key:RotateKey": true}, map[string]bool{}
	for _, k := range action.Kinds {
		services[k.Service] = true
		for _, a := range k.Actions {
			name := k.Service + ":" + versioned.ReplaceAllString(a.Name, "")
			known[name] = true
			if _, ok := file.Events[name]; !ok && !slices.Contains(without, name) {
				t.Errorf("%s has no model", name)
			}
		}
	}
	for name := range file.Events {
		if service, _, _ := strings.Cut(name, ":"); services[service] && !known[name] {
			t.Errorf("there is a model of %s, which nobody can do", name)
		}
	}
	for prefix, service := range file.Services {
		if strings.HasPrefix(prefix, "harbor_") && !services[service] {
			t.Errorf("%s is of %s, which is no service", prefix, service)
		}
	}
}

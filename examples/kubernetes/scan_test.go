package kubernetes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/score"
)

func TestTrap40_NoDriftAfterApply(t *testing.T) {
	w := newWorld(t, "stack")
	for range 2 { // the second scan has a log behind it
		r := w.scan("--all")
		if len(r.drift) > 0 || len(r.Noise) > 0 || r.status != 0 || r.Coverage.Checked != 12 || !r.Coverage.Complete() {
			t.Errorf("exit status %d, coverage %+v\n%s", r.status, r.Coverage, r.text)
		}
	}
}

// The truth is what deeds say, and every program of this machine is asked the same.
func TestScore(t *testing.T) {
	w := newWorld(t, "stack")
	t.Logf("API server %s", w.version())
	sheet := score.New("examples/kubernetes", "gavinbunney/kubectl 1.19.0 (5)")
	w.ask(func(by score.Judge, said []score.Spot) { sheet.Fresh(by.Name, said) })
	left := deeds()
	for len(left) > 0 {
		var round, later []deed
		for _, d := range left {
			if slices.ContainsFunc(round, func(other deed) bool { return other.object == d.object }) {
				later = append(later, d)
			} else {
				round = append(round, d)
			}
		}
		left = later
		var truth []score.Spot
		for _, d := range round {
			d.do(w.cluster)
			sheet.Deed(d.truth)
			truth = append(truth, d.truth...)
		}
		w.ask(func(by score.Judge, said []score.Spot) {
			sheet.Round(by.Name, truth, said)
			w.explain(by, round, said)
		})
		w.do(w.program, "apply", "-input=false", "-auto-approve")
		if r := w.scan(); len(r.drift) > 0 || r.status != 0 {
			t.Errorf("left after the repair: exit status %d, %v", r.status, r.drift)
		}
	}
	known := []score.Judge{score.Taffrails}
	for _, by := range w.others {
		known = append(known, by.Judge)
	}
	sheet.Check(t, page, known...)
	sheet.Clean(t, score.Taffrails.Name)
}

// ask asks every program what drifted.
func (w *world) ask(note func(by score.Judge, said []score.Spot)) {
	w.t.Helper()
	r := w.scan()
	if !r.Coverage.Complete() {
		w.t.Errorf("gaps: %v", r.gaps())
	}
	note(score.Taffrails, r.drift)
	for _, by := range w.others {
		note(by.Judge, w.refreshOnly(by))
	}
}

// explain logs which deed of a round a program did not see.
func (w *world) explain(by score.Judge, round []deed, said []score.Spot) {
	w.t.Helper()
	for _, d := range round {
		for _, at := range d.truth {
			if !slices.Contains(said, at) {
				w.t.Logf("%s misses %q at %v", by.Name, d.name, at)
			}
		}
	}
}

// Nobody can see these through the provider; the day that one can, the page is to say so.
func TestBesideTheCode(t *testing.T) {
	w := newWorld(t, "stack")
	for _, d := range hidden() {
		d.do(w.cluster)
	}
	w.ask(func(by score.Judge, said []score.Spot) {
		if len(said) > 0 {
			t.Errorf("%s sees %v", by.Name, said)
		}
	})
}

// With its definition an object is gone, and both are said to be.
func TestDefinitionDeleted(t *testing.T) {
	w := newWorld(t, "stack")
	w.delete(definitions + "berths.practice.example")
	want := []score.Spot{{Address: "kubectl_manifest.berth", Attribute: score.Gone}, {Address: "kubectl_manifest.berths", Attribute: score.Gone}}
	if diff := cmp.Diff(want, w.scan().drift); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A permission that is taken away makes gaps, while all else is read.
func TestTrap12_PermissionErrorIsNotDeletion(t *testing.T) {
	w := newWorld(t, "stack")
	w.patch(deployments+"web", object{"spec": object{"replicas": 5}})
	w.allow(append([]any{
		object{"apiGroups": []any{""}, "resources": []any{"namespaces", "services", "secrets"}, "verbs": []any{"*"}},
	}, object{"apiGroups": []any{"apps", "rbac.authorization.k8s.io", "apiextensions.k8s.io", "practice.example"}, "resources": []any{"*"}, "verbs": []any{"*"}}))
	w.await(configMaps+"settings", http.StatusForbidden)
	r := w.scan()
	want := []string{`kubectl_manifest.notes["a.b"] denied`, `kubectl_manifest.notes["plain"] denied`, "kubectl_manifest.settings denied"}
	if diff := cmp.Diff(want, r.gaps()); diff != "" || r.Coverage.Checked != 9 {
		t.Errorf("coverage %+v, gaps (-want +got):\n%s", r.Coverage, diff)
	}
	for _, at := range r.drift {
		if at.Attribute == score.Gone {
			t.Errorf("%s is said to be deleted", at.Address)
		}
	}
	for _, by := range w.others {
		if out, complaints, status := w.run(by, by.path, "plan", "-refresh-only", "-input=false", "-lock=false"); status == 0 {
			t.Errorf("%s plans though it may not read\n%s%s", by.Name, out, complaints)
		}
	}
}

// Nobody at the address: all is a gap, nothing is deleted, and it is over when the API server is back.
func TestTrap13_NoServerIsAGapForEach(t *testing.T) {
	w := newWorld(t, "stack")
	w.stopAPI()
	r := w.scan("--timeout", "10s")
	if len(r.drift) > 0 || r.Coverage.Checked != 0 || len(r.Coverage.Gaps) < 12 || r.status != 1 {
		t.Errorf("exit status %d, coverage %+v, drift %v", r.status, r.Coverage, r.drift)
	}
	for _, gap := range r.Coverage.Gaps {
		if gap.Detail == "" || strings.Contains(gap.Detail, deployer) {
			t.Errorf("gap %+v", gap)
		}
	}
	w.startAPI()
	w.await(configMaps+"settings", http.StatusOK)
	if r := w.scan(); len(r.drift) > 0 || r.status != 0 {
		t.Errorf("when it is back: exit status %d, %s", r.status, fmt.Sprint(r.drift))
	}
}

// What controllers, other managers of fields and the API server itself write into an object is none of the code's.
func TestTrap34_WhatTheClusterWritesIsNoDrift(t *testing.T) {
	w := newWorld(t, "stack")
	const merging = "application/merge-patch+json"
	w.want(http.MethodPatch, deployments+"web/status", merging, object{"status": object{"observedGeneration": 1, "replicas": 2, "readyReplicas": 1}})
	w.patch(configMaps+"settings", object{"metadata": object{"finalizers": []any{"practice.example/keep"}}})
	w.patch(configMaps+"note-plain", object{"metadata": object{"ownerReferences": []any{
		object{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "uid": "5c1d7c58-7e3f-4a39-9b1e-2a6c1f0f7f11"},
	}}})
	w.want(http.MethodPatch, services+"web?fieldManager=autopilot&force=true", "application/apply-patch+yaml", object{
		"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "web", "namespace": "shop"}, "spec": object{"selector": object{"app": "web"}},
	})
	w.want(http.MethodPatch, deployments+"worker/scale", merging, object{"spec": object{"replicas": 7}})
	if r := w.scan(); len(r.drift) > 0 || r.status != 0 {
		t.Errorf("exit status %d, %v", r.status, r.drift)
	}
}

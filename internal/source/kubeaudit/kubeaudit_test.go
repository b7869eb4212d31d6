package kubeaudit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const patched = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=kubectl-edit","verb":"patch",
"user":{"username":"dana","groups":["system:authenticated"]},"sourceIPs":["203.0.113.9","192.0.2.7"],"userAgent":"kubectl/v1","objectRef":{"resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps","apiVersion":"v1"},
"responseStatus":{"code":200},"requestObject":{"spec":{"replicas":3}},"responseObject":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop","uid":"u-1","resourceVersion":"205","generation":4},"spec":{"replicas":3}},
"requestReceivedTimestamp":"2026-01-01T00:05:00.123456Z","stageTimestamp":"2026-01-01T00:05:00.2Z"}`

const secret = `{"level":"RequestResponse","auditID":"a-2","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/secrets","verb":"create","user":{"username":"system:serviceaccount:shop:deployer"},
"objectRef":{"resource":"secrets","namespace":"shop","name":"db","apiVersion":"v1"},"responseStatus":{"code":201},"requestObject":{"kind":"Secret","stringData":{"p":"correct-horse-battery"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"kind\":\"Secret\",\"stringData\":{\"p\":\"correct-horse-battery\"}}"}}},
"responseObject":{"kind":"Secret","metadata":{"resourceVersion":"9","uid":"u-2"},"data":{"p":"Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}},"requestReceivedTimestamp":"2026-01-01T00:05:00Z"}`

func open(t *testing.T, sealer taffrail.Sealer) taffrail.Decoder {
	t.Helper()
	var r plug.Registry
	Register(&r)
	d, err := plug.Open[taffrail.Decoder](t.Context(), &r, Name, plug.Env{Sealer: sealer}, plug.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func decode(t *testing.T, raw string) taffrail.Event {
	t.Helper()
	e, err := open(t, plugtest.MarkingSealer()).Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestContract(t *testing.T) {
	c := plugtest.DecoderCase{
		Open: open, Records: [][]byte{[]byte(patched), []byte(secret)}, WithSecret: []byte(secret), Secret: "correct-horse-battery",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

func TestNoDecoderWithoutASealer(t *testing.T) {
	var r plug.Registry
	Register(&r)
	if _, err := plug.Open[taffrail.Decoder](t.Context(), &r, Name, plug.Env{}, plug.Settings{}); err == nil {
		t.Error("it was opened, and secrets would come out")
	}
}

func TestDecode(t *testing.T) {
	e := decode(t, patched)
	if e.Action != "apps:patch deployments" || !e.Changes() || e.State == nil {
		t.Fatalf("got %+v", e)
	}
	if diff := cmp.Diff(taffrail.Stamp{Version: 205, Generation: 4}, e.State.Stamp); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"kubernetes:apps/deployments/shop/web", "u-1"}, e.Refs); diff != "" {
		t.Error(diff)
	}
	if want := time.Date(2026, 1, 1, 0, 5, 0, 200_000_000, time.UTC); !e.State.Answered.Equal(want) {
		t.Errorf("answered at %v, want %v", e.State.Answered, want)
	}
	if unsaid := decode(t, secret); !unsaid.State.Answered.IsZero() {
		t.Errorf("answered at %v, of which nothing is said", unsaid.State.Answered)
	}
	if e.Writer != "kubectl-edit" {
		t.Errorf("writer %q", e.Writer)
	}
	if e.State.Replace || e.State.Partial || e.State.Deleted {
		t.Errorf("a patch is taken for something else: %+v", e.State)
	}
}

func TestTrap44_OnlyTheLastAddressCounts(t *testing.T) {
	if e := decode(t, patched); e.Address != "192.0.2.7" {
		t.Errorf("address %q, which the client can set", e.Address)
	}
}

func TestTrap44_RehearsalsAndRefusalsAreNoChanges(t *testing.T) {
	for name, raw := range map[string]string{
		"dry run":        strings.Replace(patched, "?fieldManager", "?dryRun=All&fieldManager", 1),
		"dry run delete": strings.Replace(strings.Replace(patched, `"patch"`, `"delete"`, 1), `{"spec":{"replicas":3}},"resp`, `{"kind":"DeleteOptions","dryRun":["All"]},"resp`, 1),
		"refused":        strings.Replace(patched, `"code":200`, `"code":409,"reason":"Conflict"`, 1),
		"not answered":   strings.Replace(patched, "ResponseComplete", "RequestReceived", 1),
		"read":           strings.Replace(patched, `"patch"`, `"get"`, 1),
	} {
		if e := decode(t, raw); e.Changes() || e.State != nil && name != "dry run delete" {
			t.Errorf("%s: taken for a change: %+v", name, e)
		}
	}
}

func TestLevels(t *testing.T) {
	request, response := `"requestObject":{"spec":{"replicas":3}},`, patched[strings.Index(patched, `"responseObject"`):strings.Index(patched, `"requestReceived`)]
	onRequest := strings.Replace(patched, response, "", 1)
	if e := decode(t, onRequest); e.State != nil || e.Request.IsUnknown() || !e.Response.IsUnknown() {
		t.Errorf("Request: %+v", e)
	}
	if e := decode(t, strings.Replace(onRequest, request, "", 1)); e.State != nil || !e.Request.IsUnknown() || !e.Changes() {
		t.Errorf("Metadata: %+v", e)
	}
}

func TestScaleSaysReplicasAlone(t *testing.T) {
	for object, want := range map[string]string{
		`{"kind":"Scale","metadata":{"resourceVersion":"7"},"spec":{"replicas":5}}`: `{"spec":{"replicas":5}}`,
		`{"kind":"Scale","metadata":{"resourceVersion":"7"},"spec":{}}`:             `{"spec":{"replicas":0}}`,
	} {
		from := patched[strings.Index(patched, `"responseObject"`):strings.Index(patched, `,
"requestReceived`)]
		raw := strings.Replace(strings.Replace(patched, from, `"responseObject":`+object, 1), `"apiVersion":"v1"}`, `"apiVersion":"v1","subresource":"scale"}`, 1)
		e := decode(t, raw)
		if e.State == nil || !e.State.Partial || e.State.Version != 7 || string(e.State.Object.AppendJSON(nil)) != want {
			t.Errorf("%s: %+v", object, e.State)
		}
	}
}

func TestJSONPatch(t *testing.T) {
	raw := strings.Replace(patched, `{"spec":{"replicas":3}},"resp`, `[{"op":"replace","path":"/spec/replicas","value":3},{"op":"remove","path":"/metadata/labels/a~1b"},{"op":"add","path":"/spec/template/spec/containers/0/image","value":"x"}],"resp`, 1)
	want := `{"metadata":{"labels":{"a/b":null}},"spec":{"replicas":3,"template":{"spec":{"containers":{"0":{"image":"x"}}}}}}`
	if diff := cmp.Diff(want, string(decode(t, raw).Request.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

// Data that was written as text is sealed as the server keeps it, so that the two can be compared.
func TestSecretsMatchAcrossForms(t *testing.T) {
	e := decode(t, secret)
	asked, kept := at(e.Request, "stringData", "p"), at(e.Response, "data", "p")
	if asked.Shape() != taffrail.ShapeSecret || !asked.Equal(kept) {
		t.Errorf("%s and %s", asked.AppendCanonical(nil), kept.AppendCanonical(nil))
	}
}

func TestActors(t *testing.T) {
	for id, want := range map[string]taffrail.ActorClass{
		"dana@corp.example": taffrail.ActorPerson, "system:serviceaccount:kube-system:horizontal-pod-autoscaler": taffrail.ActorController,
		"system:node:n1": taffrail.ActorController, "system:serviceaccount:shop:deployer": taffrail.ActorPipeline, "system:kube-scheduler": taffrail.ActorController,
		"system:anonymous": taffrail.ActorUnknown, "kubernetes-admin": taffrail.ActorCredential, "system:serviceaccount:argocd:argocd-application-controller": taffrail.ActorController,
	} {
		a := decode(t, strings.Replace(patched, `"username":"dana"`, `"username":"`+id+`"`, 1)).Actor
		if a.Class != want || a.ID != id {
			t.Errorf("%s: %s", id, a.Class)
		}
	}
	borrowed := decode(t, strings.Replace(patched, `"sourceIPs"`, `"impersonatedUser":{"username":"system:admin"},"sourceIPs"`, 1)).Actor
	if borrowed.ID != "dana" || len(borrowed.Chain) != 1 || borrowed.Chain[0].ID != "system:admin" {
		t.Errorf("the hand is not the one whose rights were borrowed: %+v", borrowed)
	}
}

// What a server says of how a user came in is always told in the same order.
func TestChainHasAnOrder(t *testing.T) {
	raw := strings.Replace(patched, `"groups":["system:authenticated"]`, `"extra":{"canonicalArn":["arn:aws:iam::1:role/r"],"authentication.kubernetes.io/pod-name":["p"],"sessionName":["s"],"authentication.kubernetes.io/credential-id":["JTI-1"]}`, 1)
	want := []taffrail.Link{{Kind: "credential", ID: "JTI-1"}, {Kind: "pod", ID: "p"}, {Kind: "session", ID: "s"}, {Kind: "principal", ID: "arn:aws:iam::1:role/r"}}
	for range 20 {
		if diff := cmp.Diff(want, decode(t, raw).Actor.Chain); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(patched))
	f.Add([]byte(secret))
	f.Add([]byte(`{"auditID":"a","verb":"patch","stageTimestamp":"2026-01-01T00:00:00Z","objectRef":{"resource":"secrets"},"requestObject":[{"op":"move","from":"/a/b","path":"/a"}]}`))
	d := newDecoder(plugtest.MarkingSealer())
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := d.Decode(raw)
		if err == nil && (e.ID == "" || e.Actor.ID == "" || e.Time.IsZero()) {
			t.Errorf("half an event: %+v", e)
		}
		if err != nil && taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Error(err)
		}
	})
}

package cloud

import (
	"bytes"
	"compress/gzip"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// town is a cloud that knows its people, with a trail and a truth log, under a clock of its own.
type town struct {
	*Cloud
	t     *testing.T
	o     Options
	place string
	keys  map[string]string
	trail *trail.Writer
}

func newTown(t *testing.T) *town {
	t.Helper()
	town := &town{t: t, place: t.TempDir(), keys: map[string]string{}}
	d := identity.Practice()
	town.o = Options{File: filepath.Join(town.place, "cloud.json"), Clock: NewClock(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), time.Second), Seed: "7", Directory: &d}
	key := filepath.Join(town.place, "trail.work", "key.pem")
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, signingKey(), 0o600); err != nil {
		t.Fatal(err)
	}
	town.start()
	return town
}

// signingKey is one key for all trails of the tests, since to make one takes a while.
var signingKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(crand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// start runs a cloud on the folder, as a new process does.
func (w *town) start() {
	w.t.Helper()
	written, err := trail.Open(trail.Options{Folder: filepath.Join(w.place, "trail"), Place: trail.Place{Account: identity.Account, Region: identity.Region, Bucket: "trail", Trail: "harbor"},
		Now: w.o.Clock.Now, Rand: rand.New(rand.NewPCG(7, 7))})
	if err != nil {
		w.t.Fatal(err)
	}
	truth, err := trail.OpenTruth(filepath.Join(w.place, "truth.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.o.Trail, w.o.Truth, w.trail = written, truth, written
	w.Cloud = open(w.t, w.o)
}

// sign makes a credential by the endpoints.
func (w *town) sign(endpoint, body, as string) (credential string, status int) {
	w.t.Helper()
	got := call(w.Cloud, "POST", endpoint, body, api.HeaderAccessKey, as)
	var c api.Credential
	if got.Code == http.StatusOK {
		if err := api.Decode(got.Body, &c); err != nil {
			w.t.Fatal(err)
		}
	}
	return c.AccessKey, got.Code
}

func (w *town) carol() string {
	w.t.Helper()
	if w.keys["carol"] == "" {
		w.keys["carol"], _ = w.sign("/sso/SignIn", `{"person":"carol@corp.example"}`, "")
	}
	return w.keys["carol"]
}

// as makes a call that must work.
func (w *town) as(key, method, path, body string) api.Object {
	w.t.Helper()
	return do(w.t, w.Cloud, method, path, body, api.HeaderAccessKey, key, "User-Agent", "practice/1")
}

// records are all that the trail tells.
func (w *town) records() (all []map[string]any) {
	w.t.Helper()
	if err := w.o.Trail.Flush(); err != nil {
		w.t.Fatal(err)
	}
	err := filepath.WalkDir(filepath.Join(w.place, "trail", "AWSLogs", identity.Account, "CloudTrail"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		content, err := io.ReadAll(z)
		var file struct{ Records []map[string]any }
		if err == nil {
			d := json.NewDecoder(bytes.NewReader(content))
			d.UseNumber()
			err = d.Decode(&file)
		}
		all = append(all, file.Records...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *town) last() map[string]any {
	w.t.Helper()
	all := w.records()
	slices.SortStableFunc(all, func(a, b map[string]any) int {
		return strings.Compare(a["eventTime"].(string), b["eventTime"].(string))
	})
	return all[len(all)-1]
}

func (w *town) truth() (all []trail.Truth) {
	w.t.Helper()
	for line := range strings.Lines(readFile(w.t, filepath.Join(w.place, "truth.jsonl"))) {
		var t trail.Truth
		if err := json.Unmarshal([]byte(line), &t); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, t)
	}
	return all
}

func at(v any, names ...string) any {
	for _, n := range names {
		m, _ := v.(map[string]any)
		v = m[n]
	}
	return v
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestARecord(t *testing.T) {
	w := newTown(t)
	made := w.as(w.carol(), "POST", "/v1/firewall", `{"attributes":{"name":"web","rules":[{"from_port":22,"cidrs":["10.0.0.0/8"]}]}}`)
	w.as(w.carol(), "POST", "/v1/firewall/web/AuthorizeFirewallRules", `{"attributes":{"rules":[{"from_port":22,"cidrs":["0.0.0.0/0"]}]}}`)
	got := w.last()
	id, _, _ := strings.Cut(w.carol(), "/")
	role := identity.SSORole("Admin")
	want := map[string]any{
		"eventVersion": "1.09", "eventTime": "2026-01-02T03:00:03Z", "eventSource": "firewall.harbor.example", "eventName": "AuthorizeFirewallRules", "awsRegion": "harbor-1",
		"sourceIPAddress": "192.0.2.1", "userAgent": "practice/1", "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management",
		"requestParameters": map[string]any{"firewallId": made.ID, "rules": map[string]any{"items": []any{map[string]any{"fromPort": json.Number("22"), "cidrs": map[string]any{"items": []any{"0.0.0.0/0"}}}}}},
		"responseElements":  map[string]any{"_return": true, "requestId": got["requestID"]},
		"requestID":         got["requestID"], "eventID": got["eventID"],
		"userIdentity": map[string]any{
			"type": "AssumedRole", "principalId": identity.RoleID(role) + ":carol@corp.example", "arn": "arn:aws-harbor:sts::123456789012:assumed-role/" + role + "/carol@corp.example",
			"accountId": "123456789012", "accessKeyId": id,
			"sessionContext": map[string]any{
				"sessionIssuer": map[string]any{"type": "Role", "principalId": identity.RoleID(role), "arn": "arn:aws-harbor:iam::123456789012:role/aws-reserved/sso.amazonaws.com/" + role, "accountId": "123456789012", "userName": role},
				"attributes":    map[string]any{"creationDate": "2026-01-02T03:00:01Z", "mfaAuthenticated": "true"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	truth := w.truth()
	last := truth[len(truth)-1]
	if last.Event != got["eventID"] || last.Path != "rules" || last.Before != nil || text(last.After) != `{"cidrs":["0.0.0.0/0"],"from_port":22}` || last.Principal != at(got, "userIdentity", "arn") || !last.Person || last.ID != made.ID {
		t.Errorf("truth %+v", last)
	}
}

func TestWhoCalls(t *testing.T) {
	w := newTown(t)
	bucket := func(key string) map[string]any {
		t.Helper()
		w.as(key, "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`)
		return w.last()
	}
	ci, _ := w.sign("/sts/AssumeRoleWithWebIdentity", `{"role":"infra-apply","session":"run-4711","provider":"token.actions.githubusercontent.com","subject":"repo:acme/infra:ref:refs/heads/main"}`, "")
	given := w.last()
	r := bucket(ci)
	if at(r, "userIdentity", "sessionContext", "webIdFederationData", "attributes", "sub") != "repo:acme/infra:ref:refs/heads/main" || at(given, "userIdentity", "type") != "WebIdentityUser" ||
		at(given, "responseElements", "credentials", "accessKeyId") != at(r, "userIdentity", "accessKeyId") || strings.Contains(text(given), strings.SplitN(ci, "/", 2)[1]) {
		t.Errorf("a pipeline: %s\n%s", text(given), text(r))
	}
	ops, _ := w.sign("/sts/AssumeRole", `{"role":"Operations","session":"carol-ops"}`, w.carol())
	glass, _ := w.sign("/sts/AssumeRole", `{"role":"BreakGlass","session":"s1","source_identity":"carol"}`, ops)
	chained := w.last()
	deep, _ := w.sign("/sts/AssumeRole", `{"role":"Maintenance","session":"s2","source_identity":"somebody else"}`, glass)
	if r := bucket(deep); at(r, "userIdentity", "sessionContext", "sourceIdentity") != "carol" {
		t.Errorf("a source identity does not stay: %s", text(r))
	}
	opsKey, _, _ := strings.Cut(ops, "/")
	if at(chained, "userIdentity", "accessKeyId") != opsKey || at(chained, "requestParameters", "sourceIdentity") != "carol" {
		t.Errorf("a chain: %s", text(chained))
	}
	grace, _ := w.sign("/sso/SignIn", `{"person":"grace@corp.example"}`, "")
	if r := bucket(grace); at(r, "userIdentity", "onBehalfOf", "userId") != identity.PersonID("grace@corp.example") {
		t.Errorf("on behalf of: %s", text(r))
	}
	for _, u := range w.people.Users {
		if r := bucket(w.mint.Key(u)); at(r, "userIdentity", "type") != "IAMUser" || at(r, "userIdentity", "userName") != u.Name || !strings.HasPrefix(at(r, "userIdentity", "accessKeyId").(string), "AKIA") {
			t.Errorf("a user: %s", text(r))
		}
	}
}

func TestWhoMayNot(t *testing.T) {
	w := newTown(t)
	frank, _ := w.sign("/sso/SignIn", `{"person":"frank@corp.example"}`, "")
	before := len(w.truth0())
	for _, tt := range []struct {
		name, key, method, path, body string
		status                        int
		code                          string // in the record; "" is none
	}{
		{"no key", "", "GET", "/v1/bucket", "", 403, ""},
		{"made up", "ASIAX/abc.def", "GET", "/v1/bucket", "", 403, ""},
		{"another's code", frank[:len(frank)-1] + "x", "GET", "/v1/bucket", "", 403, ""},
		{"may not write", frank, "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`, 403, "AccessDenied"},
		{"nobody", "", "POST", "/sso/SignIn", `{"person":"eve@corp.example"}`, 403, "AccessDenied"},
		{"no such set", "", "POST", "/sso/SignIn", `{"person":"frank@corp.example","set":"Admin"}`, 403, "AccessDenied"},
		{"another repository", "", "POST", "/sts/AssumeRoleWithWebIdentity", `{"role":"infra-apply","session":"s","provider":"token.actions.githubusercontent.com","subject":"repo:evil/infra:x"}`, 403, "AccessDenied"},
		{"may not assume", frank, "POST", "/sts/AssumeRole", `{"role":"Operations","session":"s"}`, 403, "AccessDenied"},
		{"wants a source identity", w.carol(), "POST", "/sts/AssumeRole", `{"role":"BreakGlass","session":"s"}`, 403, "AccessDenied"},
		{"too long", w.carol(), "POST", "/sts/AssumeRole", `{"role":"Operations","session":"s","duration_seconds":99999}`, 400, "ValidationException"},
		{"not there", w.carol(), "DELETE", "/v1/bucket/nope", "", 404, "ResourceNotFoundException"},
	} {
		had := len(w.records())
		got := call(w.Cloud, tt.method, tt.path, tt.body, api.HeaderAccessKey, tt.key)
		if got.Code != tt.status {
			t.Errorf("%s: %d %s", tt.name, got.Code, got.Body)
		}
		if told := len(w.records()) - had; told != map[bool]int{true: 0, false: 1}[tt.code == ""] {
			t.Errorf("%s: %d records", tt.name, told)
		}
		if code, _ := w.last()["errorCode"].(string); tt.code != "" && code != tt.code {
			t.Errorf("%s: error code %q, want %q", tt.name, code, tt.code)
		}
	}
	if got := len(w.truth0()); got != before {
		t.Errorf("what was refused changed something: %v", w.truth0())
	}
	w.o.Clock.Advance(2 * time.Hour)
	if got := call(w.Cloud, "GET", "/v1/bucket", "", api.HeaderAccessKey, w.carol()); got.Code != 403 || !strings.Contains(got.Body.String(), "expired") {
		t.Errorf("after two hours: %d %s", got.Code, got.Body)
	}
}

// truth0 is the truth, of which there may be none yet.
func (w *town) truth0() []trail.Truth {
	if _, err := os.Stat(filepath.Join(w.place, "truth.jsonl")); err != nil {
		return nil
	}
	return w.truth()
}

// Every action of the table can be called, is told by its name, and its truth names the attributes that it is about.
func TestEveryAction(t *testing.T) {
	w := newTown(t)
	value := map[string]any{"rules": []any{map[string]any{"from_port": 1, "cidrs": []any{"10.0.0.0/8"}}}, "policy": `{"a":1}`, "versioning": true, "encryption": map[string]any{"algorithm": "aes256"},
		"public_access": map[string]any{"block_policy": true}, "lifecycle_rules": []any{map[string]any{"id": "x", "expire_days": 3, "enabled": true}}, "tags": map[string]any{"Team": "x"}, "quota_bytes": 7,
		"attached_policies": []any{"p1"}, "inline_policies": map[string]any{"in": `{"b":1}`}, "metadata_options": map[string]any{"http_tokens": "required"}, "parameters": map[string]any{"max.x": "1"},
		"users": []any{map[string]any{"name": "u", "token": "hunter2"}}, "environment": map[string]any{"LOG": "hunter3"}, "values": []any{"192.0.2.1"}, "priority_order": []any{"a"},
		"firewall_ids": []any{"fw-1"}, "termination_protection": false, "password": "hunter4", "admin_password": "hunter5", "user_data": "hunter6"}
	for kind, k := range action.Kinds {
		o := w.as(w.carol(), "POST", "/v1/"+kind, `{"attributes":{"name":"it","zone":"z.example","type":"A"}}`)
		for _, a := range k.Actions {
			given := map[string]any{}
			for _, name := range a.Attributes {
				if a.Op == action.Clear || a.Op == action.Fix {
					break
				}
				given[name] = value[name]
				if given[name] == nil {
					given[name] = "v" + name
				}
				if m, ok := given[name].(map[string]any); ok && a.Op == action.Drop {
					gone := map[string]any{}
					for k := range m {
						gone[k] = nil
					}
					given[name] = gone
				}
			}
			before := o
			had := len(w.truth())
			o = w.as(w.carol(), "POST", "/v1/"+kind+"/"+o.ID+"/"+a.Name, `{"attributes":`+text(given)+`}`)
			r := w.last()
			if r["eventName"] != a.Name || r["errorCode"] != nil || r["requestParameters"] == nil {
				t.Errorf("%s %s is told as %s", kind, a.Name, text(r))
			}
			if strings.Contains(text(r), "hunter") || strings.Contains(text(w.truth()[had:]), "hunter4") {
				t.Errorf("%s %s tells a secret: %s", kind, a.Name, text(r))
			}
			for _, line := range w.truth()[had:] {
				top, _, _ := strings.Cut(line.Path, ".")
				if !slices.Contains(a.Attributes, top) || line.Event != r["eventID"] {
					t.Errorf("%s %s changed %q", kind, a.Name, line.Path)
				}
			}
			if changed := o.Version > before.Version; changed != (len(w.truth()) > had) {
				t.Errorf("%s %s: changed %v, truth %v", kind, a.Name, changed, w.truth()[had:])
			}
		}
		w.as(w.carol(), "DELETE", "/v1/"+kind+"/"+o.ID, "")
		if r := w.last(); r["eventName"] != k.Delete || text(r["requestParameters"]) == "null" {
			t.Errorf("deletion of %s is told as %s", kind, text(r))
		}
	}
}

func TestFaultsAreTold(t *testing.T) {
	w := newTown(t)
	w.as(w.carol(), "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`)
	had := len(w.truth())
	for fault, code := range map[string]string{"deny": "AccessDenied", "throttle": "ThrottlingException", "error": "InternalFailure", "outage": "ServiceUnavailable"} {
		call(w.Cloud, "PUT", "/admin/faults", `{"target":"bucket","fault":"`+fault+`"}`)
		call(w.Cloud, "POST", "/v1/bucket/b/PutBucketPolicy", `{"attributes":{"policy":"p"}}`, api.HeaderAccessKey, w.carol())
		if r := w.last(); r["errorCode"] != code || r["eventName"] != "PutBucketPolicy" || at(r, "requestParameters", "bucketPolicy") != "p" {
			t.Errorf("%s: %s", fault, text(r))
		}
		call(w.Cloud, "DELETE", "/admin/faults", "")
	}
	if len(w.truth()) != had {
		t.Errorf("what failed is true: %v", w.truth()[had:])
	}
}

func TestManyAtOnceOrNone(t *testing.T) {
	w := newTown(t)
	a := w.as(w.carol(), "POST", "/v1/instance", `{"attributes":{"name":"a"}}`)
	b := w.as(w.carol(), "POST", "/v1/instance", `{"attributes":{"name":"b"}}`)
	had := len(w.truth())
	w.as(w.carol(), "POST", "/v1/instance/"+a.ID+","+b.ID+"/CreateTags", `{"attributes":{"tags":{"Team":"x"}}}`)
	r := w.last()
	truth := w.truth()[had:]
	if len(truth) != 2 || truth[0].Event != truth[1].Event || truth[0].Path != "tags.Team" || truth[1].After != "x" || len(at(r, "requestParameters", "resourcesSet", "items").([]any)) != 2 {
		t.Errorf("%v\n%s", truth, text(r))
	}
	if got := call(w.Cloud, "POST", "/v1/instance/"+a.ID+",i-nope/StopInstances", `{"attributes":{}}`, api.HeaderAccessKey, w.carol()); got.Code != 404 {
		t.Errorf("one that is not there: %d", got.Code)
	}
	if o := w.as(w.carol(), "GET", "/v1/instance/"+a.ID, ""); o.Attributes["state"] != "running" {
		t.Error("one of two was stopped")
	}
	if got := call(w.Cloud, "POST", "/v1/instance/"+a.ID+","+b.ID+"/ModifyInstanceAttribute", `{"attributes":{"name":"c"}}`, api.HeaderAccessKey, w.carol()); got.Code != 400 {
		t.Errorf("an action on one: %d", got.Code)
	}
}

func TestControllers(t *testing.T) {
	w := newTown(t)
	lt := w.as(w.carol(), "POST", "/v1/template", `{"attributes":{"name":"t","image":"i1","instance_type":"s"}}`)
	g := w.as(w.carol(), "POST", "/v1/scaling_group", `{"attributes":{"name":"g","min_size":1,"max_size":50,"template_id":"`+lt.ID+`"}}`)
	w.as(w.carol(), "POST", "/v1/key", `{"attributes":{"name":"k","rotation":true}}`)
	had := len(w.truth())
	for range 12 {
		if _, err := w.Step(); err != nil {
			t.Fatal(err)
		}
	}
	byName := map[string]trail.Truth{}
	for _, line := range w.truth()[had:] {
		byName[line.Action] = line
	}
	if moved := byName["scaling:SetDesiredCapacity"]; moved.Principal != autoscaler || moved.Person || moved.Path != "desired_capacity" {
		t.Errorf("truth %v", byName)
	}
	if turned := byName["key:RotateKey"]; turned.Path != "material" {
		t.Errorf("truth %v", byName)
	}
	seen := map[string]bool{}
	for _, r := range w.records() {
		switch r["eventName"] {
		case "SetDesiredCapacity":
			seen["call"] = at(r, "userIdentity", "invokedBy") == autoscaler && at(r, "userIdentity", "type") == "AWSService" && r["sourceIPAddress"] == autoscaler && r["eventType"] == "AwsApiCall"
		case "RotateKey":
			seen["event"] = r["eventType"] == "AwsServiceEvent" && at(r, "serviceEventDetails", "keyId") != nil && r["requestParameters"] == nil
		}
	}
	if !seen["call"] || !seen["event"] {
		t.Errorf("seen %v", seen)
	}
	had = len(w.truth())
	w.as(w.carol(), "POST", "/v1/template/"+lt.ID+"/ModifyLaunchTemplate", `{"attributes":{"image":"i2"}}`)
	if truth := w.truth()[had:]; len(truth) != 2 || truth[1].Kind != "scaling_group" || truth[1].ID != g.ID || truth[1].Path != "image" {
		t.Errorf("through the template: %v", truth)
	}
	if o := w.as(w.carol(), "GET", "/v1/scaling_group/"+g.ID, ""); o.Attributes["image"] != "i2" {
		t.Errorf("the group has %v", o.Attributes)
	}
}

// One seed makes one history: ids, events, times.
func TestOneSeedMakesOneHistory(t *testing.T) {
	history := func() string {
		w := newTown(t)
		for i := range 5 {
			w.as(w.carol(), "POST", "/v1/scaling_group", fmt.Sprintf(`{"attributes":{"name":"g%d","min_size":1,"max_size":9}}`, i))
		}
		for range 3 {
			if _, err := w.Step(); err != nil {
				t.Fatal(err)
			}
		}
		return text(w.records()) + text(w.truth())
	}
	first, second := history(), history()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two histories of one seed differ:\n%s", diff)
	}
	if strings.Contains(first, "asg-0001") {
		t.Error("ids do not follow from the seed")
	}
}

// What was made durable and was not told, because the cloud was killed between the two, is told by the next process, once.
func TestWhatWasDoneIsTold(t *testing.T) {
	for _, lost := range []string{"nothing", "truth", "record and truth"} {
		t.Run(lost, func(t *testing.T) {
			w := newTown(t)
			made := w.as(w.carol(), "POST", "/v1/bucket", `{"attributes":{"name":"a"}}`)
			tell := w.store.tell
			w.store.tell = func(x *telling) error {
				switch lost {
				case "nothing":
					return tell(x)
				case "truth":
					return w.o.Trail.Append(x.Record, true)
				}
				return nil
			}
			w.as(w.carol(), "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`)
			if lost != "record and truth" {
				w.as(w.carol(), "GET", "/v1/bucket/"+made.ID, "") // what only reads comes after it
			}
			w.start()
			w.start()
			var names []any
			for _, line := range w.truth() {
				names = append(names, line.Name)
			}
			created := 0
			for _, r := range w.records() {
				if r["eventName"] == "CreateBucket" {
					created++
				}
			}
			if text(names) != `["a","b"]` || created != 2 {
				t.Errorf("truth of %v, %d records", names, created)
			}
		})
	}
}

// A cloud that was started again on the same seed gives no id a second time.
func TestNoIDTwice(t *testing.T) {
	w := newTown(t)
	for i := range 3 {
		w.as(w.carol(), "POST", "/v1/bucket", fmt.Sprintf(`{"attributes":{"name":"b%d"}}`, i))
		w.start()
		w.keys = map[string]string{}
	}
	seen := map[any]bool{}
	for _, r := range w.records() {
		for _, id := range []any{r["eventID"], r["requestID"], at(r, "responseElements", "credentials", "accessKeyId")} {
			if id != nil && seen[id] {
				t.Errorf("%v is there twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) < 12 {
		t.Errorf("%d ids", len(seen))
	}
}

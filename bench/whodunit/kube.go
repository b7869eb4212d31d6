package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A cluster is a real etcd and a real kube-apiserver without controllers, with an audit log.
type cluster struct {
	folder, server string
	client         *http.Client
	stops          []func()
}

// users are who makes requests, by their tokens. A watcher reads, and is not audited.
var users = []struct {
	name   string
	person bool
}{
	{"dana@corp.example", true}, {"erin@corp.example", true}, {"system:serviceaccount:ci:deployer", false}, {"system:serviceaccount:kube-system:horizontal-pod-autoscaler", false}, {"watcher", false},
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, users: [watcher]}
- {level: RequestResponse, namespaces: [shop]}
- {level: None}
`

func startCluster(ctx context.Context) (*cluster, error) {
	out, err := exec.CommandContext(ctx, "tools/kube/build", "--cached").Output()
	programs := strings.Fields(string(out))
	if err != nil || len(programs) != 2 {
		return nil, errNoCluster
	}
	folder, err := os.MkdirTemp("", "whodunit-")
	if err != nil {
		return nil, err
	}
	c := &cluster{folder: folder, client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} //nolint:gosec // our own server, on this machine
	if err := c.start(ctx, programs[0], programs[1]); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

var errNoCluster = errors.New("tools/kube/build has not been run")

func (c *cluster) start(ctx context.Context, etcd, api string) error {
	store, peer, server := "http://"+free(), "http://"+free(), free()
	tokens := ""
	for i, u := range users {
		tokens += fmt.Sprintf("token-%d,%s,%d\n", i, u.name, i)
	}
	for name, content := range map[string]string{"tokens.csv": tokens, "policy.yaml": auditPolicy} {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	key, err := exec.CommandContext(ctx, "openssl", "genrsa", "2048").Output()
	if err != nil {
		return fmt.Errorf("openssl genrsa: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.folder, "sa.key"), key, 0o600); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(c.folder, name) }
	if err := c.run(ctx, etcd, "--data-dir="+in("etcd"), "--listen-client-urls="+store, "--advertise-client-urls="+store, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync", "--log-level=warn"); err != nil {
		return err
	}
	c.server = "https://" + server
	host, port, _ := net.SplitHostPort(server)
	if err := c.run(ctx, api, "--etcd-servers="+store, "--bind-address="+host, "--advertise-address="+host, "--secure-port="+port, "--cert-dir="+in("certs"),
		"--token-auth-file="+in("tokens.csv"), "--authorization-mode=AlwaysAllow", "--endpoint-reconciler-type=none", "--service-account-issuer=https://practice.example",
		"--service-account-key-file="+in("sa.key"), "--service-account-signing-key-file="+in("sa.key"), "--service-cluster-ip-range=10.96.0.0/24",
		"--disable-admission-plugins=ServiceAccount", "--audit-policy-file="+in("policy.yaml"), "--audit-log-path="+in("audit.log"), "--audit-log-mode=blocking"); err != nil {
		return err
	}
	return c.ready(ctx)
}

func free() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (c *cluster) run(ctx context.Context, program string, args ...string) error {
	said, err := os.Create(filepath.Join(c.folder, filepath.Base(program)+".log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.folder, said, said
	cmd.Env = append(os.Environ(), "HOME="+c.folder)
	if err := cmd.Start(); err != nil {
		return err
	}
	c.stops = append(c.stops, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return nil
}

func (c *cluster) stop() {
	for i := len(c.stops) - 1; i >= 0; i-- {
		c.stops[i]()
	}
	_ = os.RemoveAll(c.folder)
}

func (c *cluster) ready(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return errors.New("the API server is not ready after two minutes")
		case <-tick.C:
			if status, _, _, err := c.do(ctx, 4, http.MethodGet, "/readyz", "", nil); err == nil && status == http.StatusOK {
				_, _, _, err := c.do(ctx, 4, http.MethodPost, "/api/v1/namespaces", "application/json", m{"metadata": m{"name": "shop"}})
				return err
			}
		}
	}
}

// do makes a request as a user, and gives the audit ID.
func (c *cluster) do(ctx context.Context, as int, method, path, content string, body any) (status int, id string, answer m, err error) {
	var in io.Reader
	if body != nil {
		in = bytesOf(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, in)
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Authorization", fmt.Sprintf("Bearer token-%d", as))
	req.Header.Set("User-Agent", []string{"kubectl/v1.34", "kubectl/v1.34", "deployer/2", "kube-controller-manager/v1.34", "watcher"}[as])
	if content != "" {
		req.Header.Set("Content-Type", content)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	d.UseNumber()
	_ = d.Decode(&answer) // of /readyz it is no JSON
	return resp.StatusCode, resp.Header.Get("Audit-Id"), answer, nil
}

// A kubeKind is a kind of object, and how it is changed.
type kubeKind struct {
	kind, version, resource string // "Deployment", "apps/v1", "deployments"
	spec                    m
	patches                 []func(*rand.Rand) m
	scales                  bool
}

func (k kubeKind) path(name string) string {
	root := "/apis/" + k.version
	if !strings.Contains(k.version, "/") {
		root = "/api/" + k.version
	}
	return root + "/namespaces/shop/" + k.resource + "/" + name
}

func labels(r *rand.Rand) m {
	var v any = pick(r, "a", "b", "c")
	if r.IntN(4) == 0 {
		v = nil
	}
	return m{"metadata": m{pick(r, "labels", "annotations"): m{pick(r, "team", "tier", "owner"): v}}}
}

func container(name, image string) m { return m{"name": name, "image": image} }

func pod(field string, values ...any) func(*rand.Rand) m {
	return func(r *rand.Rand) m {
		c := container("web", "nginx:1.0")
		c[field] = pick(r, values...)
		if field != "image" {
			delete(c, "image")
		}
		return m{"spec": m{"template": m{"spec": m{"containers": l{c}}}}}
	}
}

func kubeKinds() []kubeKind {
	template := m{"metadata": m{"labels": m{"app": "web"}}, "spec": m{"containers": l{m{"name": "web", "image": "nginx:1.0", "env": l{m{"name": "LOG", "value": "info"}}}, container("side", "busybox:1")}}}
	return []kubeKind{
		{kind: "Deployment", version: "apps/v1", resource: "deployments", scales: true, spec: m{"spec": m{"replicas": 1, "selector": m{"matchLabels": m{"app": "web"}}, "template": template}},
			patches: []func(*rand.Rand) m{labels, pod("image", "nginx:1.1", "nginx:1.2", "nginx:1.3"), pod("env", l{m{"name": "LOG", "value": "debug"}}, l{m{"name": "LOG", "value": "warn"}}, l{m{"name": "MODE", "value": "x"}}),
				func(r *rand.Rand) m { return m{"spec": m{"replicas": 1 + r.IntN(5)}} }, func(r *rand.Rand) m { return m{"spec": m{"minReadySeconds": r.IntN(4), "paused": r.IntN(2) == 0}} }}},
		{kind: "StatefulSet", version: "apps/v1", resource: "statefulsets", scales: true, spec: m{"spec": m{"replicas": 1, "serviceName": "web", "selector": m{"matchLabels": m{"app": "web"}}, "template": template}},
			patches: []func(*rand.Rand) m{labels, pod("image", "nginx:1.1", "nginx:1.2"), func(r *rand.Rand) m { return m{"spec": m{"replicas": 1 + r.IntN(5)}} }}},
		{kind: "ConfigMap", version: "v1", resource: "configmaps", spec: m{"data": m{"mode": "a", "level": "1"}},
			patches: []func(*rand.Rand) m{labels, func(r *rand.Rand) m {
				return m{"data": m{pick(r, "mode", "level", "color"): pick(r, "a", "b", "c", "d")}}
			}}},
		{kind: "Service", version: "v1", resource: "services", spec: m{"spec": m{"selector": m{"app": "web"}, "ports": l{m{"name": "http", "port": 80}}}},
			patches: []func(*rand.Rand) m{labels, func(r *rand.Rand) m { return m{"spec": m{"selector": m{"app": pick(r, "web", "api", "old")}}} }, func(r *rand.Rand) m { return m{"spec": m{"sessionAffinity": pick(r, "None", "ClientIP")}} }}},
	}
}

// kubeDials are the states of the log, and how much of each event there is.
var kubeDials = []struct {
	missing float64
	level   string
}{{0, "RequestResponse"}, {0.1, "RequestResponse"}, {0.3, "RequestResponse"}, {0, "Request"}, {0, "Metadata"}}

func recordKubernetes(ctx context.Context, o options) (items []item, err error) {
	c, err := startCluster(ctx)
	if errors.Is(err, errNoCluster) {
		fmt.Fprintln(os.Stderr, "SKIPPED: kubernetes:", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.stop()
	tales, err := c.tellAll(ctx, o)
	if err != nil {
		return nil, err
	}
	records, err := c.audited()
	if err != nil {
		return nil, err
	}
	for n, t := range tales {
		beside := []string{tales[(n+1)%len(tales)].name, tales[(n+4)%len(tales)].name} // another of its kind, mostly, and one of another kind
		log := t.excerpt(records, beside)
		for i := range kubeDials {
			items = append(items, t.item(log, i))
		}
	}
	return items, nil
}

// audited are the records of the audit log, in its order.
func (c *cluster) audited() (records []m, err error) {
	err = eachLine(filepath.Join(c.folder, "audit.log"), func(line []byte) error {
		var r m
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		err := d.Decode(&r)
		records = append(records, r)
		return err
	})
	return records, err
}

// A round lasts this long at least. Objects note who wrote them to the second, and on a real cluster seconds lie between most writes of one.
const round = 1200 * time.Millisecond

// tellAll has all objects side by side, so that the events of others stand between those of one: in each round each is changed once, in any order, and
// at times twice in a row.
func (c *cluster) tellAll(ctx context.Context, o options) (tales []*kubeTale, err error) {
	for seed := o.first; seed < o.first+o.seeds; seed++ {
		for _, k := range kubeKinds() {
			for n := range 4 {
				t, err := c.begin(ctx, k, seed, n)
				if err != nil {
					return nil, fmt.Errorf("%s, seed %d: %w", k.kind, seed, err)
				}
				tales = append(tales, t)
			}
		}
	}
	r := rand.New(rand.NewPCG(uint64(o.first), uint64(o.seeds)))
	next := time.NewTicker(round)
	defer next.Stop()
	for left := slices.Clone(tales); len(left) > 0; <-next.C {
		r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		for _, t := range left {
			if err := t.proceed(ctx, c, r.IntN(8) == 0); err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
		}
		left = slices.DeleteFunc(left, func(t *kubeTale) bool { return t.deeds == 0 })
	}
	return tales, nil
}

// A kubeTale is what happened to one object.
type kubeTale struct {
	story
	k             kubeKind
	seed          int
	name          string
	start, end    time.Time
	before, after m
	first         map[string]string
	deeds         int // that are to come
}

// begin makes the object, and reads it for the first time.
func (c *cluster) begin(ctx context.Context, k kubeKind, seed, n int) (*kubeTale, error) {
	t := &kubeTale{k: k, seed: seed, name: fmt.Sprintf("%s-%d-%d", strings.ToLower(k.kind), seed, n)}
	t.r, t.writers = rand.New(rand.NewPCG(uint64(seed*100+n), uint64(len(k.kind)))), map[string]writer{}
	object := clone(k.spec)
	object["kind"], object["apiVersion"], object["metadata"] = k.kind, k.version, m{"name": t.name, "namespace": "shop"}
	status, _, answer, err := c.do(ctx, 4, http.MethodPost, strings.TrimSuffix(k.path(""), "/"), "application/json", object)
	if err != nil || status != http.StatusCreated {
		return nil, fmt.Errorf("create: %d %v %w", status, answer["message"], err)
	}
	if err := t.read(ctx, c); err != nil {
		return nil, err
	}
	t.before, t.first, t.start = t.after, maps.Clone(t.state), time.Now()
	t.deeds = 1 + t.r.IntN(8)
	return t, nil
}

// proceed changes the object once, or twice in a row.
func (t *kubeTale) proceed(ctx context.Context, c *cluster, twice bool) error {
	if err := t.deed(ctx, c); err != nil {
		return err
	}
	t.deeds, t.end = t.deeds-1, time.Now()
	if twice && t.deeds > 0 {
		return t.proceed(ctx, c, false)
	}
	return nil
}

// read notes the object as it is now.
func (t *kubeTale) read(ctx context.Context, c *cluster) error {
	status, _, object, err := c.do(ctx, 4, http.MethodGet, t.k.path(t.name), "", nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("read: %d %w", status, err)
	}
	t.after, t.state = object, flatObject(object)
	return nil
}

func flatObject(object m) map[string]string {
	out := flat(object, nil)
	for k := range out {
		for _, own := range []string{"metadata.resourceVersion", "metadata.generation", "metadata.managedFields"} {
			if strings.HasPrefix(k, own) {
				delete(out, k)
			}
		}
	}
	return out
}

// deed makes one request, reads the object again, and notes who changed what.
func (t *kubeTale) deed(ctx context.Context, c *cluster) error {
	as := t.r.IntN(4)
	was := t.state
	id, err := t.request(ctx, c, as)
	if err != nil {
		return err
	}
	if err := t.read(ctx, c); err != nil {
		return err
	}
	for _, key := range changed(was, t.state) {
		t.writers[key] = writer{id, users[as].name, users[as].person}
	}
	return nil
}

func (t *kubeTale) request(ctx context.Context, c *cluster, as int) (id string, err error) {
	patch, path := pick(t.r, t.k.patches...)(t.r), t.k.path(t.name)
	method, content := http.MethodPatch, pick(t.r, "application/merge-patch+json", "application/strategic-merge-patch+json", "application/strategic-merge-patch+json")
	var body any = patch
	if at(patch, "spec", "template") != nil {
		content = "application/strategic-merge-patch+json"
	}
	switch n := t.r.IntN(20); {
	case n < 4: // the whole object
		method, content, body = http.MethodPut, "application/json", merged(clone(t.after), patch)
	case n < 6 && t.k.scales:
		path, content, body = path+"/scale", "application/merge-patch+json", m{"spec": m{"replicas": 1 + t.r.IntN(5)}}
	case n < 8:
		path += "?dryRun=All"
	case n < 9: // refused
		content, body = "application/merge-patch+json", m{"metadata": m{"resourceVersion": "1"}, "data": m{"mode": "z"}}
	case n < 12:
		path, content = path+fmt.Sprintf("?fieldManager=m%d&force=true", as), "application/apply-patch+yaml"
		applied := clone(patch)
		applied["kind"], applied["apiVersion"] = t.k.kind, t.k.version
		metadata, _ := applied["metadata"].(m)
		if metadata == nil {
			metadata = m{}
		}
		metadata["name"] = t.name
		applied["metadata"] = metadata
		body = applied
	}
	_, id, _, err = c.do(ctx, as, method, path, content, body)
	return id, err
}

// merged lays a patch over an object, lists by name.
func merged(object m, patch m) m {
	for k, v := range patch {
		below, isMap := v.(m)
		old, wasMap := object[k].(m)
		switch {
		case v == nil:
			delete(object, k)
		case isMap && wasMap:
			object[k] = merged(old, below)
		default:
			object[k] = mergedList(object[k], v)
		}
	}
	return object
}

func mergedList(old, v any) any {
	was, now := list(old), list(v)
	if len(now) == 0 || at(now[0], "name") == nil {
		return v
	}
	for _, e := range now {
		found := false
		for i := range was {
			if at(was[i], "name") == at(e, "name") {
				was[i], found = merged(was[i].(m), e.(m)), true
			}
		}
		if !found {
			was = append(was, e)
		}
	}
	return was
}

// excerpt is what the log says of the object, and of some others in the meantime: an audit log tells of all, and a case of a few is small.
func (t *kubeTale) excerpt(records []m, beside []string) []m {
	return slices.DeleteFunc(slices.Clone(records), func(r m) bool {
		if t.owns(r) {
			return false
		}
		received, err := time.Parse(time.RFC3339Nano, str(r["requestReceivedTimestamp"]))
		return !slices.Contains(beside, str(at(r, "objectRef", "name"))) || err != nil || received.Before(t.start) || received.After(t.end)
	})
}

func (t *kubeTale) owns(record m) bool { return at(record, "objectRef", "name") == any(t.name) }

// item is the tale with the log in one state.
func (t *kubeTale) item(log []m, i int) item {
	d := kubeDials[i]
	own, others := rand.New(rand.NewPCG(uint64(t.seed), uint64(i*1000)+uint64(len(t.name)))), rand.New(rand.NewPCG(uint64(t.seed), uint64(i)))
	id := fmt.Sprintf("kubernetes-%s-%s-%02.0f", t.name, d.level, d.missing*100)
	address := t.k.version + "/" + t.k.kind + "/shop/" + t.name
	c := whodunitCase{Format: "taffrail.whodunit/1", ID: id, Window: window{t.start.UTC(), t.end.UTC()}, Now: t.end.Add(time.Hour).UTC()}
	c.Resources = []resource{{Address: address, Type: t.k.kind, IDs: []string{str(at(t.after, "metadata", "uid")), "shop/" + t.name, t.name}, Before: t.before, After: t.after}}
	kept, present := []m{}, map[string]bool{}
	for _, record := range log {
		r := others
		if t.owns(record) {
			r = own
		}
		if r.Float64() < d.missing {
			continue
		}
		kept = append(kept, atLevel(record, d.level))
		present[str(record["auditID"])] = true
	}
	c.Events = []events{{"kubeaudit", kept}}
	it := item{c: c, corpus: "kubernetes " + d.level, seed: t.seed, missing: d.missing}
	for _, key := range changed(t.first, t.state) {
		it.labels = append(it.labels, t.label(id, address, key, t.k.kind, present))
	}
	return it
}

// atLevel is a record as a policy of a lower level would have written it.
func atLevel(r m, level string) m {
	r = maps.Clone(r)
	r["level"] = level
	if level != "RequestResponse" {
		delete(r, "responseObject")
	}
	if level == "Metadata" {
		delete(r, "requestObject")
	}
	return r
}

package backend

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A cluster answers as a Kubernetes API server does for secrets and leases of the namespace "ops", and to nothing else.
type cluster struct {
	t        *testing.T
	writable bool // for the real tool
	mu       sync.Mutex
	revision int
	objects  map[string]map[string]any // by "secrets/name" and "leases/name"
	status   int
}

func (k *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	path, core := strings.CutPrefix(r.URL.Path, "/api/v1/namespaces/ops/secrets")
	kind := "secrets"
	if !core {
		var lease bool
		if path, lease = strings.CutPrefix(r.URL.Path, "/apis/coordination.k8s.io/v1/namespaces/ops/leases"); !lease {
			k.t.Errorf("unexpected %s %s", r.Method, r.URL)
		}
		kind = "leases"
	}
	w.Header().Set("Content-Type", "application/json")
	switch name := strings.TrimPrefix(path, "/"); {
	case k.status != 0:
		w.WriteHeader(k.status)
	case r.Header.Get("Authorization") != "Bearer kube-token-1":
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodGet && name == "":
		k.list(w, r, kind)
	case r.Method == http.MethodGet:
		k.answer(w, k.objects[kind+"/"+name])
	case !k.writable:
		k.t.Errorf("it wrote: %s %s", r.Method, r.URL)
	case r.Method == http.MethodPost, r.Method == http.MethodPut:
		var object map[string]any
		_ = json.NewDecoder(r.Body).Decode(&object)
		k.answer(w, k.put(kind, object))
	case r.Method == http.MethodDelete:
		delete(k.objects, kind+"/"+name)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
	default:
		k.t.Errorf("unexpected %s %s", r.Method, r.URL)
	}
}

func (k *cluster) put(kind string, object map[string]any) map[string]any {
	k.revision++
	metadata := object["metadata"].(map[string]any)
	metadata["resourceVersion"], metadata["uid"], metadata["namespace"] = strconv.Itoa(k.revision), "u-"+metadata["name"].(string), "ops"
	object["apiVersion"], object["kind"] = "v1", "Secret"
	if kind == "leases" {
		object["apiVersion"], object["kind"] = "coordination.k8s.io/v1", "Lease"
	}
	k.objects[kind+"/"+metadata["name"].(string)] = object
	return object
}

func (k *cluster) answer(w http.ResponseWriter, object map[string]any) {
	if object == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		return
	}
	_ = json.NewEncoder(w).Encode(object)
}

// list knows selectors that ask for equality.
func (k *cluster) list(w http.ResponseWriter, r *http.Request, kind string) {
	items := []any{}
	for key, object := range k.objects {
		labels, _ := object["metadata"].(map[string]any)["labels"].(map[string]any)
		fits := strings.HasPrefix(key, kind+"/")
		for want := range strings.SplitSeq(r.URL.Query().Get("labelSelector"), ",") {
			name, value, _ := strings.Cut(want, "=")
			fits = fits && (name == "" || labels[name] == value)
		}
		if fits {
			items = append(items, object)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "SecretList", "apiVersion": "v1", "metadata": map[string]any{"resourceVersion": strconv.Itoa(k.revision)}, "items": items})
}

func startCluster(t *testing.T) (*cluster, *httptest.Server) {
	k := &cluster{t: t, objects: map[string]map[string]any{}}
	server := httptest.NewTLSServer(k)
	t.Cleanup(server.Close)
	return k, server
}

func certificate(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func kubeconfig(t *testing.T, server *httptest.Server) string {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
"clusters":[{"name":"k","cluster":{"server":%q,"certificate-authority-data":%q}}],"users":[{"name":"u","user":{"token":"kube-token-1"}}]}`, server.URL, base64.StdEncoding.EncodeToString(certificate(server))))
	return path
}

// kubeSettings are those of a stack whose kubeconfig is the user's.
func kubeSettings(t *testing.T, server *httptest.Server) Config {
	c := settings(t, "kubernetes", map[string]any{"secret_suffix": "net", "namespace": "ops"})
	path := kubeconfig(t, server)
	c.Env = func(name string) string { return map[string]string{"KUBE_CONFIG_PATH": path}[name] }
	c.Workspace = "blue"
	return c
}

func (k *cluster) putState(name string, data []byte) {
	k.put("secrets", map[string]any{"metadata": map[string]any{"name": name}, "data": map[string]any{"tfstate": data}})
}

func TestKubernetesReads(t *testing.T) {
	gz := packed(sample)
	for name, lay := range map[string]func(k *cluster){
		"whole": func(k *cluster) { k.putState("tfstate-blue-net", gz) },
		"parts": func(k *cluster) {
			k.putState("tfstate-blue-net", gz[:20])
			k.putState("tfstate-blue-net-part-1", gz[20:40])
			k.putState("tfstate-blue-net-part-2", gz[40:])
		},
	} {
		k, server := startCluster(t)
		lay(k)
		r := open(t, kubeSettings(t, server))
		t.Log(name)
		version := fetch(t, r)
		if want := "kubernetes://" + server.Listener.Addr().String() + "/ops/tfstate-blue-net"; r.Name() != want {
			t.Errorf("the name is %q, want %q", r.Name(), want)
		}
		k.putState("tfstate-blue-net", packed(sample+" "))
		if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample+" " || moved == version {
			t.Errorf("after it moved: %q, %q, %v", body, moved, err)
		}
	}
}

func TestKubernetesLock(t *testing.T) {
	k, server := startCluster(t)
	r := open(t, kubeSettings(t, server))
	metadata := map[string]any{"name": "lock-tfstate-blue-net"}
	for range 2 { // a lease without a holder is what an operation leaves behind
		if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("without a lock: %+v, %v", lock, err)
		}
		k.put("leases", map[string]any{"metadata": metadata, "spec": map[string]any{}})
	}
	metadata["annotations"] = map[string]any{"app.terraform.io/lock-info": `{"Who":"ann@bridge"}`}
	k.put("leases", map[string]any{"metadata": metadata, "spec": map[string]any{"holderIdentity": "3f0c"}})
	if lock, err := r.Locked(t.Context()); err != nil || !lock.Held || lock.Who != "ann@bridge" {
		t.Errorf("with a lock: %+v, %v", lock, err)
	}
}

func TestKubernetesFaults(t *testing.T) {
	gz := packed(sample)
	for name, tc := range map[string]struct {
		lay  func(k *cluster)
		kind taffrail.Kind
	}{
		"no secret": {func(*cluster) {}, taffrail.KindNotFound},
		"no state":  {func(k *cluster) { k.putState("tfstate-blue-net", nil) }, taffrail.KindNotFound},
		"401":       {func(k *cluster) { k.status = 401 }, taffrail.KindDenied},
		"403":       {func(k *cluster) { k.status = 403 }, taffrail.KindDenied},
		"429":       {func(k *cluster) { k.status = 429 }, taffrail.KindUnavailable},
		"500":       {func(k *cluster) { k.status = 500 }, taffrail.KindUnavailable},
		"cut":       {func(k *cluster) { k.putState("tfstate-blue-net", gz[:len(gz)-9]) }, taffrail.KindInvalid},
		"garbage":   {func(k *cluster) { k.putState("tfstate-blue-net", []byte("garbage")) }, taffrail.KindInvalid},
		"bomb":      {func(k *cluster) { k.putState("tfstate-blue-net", packed(strings.Repeat("x", 3000))) }, taffrail.KindInvalid},
		"an old part": {func(k *cluster) {
			k.putState("tfstate-blue-net", gz[:20])
			k.putState("tfstate-blue-net-part-1", []byte("of an older state"))
		}, taffrail.KindUnavailable},
	} {
		k, server := startCluster(t)
		tc.lay(k)
		c := kubeSettings(t, server)
		c.Limit = 2000
		_, _, err := open(t, c).Fetch(t.Context(), "")
		t.Log(name)
		wantKind(t, err, tc.kind, "tfstate-blue-net")
		wantNoSecret(t, err, "kube-token-1")
	}
}

func TestKubernetesKeepsItsTokenAtHome(t *testing.T) {
	stolen := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("another host was asked: %v", r.Header) })
	server := httptest.NewTLSServer(http.RedirectHandler("https://"+stolen.Listener.Addr().String(), http.StatusFound))
	t.Cleanup(server.Close)
	_, _, err := open(t, kubeSettings(t, server)).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindInvalid, "another host")
}

func TestKubernetesSettings(t *testing.T) {
	k, server := startCluster(t)
	k.putState("tfstate-default-net", packed(sample))
	explicit := map[string]any{"secret_suffix": "net", "namespace": "ops", "host": server.URL, "token": "kube-token-1", "cluster_ca_certificate": string(certificate(server))}
	fetch(t, open(t, settings(t, "kubernetes", explicit)))

	for part, attributes := range map[string]map[string]any{
		"secret_suffix is missing": {"host": "h"}, "no API server": {"secret_suffix": "net"}, "no name of a secret": {"secret_suffix": "Net_1", "host": "h"},
		"read the kubeconfig": {"secret_suffix": "net", "config_path": "none"}, "would run get-token": {"secret_suffix": "net", "config_path": "config"},
		"would run ./evil": {"secret_suffix": "net", "host": "https://h", "exec": []any{map[string]any{"api_version": "client.authentication.k8s.io/v1", "command": "./evil"}}},
	} {
		c := settings(t, "kubernetes", attributes)
		write(t, filepath.Join(c.Dir, "config"), `{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
"clusters":[{"name":"k","cluster":{"server":"https://h"}}],"users":[{"name":"u","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"get-token","interactiveMode":"Never"}}}]}`)
		_, err := Open(t.Context(), c)
		wantSettingsError(t, err, part)
	}
}

// The state is larger than a secret can be, so that the tool cuts it.
func TestRealToolKubernetes(t *testing.T) {
	k, server := startCluster(t)
	k.writable = true
	path := kubeconfig(t, server)
	noise := make([]byte, 900_000)
	_, _ = rand.Read(noise)
	block := fmt.Sprintf("secret_suffix = \"net\"\nnamespace = \"ops\"\nconfig_path = %q", path)
	c, tool := apply(t, "kubernetes", block, map[string]any{"secret_suffix": "net", "namespace": "ops", "config_path": path})
	write(t, filepath.Join(c.Dir, "main.tf"), fmt.Sprintf("terraform {\n backend \"kubernetes\" {\n%s\n}\n}\nresource \"terraform_data\" \"a\" {\n input = \"%x\"\n}\n", block, noise))
	applyAgain(t, c, tool)
	k.writable = false
	if _, cut := k.objects["secrets/tfstate-default-net-part-1"]; !cut {
		t.Log("this tool does not cut states")
	}
	ours, theirs := wantApplied(t, open(t, c)), wantApplied(t, pull(t, c, tool))
	if ours != theirs {
		t.Errorf("our reader sees lineage %s, the tool %s", ours, theirs)
	}
}

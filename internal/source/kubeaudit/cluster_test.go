package kubeaudit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// The token of a person who may everything in the cluster.
const person = "practice-token-of-a-person"

const policy = `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[
{"level":"Metadata","resources":[{"group":"","resources":["namespaces"]}]},
{"level":"RequestResponse","users":["dana"],"resources":[{"group":"","resources":["configmaps","secrets"]}]},
{"level":"None"}]}`

// An apiServer is a real API server and its etcd.
type apiServer struct {
	t      *testing.T
	folder string
	url    string
	client *http.Client
}

// kubePrograms gives the paths of etcd and the API server. Nothing is built from here: it takes a quarter of an hour.
func kubePrograms(t *testing.T) (etcd, api string) {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", "..", "..", "tools", "kube", "build"), "--cached").Output()
	paths := strings.Fields(string(out))
	if err != nil || len(paths) < 2 {
		t.Skipf("SKIPPED: tools/kube/build has not been run (%v): no API server has sent anything", err)
	}
	return paths[0], paths[1]
}

// startAPIServer starts one that sends its events to a webhook.
func startAPIServer(t *testing.T, etcd, api, webhook string, trusted plugtest.Certificates) *apiServer {
	t.Helper()
	own := plugtest.NewCertificates(t)
	s := &apiServer{t: t, folder: t.TempDir(), url: "https://" + freeAddress(t)}
	s.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: own.Client(t, false)}}
	s.write("tokens.csv", person+",dana,dana,system:masters\n")
	s.write("policy.json", policy)
	s.write("webhook.json", fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"taffrail","user":"api"}}],
"clusters":[{"name":"taffrail","cluster":{"server":"https://%s/events","certificate-authority":%q}}],"users":[{"name":"api","user":{"token":%q}}]}`, webhook, trusted.CA, token))
	store, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	s.start("etcd", etcd, "--data-dir="+s.path("data"), "--listen-client-urls="+store, "--advertise-client-urls="+store, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync", "--log-level=warn")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "https://"))
	ended := s.start("api", api, "--etcd-servers="+store, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+port,
		"--tls-cert-file="+own.Cert, "--tls-private-key-file="+own.Key, "--token-auth-file="+s.path("tokens.csv"), "--authorization-mode=RBAC",
		"--endpoint-reconciler-type=none", "--service-account-issuer=https://practice.example", "--service-account-key-file="+own.Key,
		"--service-account-signing-key-file="+own.Key, "--service-cluster-ip-range=10.96.0.0/24", "--disable-admission-plugins=ServiceAccount",
		"--audit-policy-file="+s.path("policy.json"), "--audit-log-path="+s.path("audit.log"), "--audit-log-mode=blocking",
		"--audit-webhook-config-file="+s.path("webhook.json"), "--audit-webhook-mode=batch", "--audit-webhook-batch-max-wait=100ms", "--audit-webhook-initial-backoff=100ms")
	deadline, tick := time.After(2*time.Minute), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			t.Fatalf("the API server has ended\n%s", s.tail("api.out"))
		case <-deadline:
			t.Fatalf("the API server is not ready\n%s", s.tail("api.out"))
		case <-tick.C:
			if status, _, err := s.try(http.MethodGet, "/readyz", "", ""); err == nil && status == http.StatusOK {
				return s
			}
		}
	}
}

func (s *apiServer) path(name string) string { return filepath.Join(s.folder, name) }

func (s *apiServer) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *apiServer) tail(name string) []byte {
	said, _ := os.ReadFile(s.path(name))
	return said[max(0, len(said)-4000):]
}

// freeAddress gives an address that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends. The channel is closed when it has ended.
func (s *apiServer) start(name, program string, args ...string) chan struct{} {
	s.t.Helper()
	said, err := os.Create(s.path(name + ".out"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = s.folder, said, said, append(os.Environ(), "HOME="+s.folder)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return ended
}

func (s *apiServer) try(method, path, contentType, body string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+person)
	r.Header.Set("Content-Type", contentType)
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

func (s *apiServer) want(method, path, contentType, body string) {
	s.t.Helper()
	if status, answer, err := s.try(method, path, contentType, body); err != nil || status >= 300 {
		s.t.Fatalf("%s %s: %d %v\n%s", method, path, status, err, answer)
	}
}

// A keeping keeps records as the core does: what has the id of one that is there is a copy.
type keeping struct {
	t       *testing.T
	decoder decoder
	mu      sync.Mutex
	kept    map[taffrail.EventID]taffrail.Kept
	copies  int
	refuse  int // how many batches are still refused
	more    chan struct{}
}

func (k *keeping) emit(_ context.Context, b taffrail.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse > 0 {
		k.refuse--
		return errors.New("the disk is full")
	}
	for _, rec := range b.Records {
		kept, err := k.decoder.Keep(rec.Raw)
		if err != nil || rec.Fault != "" {
			k.t.Errorf("%s: %s %v", rec.Where, rec.Fault, err)
		}
		if _, ok := k.kept[kept.ID]; ok {
			k.copies++
		}
		k.kept[kept.ID] = kept
	}
	select {
	case k.more <- struct{}{}:
	default:
	}
	return nil
}

// await waits for an event of the person: a change with this action and a name among its keys.
func (k *keeping) await(action, name string) taffrail.Kept {
	k.t.Helper()
	deadline := time.After(time.Minute)
	for {
		k.mu.Lock()
		for _, e := range k.kept {
			if e.Action == action && e.Changes && slices.Contains(e.Keys, name) {
				k.mu.Unlock()
				return e
			}
		}
		k.mu.Unlock()
		select {
		case <-k.more:
		case <-deadline:
			k.t.Fatalf("no event %s %s came", action, name)
		}
	}
}

// A real API server sends what it writes into its file, sends it again where it was not taken, and nothing of a Secret is kept.
func TestRealAPIServer(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: no API server was started")
	}
	etcd, api := kubePrograms(t)
	certs := plugtest.NewCertificates(t)
	r := openReceiver(t, fmt.Sprintf("tls: {cert: %s, key: %s}\n", certs.Cert, certs.Key))
	k := &keeping{t: t, decoder: newDecoder(plugtest.MarkingSealer()), kept: map[taffrail.EventID]taffrail.Kept{}, more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- r.Receive(ctx, func(a string) { ready <- a }, k.emit) }()
	t.Cleanup(cancel)
	s := startAPIServer(t, etcd, api, <-ready, certs)

	const maps, secrets = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/secrets"
	s.want(http.MethodPost, maps, "application/json", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"colours"},"data":{"a":"red"}}`)
	k.await("core:create configmaps", "colours")
	k.mu.Lock()
	k.refuse = 2
	k.mu.Unlock()
	s.want(http.MethodPatch, maps+"/colours?fieldManager=hand", "application/merge-patch+json", `{"data":{"a":"blue"}}`)
	changed := k.await("core:patch configmaps", "colours")
	s.want(http.MethodPost, secrets, "application/json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"p":"correct-horse-battery"}}`)
	k.await("core:create secrets", "db")
	s.want(http.MethodPatch, secrets+"/db", "application/json-patch+json", `[{"op":"replace","path":"/data/p","value":"Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"}]`)
	k.await("core:patch secrets", "db")
	s.want(http.MethodDelete, maps+"/colours", "", "")
	k.await("core:delete configmaps", "colours")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	e, err := k.decoder.Decode(changed.Record)
	if err != nil || e.State == nil || e.Writer != "hand" || e.Actor.ID != "dana" {
		t.Errorf("%+v %v", e, err)
	}
	if k.refuse != 0 {
		t.Error("nothing was refused")
	}
	for _, e := range k.kept {
		if bytes.Contains(e.Record, []byte("correct-horse-battery")) || bytes.Contains(e.Record, []byte("Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5")) {
			t.Errorf("a secret is kept: %s", e.Record)
		}
	}
	file := &keeping{t: t, decoder: k.decoder, kept: map[taffrail.EventID]taffrail.Kept{}, more: make(chan struct{}, 1)}
	err = (&reader{path: s.path("audit.log"), limit: maxLine}).ReadEvents(t.Context(), "", func(b taffrail.Batch) error { return file.emit(t.Context(), b) })
	if err != nil {
		t.Fatal(err)
	}
	for id, sent := range k.kept {
		if diff := cmp.Diff(file.kept[id].EventHead, sent.EventHead); diff != "" {
			t.Errorf("%s: in the file it is another: %s", id, diff)
		}
	}
	t.Logf("%d events were sent and %d copies of them, %d are in the file", len(k.kept), k.copies, len(file.kept))
}

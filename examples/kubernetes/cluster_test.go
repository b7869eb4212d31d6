package kubernetes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tokens of those who use the cluster.
const (
	person   = "practice-token-of-a-person"   // who may everything
	deployer = "practice-token-of-a-deployer" // who may what the role "deployer" says
)

// A cluster is an etcd and an API server in processes of their own. Nobody runs controllers: what is applied stays as it is.
type cluster struct {
	t      *testing.T
	folder string
	server string // address of the API server
	etcd   string // path of the program, as the next
	api    string
	store  string // address of etcd
	client *http.Client

	stopAPI func()
}

// tools gives the paths that a build script of tools prints, if all is built. Nothing is built from here: it takes a quarter of an hour.
func tools(t *testing.T, name string) []string {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", "..", "tools", name, "build"), "--cached").Output()
	if err != nil {
		t.Skipf("tools/%s/build has not been run (%v): nothing was applied to Kubernetes", name, err)
	}
	return strings.Fields(string(out))
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no cluster was started")
	}
	programs := tools(t, "kube")
	c := &cluster{t: t, folder: t.TempDir(), etcd: programs[0], api: programs[1]}
	c.certify()
	c.store = "http://" + freeAddress(t)
	peer := "http://" + freeAddress(t)
	c.start("etcd", c.etcd, "--data-dir="+c.path("etcd"), "--listen-client-urls="+c.store, "--advertise-client-urls="+c.store,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--unsafe-no-fsync", "--log-level=warn")
	c.server = "https://" + freeAddress(t)
	c.startAPI()
	c.allow(everything)
	c.await("/api/v1/namespaces/default", http.StatusOK)
	return c
}

func (c *cluster) path(name string) string { return filepath.Join(c.folder, name) }

// freeAddress gives an address that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start runs a program until the test ends or the returned function is called. The channel is closed when it has ended.
func (c *cluster) start(name, program string, args ...string) (stop func(), ended chan struct{}) {
	c.t.Helper()
	said, err := os.Create(c.path(name + ".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.folder, said, said
	cmd.Env = append(os.Environ(), "HOME="+c.folder)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	c.t.Cleanup(stop)
	return stop, ended
}

// startAPI runs an API server on the cluster's data and waits until it is ready.
func (c *cluster) startAPI() {
	c.t.Helper()
	address := strings.TrimPrefix(c.server, "https://")
	host, port, _ := net.SplitHostPort(address)
	stop, ended := c.start("api", c.api, "--etcd-servers="+c.store, "--bind-address="+host, "--advertise-address="+host, "--secure-port="+port,
		"--tls-cert-file="+c.path("server.pem"), "--tls-private-key-file="+c.path("server.key"),
		"--token-auth-file="+c.path("tokens.csv"), "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--service-account-issuer=https://practice.example", "--service-account-key-file="+c.path("server.key"), "--service-account-signing-key-file="+c.path("server.key"),
		"--service-cluster-ip-range=10.96.0.0/24", "--disable-admission-plugins=ServiceAccount")
	c.stopAPI = stop
	deadline, tick := time.After(time.Minute), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			c.t.Fatalf("the API server has ended\n%s", c.tail("api.log"))
		case <-deadline:
			c.t.Fatalf("the API server is not ready after a minute\n%s", c.tail("api.log"))
		case <-tick.C:
			if status, _, err := c.try(person, http.MethodGet, "/readyz", "", nil); err == nil && status == http.StatusOK {
				return
			}
		}
	}
}

// tail is the end of a file.
func (c *cluster) tail(name string) []byte {
	said, _ := os.ReadFile(c.path(name))
	return said[max(0, len(said)-4000):]
}

// certify makes an authority, the API server's certificate and the file of tokens.
func (c *cluster) certify() {
	c.t.Helper()
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "practice authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "practice API server"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityKey, serverKey := c.key(), c.key()
	signed := c.sign(authority, authority, authorityKey, authorityKey)
	c.write("ca.pem", "CERTIFICATE", signed)
	c.write("server.pem", "CERTIFICATE", c.sign(server, authority, serverKey, authorityKey))
	packed, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("server.key", "EC PRIVATE KEY", packed)
	tokens := person + ",person,person,system:masters\n" + deployer + ",deployer,deployer\n"
	if err := os.WriteFile(c.path("tokens.csv"), []byte(tokens), 0o600); err != nil {
		c.t.Fatal(err)
	}
	root, err := x509.ParseCertificate(signed)
	if err != nil {
		c.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	c.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func (c *cluster) key() *ecdsa.PrivateKey {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

func (c *cluster) sign(cert, by *x509.Certificate, key, with *ecdsa.PrivateKey) []byte {
	c.t.Helper()
	signed, err := x509.CreateCertificate(rand.Reader, cert, by, key.Public(), with)
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

func (c *cluster) write(name, kind string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// try makes a request. The content type is that of a body.
func (c *cluster) try(token, method, path, contentType string, body any) (status int, answer []byte, err error) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server+path, bytes.NewReader(content))
	if err != nil {
		return 0, nil, err
	}
	if contentType == "" {
		req.Body, req.ContentLength = nil, 0
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// want makes a request as a person, which must succeed.
func (c *cluster) want(method, path, contentType string, body any) []byte {
	c.t.Helper()
	status, answer, err := c.try(person, method, path, contentType, body)
	if err != nil || status >= 300 {
		c.t.Fatalf("%s %s: %d, %v\n%s", method, path, status, err, answer)
	}
	return answer
}

func (c *cluster) get(path string) map[string]any {
	c.t.Helper()
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(c.want(http.MethodGet, path, "", nil)))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		c.t.Fatal(err)
	}
	return object
}

// patch changes an object by hand, as `kubectl patch --type merge` does.
func (c *cluster) patch(path string, change object) {
	c.t.Helper()
	c.want(http.MethodPatch, path, "application/merge-patch+json", change)
}

func (c *cluster) delete(path string) {
	c.t.Helper()
	c.want(http.MethodDelete, path, "", nil)
	for range 100 { // an object may be there for a moment yet
		if status, _, err := c.try(person, http.MethodGet, path, "", nil); err == nil && status == http.StatusNotFound {
			return
		}
	}
	c.t.Fatalf("%s is still there", path)
}

type object = map[string]any

// everything are the rules of who may do everything.
var everything = []any{object{"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"*"}}}

// allow gives the deployer these rules and no others.
func (c *cluster) allow(rules []any) {
	c.t.Helper()
	const roles, bindings = "/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	status, answer, err := c.try(person, http.MethodPost, roles, "application/json", object{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": object{"name": "deployer"}, "rules": rules,
	})
	switch {
	case err != nil || status >= 300 && status != http.StatusConflict:
		c.t.Fatalf("%d, %v\n%s", status, err, answer)
	case status == http.StatusConflict:
		c.patch(roles+"/deployer", object{"rules": rules})
	default:
		c.want(http.MethodPost, bindings, "application/json", object{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": "deployer"},
			"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deployer"},
			"subjects": []any{object{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "deployer"}},
		})
	}
}

// await asks as the deployer until the answer has the status: what RBAC allows is known to the API server a moment later.
func (c *cluster) await(path string, want int) {
	c.t.Helper()
	deadline, tick := time.Now().Add(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, answer, err := c.try(deployer, http.MethodGet, path, "", nil)
		if err == nil && status == want {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("GET %s: %s, want %d: %v\n%s", path, strconv.Itoa(status), want, err, answer)
		}
	}
}

// version is what the API server says of itself.
func (c *cluster) version() string { return fmt.Sprint(c.get("/version")["gitVersion"]) }

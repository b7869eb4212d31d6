package backend

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/taffrail-dev/taffrail"
)

// cloudStorage starts fake-gcs-server with a bucket "states". Watch sees each request first, and may answer it.
func cloudStorage(t *testing.T, watch func(http.ResponseWriter, *http.Request) bool) (*fakestorage.Server, Config) {
	t.Helper()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Stop)
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "states"})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("it wrote: %s %s", r.Method, r.URL)
		}
		if watch == nil || !watch(w, r) {
			fake.HTTPHandler().ServeHTTP(w, r)
		}
	})
	c := settings(t, "gcs", map[string]any{"bucket": "states", "prefix": "/net/prod/"})
	c.Env = func(name string) string {
		return map[string]string{"STORAGE_EMULATOR_HOST": server.Listener.Addr().String()}[name]
	}
	return fake, c
}

func putCloud(fake *fakestorage.Server, name, body string) {
	fake.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "states", Name: name}, Content: []byte(body)})
}

func TestGCSReadsEachWorkspace(t *testing.T) {
	for workspace, name := range map[string]string{"": "net/prod/default.tfstate", "blue": "net/prod/blue.tfstate"} {
		fake, c := cloudStorage(t, nil)
		putCloud(fake, name, sample)
		c.Workspace = workspace
		r := open(t, c)
		version := fetch(t, r)
		if want := "gs://states/" + name; r.Name() != want {
			t.Errorf("the name is %q, want %q", r.Name(), want)
		}
		putCloud(fake, name, sample+" ")
		if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample+" " || moved == version {
			t.Errorf("after it moved: %q, %q, %v", body, moved, err)
		}
	}
}

// The double does not know this condition, which Google's documentation of Objects: get describes.
func TestGCSSkipsWhatIsKnown(t *testing.T) {
	asked := 0
	_, c := cloudStorage(t, func(w http.ResponseWriter, r *http.Request) bool {
		asked++
		if got := r.URL.EscapedPath(); got != "/storage/v1/b/states/o/net%2Fprod%2Fdefault.tfstate" || r.URL.Query().Get("alt") != "media" {
			t.Errorf("unexpected %s", r.URL)
		}
		w.Header().Set("X-Goog-Generation", "1763")
		if r.URL.Query().Get("ifGenerationNotMatch") == "1763" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
		_, _ = io.WriteString(w, sample)
		return true
	})
	if version := fetch(t, open(t, c)); version != "1763" || asked != 3 {
		t.Errorf("version %q after %d requests", version, asked)
	}
}

func TestGCSLock(t *testing.T) {
	fake, c := cloudStorage(t, nil)
	r := open(t, c)
	if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
		t.Errorf("without a lock: %+v, %v", lock, err)
	}
	putCloud(fake, "net/prod/default.tflock", `{"Who":"ann@bridge"}`)
	if lock, err := r.Locked(t.Context()); err != nil || !lock.Held || lock.Who != "ann@bridge" {
		t.Errorf("with a lock: %+v, %v", lock, err)
	}
}

func TestGCSCustomerKey(t *testing.T) {
	const key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	seen := 0
	fake, c := cloudStorage(t, func(_ http.ResponseWriter, r *http.Request) bool {
		h := r.Header
		if h.Get("X-Goog-Encryption-Algorithm") == "AES256" && h.Get("X-Goog-Encryption-Key") == key && h.Get("X-Goog-Encryption-Key-Sha256") == "hhAJ7E1Zn6sfQKvHbm+JiAz/WDPHnFSMmfkEXxkc2Qs=" {
			seen++
		}
		return false
	})
	putCloud(fake, "net/prod/default.tfstate", sample)
	c.Attributes["encryption_key"] = filepath.Join(c.Dir, "key")
	write(t, filepath.Join(c.Dir, "key"), key+"\n")
	fetch(t, open(t, c))
	if seen != 3 {
		t.Errorf("%d of 3 requests had the key", seen)
	}
	c.Attributes["encryption_key"] = "dG9vIHNob3J0"
	_, err := Open(t.Context(), c)
	wantSettingsError(t, err, "encryption_key")
	wantNoSecret(t, err, "dG9vIHNob3J0")
}

func TestGCSFaults(t *testing.T) {
	for status, kind := range map[int]taffrail.Kind{
		400: taffrail.KindInvalid, 401: taffrail.KindDenied, 403: taffrail.KindDenied, 404: taffrail.KindNotFound,
		429: taffrail.KindUnavailable, 500: taffrail.KindUnavailable, 503: taffrail.KindUnavailable, 304: taffrail.KindInvalid,
	} {
		_, c := cloudStorage(t, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
		_, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, kind, "gs://states/net/prod/default.tfstate")
	}
	fake, c := cloudStorage(t, nil)
	c.Limit = 2000
	r := open(t, c)
	_, _, err := r.Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindNotFound)
	putCloud(fake, "net/prod/default.tfstate", "")
	_, _, err = r.Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindNotFound)
	putCloud(fake, "net/prod/default.tfstate", strings.Repeat("x", 3000))
	_, _, err = r.Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindInvalid, "larger")
}

// routed sends requests for any host to one server, which sees the host's name.
type routed struct{ to *url.URL }

func (r routed) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.Host = req.URL.Host
	sent.URL.Scheme, sent.URL.Host = r.to.Scheme, r.to.Host
	return http.DefaultTransport.RoundTrip(sent)
}

func serviceAccount(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "reader@p.iam.gserviceaccount.com", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), "token_uri": "https://oauth2.googleapis.com/token",
	})
	return string(data)
}

func TestGCSCredentials(t *testing.T) {
	tokenStatus := 200
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		switch body, _ := io.ReadAll(r.Body); r.Method + " " + r.Host + r.URL.Path {
		case "POST oauth2.googleapis.com/token":
			if !strings.Contains(string(body), "assertion=ey") {
				t.Errorf("unexpected %s", body)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tokenStatus)
			fmt.Fprint(w, `{"access_token":"ya29.own","expires_in":3600,"token_type":"Bearer","error":"invalid_grant","error_description":"about ya29.own"}`)
		case "POST iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/other@p.iam.gserviceaccount.com:generateAccessToken":
			if !strings.Contains(string(body), "devstorage.read_only") || authorization != "Bearer ya29.own" {
				w.WriteHeader(http.StatusForbidden)
			}
			fmt.Fprint(w, `{"accessToken":"ya29.borrowed","expireTime":"2099-01-01T00:00:00Z"}`)
		case "GET storage.googleapis.com/storage/v1/b/states/o/default.tfstate", "GET private.example/storage/v1/b/states/o/default.tfstate":
			if !strings.HasPrefix(authorization, "Bearer ya29.") {
				w.WriteHeader(http.StatusUnauthorized)
			}
			w.Header().Set("X-Goog-Generation", "1")
			_, _ = io.WriteString(w, sample)
		case "POST iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/stranger@p:generateAccessToken":
			w.WriteHeader(http.StatusForbidden)
		default:
			t.Errorf("unexpected %s %s%s", r.Method, r.Host, r.URL)
		}
	})
	to, _ := url.Parse(server.URL)
	account := serviceAccount(t)
	base := map[string]any{"bucket": "states"}
	with := func(more map[string]any) Config {
		attributes := maps.Clone(base)
		maps.Copy(attributes, more)
		c := settings(t, "gcs", attributes)
		c.HTTP = &http.Client{Transport: routed{to: to}}
		return c
	}
	for name, more := range map[string]map[string]any{
		"token":    {"access_token": "ya29.given"},
		"account":  {"credentials": account},
		"borrowed": {"credentials": account, "impersonate_service_account": "other@p.iam.gserviceaccount.com"},
		"private":  {"access_token": "ya29.given", "storage_custom_endpoint": "https://private.example/storage/v1/b"},
	} {
		t.Log(name)
		fetch(t, open(t, with(more)))
	}
	file := with(nil)
	write(t, filepath.Join(file.Dir, "adc.json"), account)
	file.Env = func(name string) string {
		return map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(file.Dir, "adc.json")}[name]
	}
	fetch(t, open(t, file))

	_, _, err := open(t, with(map[string]any{"access_token": "ya29.own", "impersonate_service_account": "stranger@p"})).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindDenied, "stranger@p")
	wantNoSecret(t, err, "ya29")
	for status, kind := range map[int]taffrail.Kind{400: taffrail.KindDenied, 503: taffrail.KindUnavailable} {
		tokenStatus = status
		_, _, err := open(t, with(map[string]any{"credentials": account})).Fetch(t.Context(), "")
		wantKind(t, err, kind)
		wantNoSecret(t, err, "ya29")
	}
	for part, more := range map[string]map[string]any{
		"bucket is missing": {"bucket": ""}, "credentials": {"credentials": "hush-hush-not-json"}, `"odd"`: {"credentials": `{"type":"odd"}`},
		"storage_custom_endpoint": {"storage_custom_endpoint": "::"},
	} {
		_, err := Open(t.Context(), with(more))
		wantSettingsError(t, err, part)
		wantNoSecret(t, err, "hush-hush")
	}
}

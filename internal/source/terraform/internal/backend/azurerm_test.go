package backend

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/taffrail-dev/taffrail"
)

const azuriteVersion = "3.37.0"

func TestAzuriteVersion(t *testing.T) {
	script, err := os.ReadFile("../../../../../tools/azurite/build")
	if err != nil || !strings.Contains(string(script), "version="+azuriteVersion) {
		t.Errorf("tools/azurite installs another version than %s: %v", azuriteVersion, err)
	}
}

// azurite starts the blob service with an account "states1" and gives what sends requests there, and the account's key.
func azurite(t *testing.T) (*http.Client, string) {
	t.Helper()
	home, _ := os.UserHomeDir()
	cache := cmp.Or(os.Getenv("TAFFRAIL_CACHE"), filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(home, ".cache")), "taffrail"))
	program := filepath.Join(cache, "tools", "azurite-"+azuriteVersion, "node_modules", ".bin", "azurite-blob")
	if _, err := os.Stat(program); err != nil {
		t.Skip("this part is skipped: Azurite is not installed (tools/azurite/build)")
	}
	secret := make([]byte, 64)
	_, _ = rand.Read(secret)
	key := base64.StdEncoding.EncodeToString(secret)
	cmd := exec.CommandContext(t.Context(), program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry")
	cmd.Env, cmd.Dir = append(os.Environ(), "AZURITE_ACCOUNTS=states1:"+key), t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // ends the lines below
	defer late.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, at, found := strings.Cut(lines.Text(), "listens on "); found {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			to, err := url.Parse(strings.TrimSpace(at))
			if err != nil {
				t.Fatal(err)
			}
			return &http.Client{Transport: routed{to: to}}, key
		}
	}
	t.Fatal("Azurite did not start")
	return nil, ""
}

func TestAzure(t *testing.T) {
	client, key := azurite(t)
	shared, err := azblob.NewSharedKeyCredential("states1", key)
	if err != nil {
		t.Fatal(err)
	}
	options := &azblob.ClientOptions{}
	options.Transport = client
	service, err := azblob.NewClientWithSharedKeyCredential("https://states1.blob.core.windows.net/", shared, options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.CreateContainer(t.Context(), "states", nil); err != nil {
		t.Fatal(err)
	}
	upload := func(name, body string) {
		t.Helper()
		if _, err := service.UploadBuffer(t.Context(), "states", name, []byte(body), nil); err != nil {
			t.Fatal(err)
		}
	}
	reader := func(workspace string, more map[string]any) Reader {
		t.Helper()
		attributes := map[string]any{"storage_account_name": "states1", "container_name": "states", "key": "net/prod", "access_key": key}
		maps.Copy(attributes, more)
		c := settings(t, "azurerm", attributes)
		c.Workspace, c.HTTP, c.Limit = workspace, client, 2000
		return open(t, c)
	}
	t.Run("reads", func(t *testing.T) {
		for workspace, name := range map[string]string{"": "net/prod", "blue": "net/prodenv:blue"} {
			upload(name, sample)
			r := reader(workspace, nil)
			version := fetch(t, r)
			if want := "azurerm://states1/states/" + name; r.Name() != want {
				t.Errorf("the name is %q, want %q", r.Name(), want)
			}
			upload(name, sample+" ")
			if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample+" " || moved == version {
				t.Errorf("after it moved: %q, %q, %v", body, moved, err)
			}
		}
	})
	t.Run("sees the lock", func(t *testing.T) {
		upload("locked", sample)
		r := reader("", map[string]any{"key": "locked"})
		if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("without a lock: %+v, %v", lock, err)
		}
		blob := service.ServiceClient().NewContainerClient("states").NewBlobClient("locked")
		info := base64.StdEncoding.EncodeToString([]byte(`{"Who":"ann@bridge"}`))
		if _, err := blob.SetMetadata(t.Context(), map[string]*string{"terraformlockid": &info}, nil); err != nil {
			t.Fatal(err)
		}
		holder, err := lease.NewBlobClient(blob, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := holder.AcquireLease(t.Context(), -1, nil); err != nil {
			t.Fatal(err)
		}
		if lock, err := r.Locked(t.Context()); err != nil || !lock.Held || lock.Who != "ann@bridge" {
			t.Errorf("with a lock: %+v, %v", lock, err)
		}
		fetch(t, r) // a lease keeps nobody from reading
		if lock, err := reader("", map[string]any{"key": "nothing"}).Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("without a state: %+v, %v", lock, err)
		}
	})
	t.Run("with a signature", func(t *testing.T) {
		upload("net/prod", sample)
		at, err := service.ServiceClient().NewContainerClient("states").GetSASURL(sas.ContainerPermissions{Read: true}, time.Now().Add(time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, signature, _ := strings.Cut(at, "?")
		fetch(t, reader("", map[string]any{"access_key": "", "sas_token": "?" + signature}))
		_, _, err = reader("", map[string]any{"access_key": "", "sas_token": strings.Replace(signature, "sig=", "sig=AAAA", 1)}).Fetch(t.Context(), "")
		wantKind(t, err, taffrail.KindDenied)
		wantNoSecret(t, err, "sig=")
	})
	t.Run("refusals", func(t *testing.T) {
		upload("empty", "")
		upload("large", strings.Repeat("x", 3000))
		other := base64.StdEncoding.EncodeToString([]byte("another key"))
		for name, tc := range map[string]struct {
			more map[string]any
			kind taffrail.Kind
		}{
			"no blob":      {map[string]any{"key": "nothing"}, taffrail.KindNotFound},
			"empty":        {map[string]any{"key": "empty"}, taffrail.KindNotFound},
			"large":        {map[string]any{"key": "large"}, taffrail.KindInvalid},
			"no container": {map[string]any{"container_name": "nowhere"}, taffrail.KindInvalid},
			"wrong key":    {map[string]any{"access_key": other}, taffrail.KindDenied},
		} {
			_, _, err := reader("", tc.more).Fetch(t.Context(), "")
			t.Log(name, err)
			wantKind(t, err, tc.kind, "azurerm://states1/")
			wantNoSecret(t, err, key, other)
		}
	})
}

// entra answers as Azure's sign-in, resource manager and blob storage do, as far as tokens go.
func entra(t *testing.T, status *int) *http.Client {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		const login = "login.microsoftonline.com"
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch at := r.Host + r.URL.Path; {
		case strings.HasSuffix(at, "/discovery/instance"):
			fmt.Fprintf(w, `{"tenant_discovery_endpoint":"https://%[1]s/ten/v2.0/.well-known/openid-configuration","api-version":"1.1","metadata":[{"preferred_network":"%[1]s","preferred_cache":"%[1]s","aliases":["%[1]s"]}]}`, login)
		case strings.HasSuffix(at, "/.well-known/openid-configuration"):
			fmt.Fprintf(w, `{"token_endpoint":"https://%[1]s/ten/oauth2/v2.0/token","authorization_endpoint":"https://%[1]s/ten/oauth2/v2.0/authorize","issuer":"https://%[1]s/ten/v2.0"}`, login)
		case r.Method == http.MethodPost && at == login+"/ten/oauth2/v2.0/token":
			good := strings.Contains(string(body), "client_secret=s3cret-x") || strings.Contains(string(body), "client_assertion=jwt-from-ci")
			if !good {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"error":"invalid_client","error_description":"you sent %s"}`, body)
				return
			}
			fmt.Fprint(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"eyJ0.token"}`)
		case r.Method == http.MethodGet && at == "ci.example/oidc" && r.Header.Get("Authorization") == "Bearer ci-token" && r.URL.Query().Get("audience") == "api://AzureADTokenExchange":
			fmt.Fprint(w, `{"value":"jwt-from-ci"}`)
		case r.Method == http.MethodPost && at == "management.azure.com/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/states1/listKeys":
			if r.Header.Get("Authorization") != "Bearer eyJ0.token" {
				w.WriteHeader(http.StatusForbidden)
			}
			fmt.Fprint(w, `{"keys":[{"keyName":"key1","value":"bG9va2VkLXVw"}]}`)
		case r.Method == http.MethodGet && at == "states1.blob.core.windows.net/states/net/prod":
			authorization := r.Header.Get("Authorization")
			if authorization != "Bearer eyJ0.token" && !strings.HasPrefix(authorization, "SharedKey states1:") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			if *status != 200 {
				w.WriteHeader(*status)
				return
			}
			w.Header().Set("ETag", `"0x1"`)
			if r.Header.Get("If-None-Match") == `"0x1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, sample)
		default:
			t.Errorf("unexpected %s %s", r.Method, at)
		}
	})
	to, _ := url.Parse(server.URL)
	return &http.Client{Transport: routed{to: to}}
}

func TestAzureTokens(t *testing.T) {
	status := 200
	client := entra(t, &status)
	with := func(more map[string]any) Config {
		attributes := map[string]any{
			"storage_account_name": "states1", "container_name": "states", "key": "net/prod", "tenant_id": "ten", "client_id": "app", "subscription_id": "sub",
		}
		maps.Copy(attributes, more)
		c := settings(t, "azurerm", attributes)
		c.HTTP = client
		return c
	}
	for name, more := range map[string]map[string]any{
		"secret":       {"client_secret": "s3cret-x", "use_azuread_auth": true},
		"looked up":    {"client_secret": "s3cret-x", "resource_group_name": "rg"},
		"oidc token":   {"use_oidc": true, "oidc_token": "jwt-from-ci", "use_azuread_auth": true},
		"oidc request": {"use_oidc": "true", "oidc_request_url": "https://ci.example/oidc?v=1", "oidc_request_token": "ci-token", "use_azuread_auth": true},
	} {
		t.Log(name)
		fetch(t, open(t, with(more)))
	}
	_, _, err := open(t, with(map[string]any{"client_secret": "wr0ng-secret", "use_azuread_auth": true})).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindDenied)
	wantNoSecret(t, err, "wr0ng-secret")
	_, err = Open(t.Context(), with(map[string]any{"client_secret": "wr0ng-secret", "resource_group_name": "rg"}))
	wantKind(t, err, taffrail.KindDenied)
	for code, kind := range map[int]taffrail.Kind{403: taffrail.KindDenied, 404: taffrail.KindNotFound, 429: taffrail.KindUnavailable, 500: taffrail.KindUnavailable} {
		status = code
		clock := &recorder{}
		c := with(map[string]any{"access_key": "bG9va2VkLXVw"})
		c.Pause = clock.pause
		_, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, kind)
		if want := map[bool]int{true: 2, false: 0}[kind == taffrail.KindUnavailable]; len(clock.pauses) != want {
			t.Errorf("%d: paused %v", code, clock.pauses)
		}
	}
}

func TestAzureSettings(t *testing.T) {
	for part, more := range map[string]map[string]any{
		"storage_account_name is missing": {"storage_account_name": nil}, "no name of an account": {"storage_account_name": "evil.example/"},
		"container_name is missing": {"container_name": ""}, "key is missing": {"key": ""}, "access_key is not base64": {"access_key": "%%%%"},
		"environment": {"environment": "moon"}, "metadata_host": {"metadata_host": "stack.example"}, "credentials are incomplete": {"access_key": nil, "client_secret": "s3cret-x"},
		"client_certificate_path": {"client_certificate_path": "none.pfx"},
	} {
		attributes := map[string]any{"storage_account_name": "states1", "container_name": "states", "key": "k", "access_key": "a2V5"}
		maps.Copy(attributes, more)
		_, err := Open(t.Context(), settings(t, "azurerm", attributes))
		wantSettingsError(t, err, part)
		wantNoSecret(t, err, "%%%%", "s3cret-x")
	}
}

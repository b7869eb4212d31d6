package backend

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/taffrail-dev/taffrail"
)

const awsSecret = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"

// bucket starts gofakes3 with a bucket "states". Watch sees each request first, and may answer it.
func bucket(t *testing.T, watch func(http.ResponseWriter, *http.Request) bool) (gofakes3.Backend, *httptest.Server) {
	t.Helper()
	objects := s3mem.New()
	if err := objects.CreateBucket("states"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(objects, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	return objects, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("it wrote: %s %s", r.Method, r.URL)
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
			t.Errorf("unsigned: %v", r.Header)
		}
		if watch == nil || !watch(w, r) {
			inner.ServeHTTP(w, r)
		}
	})
}

func put(t *testing.T, objects gofakes3.Backend, key, body string) {
	t.Helper()
	if _, err := objects.PutObject("states", key, map[string]string{}, strings.NewReader(body), int64(len(body)), nil); err != nil {
		t.Fatal(err)
	}
}

// isolate keeps what the SDK reads of the process's environment from the machine's.
func isolate(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
}

func s3Settings(t *testing.T, server *httptest.Server, more map[string]any) Config {
	t.Helper()
	isolate(t)
	attributes := map[string]any{
		"bucket": "states", "key": "net/prod.tfstate", "region": "eu-central-1", "access_key": "AKIDEXAMPLE", "secret_key": awsSecret,
		"use_path_style": true, "max_retries": 0.0, "skip_metadata_api_check": true,
	}
	if server != nil {
		attributes["endpoints"] = map[string]any{"s3": server.URL, "dynamodb": server.URL + "/dynamodb"}
	}
	for name, v := range more {
		attributes[name] = v
	}
	return settings(t, "s3", attributes)
}

func TestS3ReadsEachWorkspace(t *testing.T) {
	for _, tc := range []struct {
		workspace string
		more      map[string]any
		key       string
	}{
		{"", nil, "net/prod.tfstate"},
		{"default", map[string]any{"workspace_key_prefix": "teams"}, "net/prod.tfstate"},
		{"blue", nil, "env:/blue/net/prod.tfstate"},
		{"blue", map[string]any{"workspace_key_prefix": "teams/a"}, "teams/a/blue/net/prod.tfstate"},
		{"blue", map[string]any{"workspace_key_prefix": ""}, "blue/net/prod.tfstate"},
	} {
		objects, server := bucket(t, nil)
		put(t, objects, tc.key, sample)
		c := s3Settings(t, server, tc.more)
		c.Workspace = tc.workspace
		r := open(t, c)
		fetch(t, r)
		if want := "s3://states/" + tc.key; r.Name() != want {
			t.Errorf("the name is %q, want %q", r.Name(), want)
		}
		put(t, objects, tc.key, sample+"\n")
		if body, _, err := r.Fetch(t.Context(), `"an older one"`); err != nil || string(body) != sample+"\n" {
			t.Errorf("after it moved: %q, %v", body, err)
		}
	}
}

func TestS3SkipsWhatIsKnown(t *testing.T) {
	conditions := 0
	objects, server := bucket(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-None-Match") != "" {
			conditions++
		}
		return false
	})
	put(t, objects, "net/prod.tfstate", sample)
	fetch(t, open(t, s3Settings(t, server, nil)))
	if conditions != 2 {
		t.Errorf("%d requests had a condition, want 2", conditions)
	}
}

func TestS3CustomerKey(t *testing.T) {
	key := "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	seen := 0
	objects, server := bucket(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == "AES256" &&
			r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key") == key &&
			r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key-Md5") == "KYvwGXoFFJ42a2u2GDWhwQ==" {
			seen++
		}
		return false
	})
	put(t, objects, "net/prod.tfstate", sample)
	c := s3Settings(t, server, nil)
	c.Env = func(name string) string { return map[string]string{"AWS_SSE_CUSTOMER_KEY": key}[name] }
	r := open(t, c)
	fetch(t, r)
	if _, err := r.Locked(t.Context()); err != nil || seen != 4 {
		t.Errorf("%d of 4 requests had the customer's key; %v", seen, err)
	}
	_, err := Open(t.Context(), s3Settings(t, server, map[string]any{"sse_customer_key": "dG9vIHNob3J0"}))
	wantSettingsError(t, err, "sse_customer_key")
	wantNoSecret(t, err, "dG9vIHNob3J0")
}

func wantSettingsError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), part) {
		t.Errorf("want an error about %s: %v", part, err)
	}
}

func TestS3LockObject(t *testing.T) {
	objects, server := bucket(t, nil)
	r := open(t, s3Settings(t, server, nil))
	if lock, err := r.Locked(t.Context()); err != nil || lock != (Lock{}) {
		t.Errorf("without a lock: %+v, %v", lock, err)
	}
	put(t, objects, "net/prod.tfstate.tflock", `{"ID":"1","Operation":"OperationTypeApply","Who":"ann@bridge","Created":"2026-11-20T10:00:00Z"}`)
	want := Lock{Held: true, Who: "ann@bridge", Operation: "OperationTypeApply", Since: "2026-11-20T10:00:00Z"}
	if lock, err := r.Locked(t.Context()); err != nil || lock != want {
		t.Errorf("got %+v, %v", lock, err)
	}
	put(t, objects, "net/prod.tfstate.tflock", "garbage")
	if lock, err := r.Locked(t.Context()); err != nil || !lock.Held {
		t.Errorf("a lock that cannot be read is held: %+v, %v", lock, err)
	}
}

// dynamo answers GetItem of a table "locks" and nothing else (DynamoDB API 2012-08-10, JSON 1.0).
func dynamo(t *testing.T, items map[string]map[string]string, status *int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/dynamodb") {
			return false
		}
		if target := r.Header.Get("X-Amz-Target"); r.Method != http.MethodPost || target != "DynamoDB_20120810.GetItem" {
			t.Errorf("unexpected %s %s", r.Method, target)
		}
		var in struct {
			TableName      string
			ConsistentRead bool
			Key            map[string]map[string]string
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &in); err != nil || in.TableName != "locks" || !in.ConsistentRead {
			t.Errorf("unexpected %s: %v", body, err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if *status != 200 {
			w.WriteHeader(*status)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"%s"}`, awsSecret)
			return true
		}
		out := map[string]any{}
		if item := items[in.Key["LockID"]["S"]]; item != nil {
			fields := map[string]any{}
			for name, text := range item {
				fields[name] = map[string]string{"S": text}
			}
			out["Item"] = fields
		}
		_ = json.NewEncoder(w).Encode(out)
		return true
	}
}

func TestS3LockItem(t *testing.T) {
	items, status := map[string]map[string]string{}, 200
	var objects gofakes3.Backend
	answer := dynamo(t, items, &status)
	inner := s3mem.New()
	if err := inner.CreateBucket("states"); err != nil {
		t.Fatal(err)
	}
	objects = inner
	fake := gofakes3.New(objects, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			fake.ServeHTTP(w, r)
		}
	})
	put(t, objects, "env:/blue/net/prod.tfstate", sample)
	c := s3Settings(t, server, map[string]any{"dynamodb_table": "locks"})
	c.Workspace = "blue"
	r := open(t, c)
	fetch(t, r)
	if lock, err := r.Locked(t.Context()); err != nil || lock.Held || lock.Unknown {
		t.Errorf("without a lock: %+v, %v", lock, err)
	}
	items["states/env:/blue/net/prod.tfstate"] = map[string]string{"LockID": "states/env:/blue/net/prod.tfstate", "Info": `{"Who":"ann@bridge"}`}
	if lock, err := r.Locked(t.Context()); err != nil || !lock.Held || lock.Who != "ann@bridge" {
		t.Errorf("with a lock: %+v, %v", lock, err)
	}
	sum := md5.Sum([]byte(sample))
	items["states/env:/blue/net/prod.tfstate-md5"] = map[string]string{"Digest": hex.EncodeToString(sum[:])}
	fetch(t, r)
	put(t, objects, "env:/blue/net/prod.tfstate", sample+" ")
	_, _, err := r.Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindUnavailable, "digest", "locks")
	status = 400
	if _, _, err := r.Fetch(t.Context(), ""); err != nil {
		t.Errorf("the table may not be read, the state may: %v", err)
	}
	_, err = r.Locked(t.Context())
	wantKind(t, err, taffrail.KindDenied, "AccessDenied")
	wantNoSecret(t, err, awsSecret)
}

func TestS3Refusals(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		kind   taffrail.Kind
	}{
		{403, "AccessDenied", taffrail.KindDenied},
		{403, "InvalidAccessKeyId", taffrail.KindDenied},
		{403, "SignatureDoesNotMatch", taffrail.KindDenied},
		{400, "ExpiredToken", taffrail.KindDenied},
		{404, "NoSuchKey", taffrail.KindNotFound},
		{404, "NoSuchBucket", taffrail.KindInvalid},
		{301, "PermanentRedirect", taffrail.KindInvalid},
		{503, "SlowDown", taffrail.KindUnavailable},
		{500, "InternalError", taffrail.KindUnavailable},
		{429, "TooManyRequests", taffrail.KindUnavailable},
		{400, "InvalidRequest", taffrail.KindInvalid},
		{502, "", taffrail.KindUnavailable},
		{404, "", taffrail.KindNotFound},
	} {
		_, server := bucket(t, func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Location", "https://elsewhere.invalid/")
			w.WriteHeader(tc.status)
			if tc.code != "" {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>you said %s</Message></Error>", tc.code, r.Header.Get("Authorization"))
			}
			return true
		})
		c := s3Settings(t, server, nil)
		_, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, tc.kind, "s3://states/net/prod.tfstate")
		wantNoSecret(t, err, awsSecret, "AKIDEXAMPLE", "AWS4-HMAC")
	}
}

func TestS3Faults(t *testing.T) {
	objects, server := bucket(t, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "cut") {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, sample)
			return true
		}
		return false
	})
	put(t, objects, "empty", "")
	put(t, objects, "large", strings.Repeat("x", 3000))
	for key, kind := range map[string]taffrail.Kind{"empty": taffrail.KindNotFound, "large": taffrail.KindInvalid, "cut": taffrail.KindUnavailable} {
		c := s3Settings(t, server, map[string]any{"key": key})
		c.Limit = 2000
		_, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, kind, "s3://states/"+key)
	}
	server.Close()
	_, _, err := open(t, s3Settings(t, server, nil)).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindUnavailable, "connect")
	wantNoSecret(t, err, awsSecret)
}

func TestS3RepeatsWhatMayHelp(t *testing.T) {
	asked := 0
	objects, server := bucket(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	put(t, objects, "net/prod.tfstate", sample)
	fetch(t, open(t, s3Settings(t, server, map[string]any{"max_retries": 1.0})))
}

func TestS3Settings(t *testing.T) {
	for part, more := range map[string]map[string]any{
		"bucket is missing": {"bucket": nil}, "key is missing": {"key": ""}, "region is missing": {"region": nil},
		"secret_key is not": {"secret_key": nil}, "endpoints.s3": {"endpoints": map[string]any{"s3": "http://"}},
		"assume_role.duration":     {"assume_role": []any{map[string]any{"role_arn": "arn:aws:iam::1:role/r", "duration": "soon"}}},
		"assume_role.role_arn":     {"assume_role": map[string]any{"duration": "1h"}},
		"credential_process":       {"shared_config_files": []any{"aws.ini"}},
		"web_identity_token_file ": {"assume_role_with_web_identity": map[string]any{"role_arn": "arn:aws:iam::1:role/r"}},
		"read the settings of AWS": {"profile": "nobody"},
	} {
		c := s3Settings(t, nil, more)
		if err := os.WriteFile(filepath.Join(c.Dir, "aws.ini"), []byte("[default]\ncredential_process = ./evil\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), c)
		wantSettingsError(t, err, strings.TrimSpace(part))
		wantNoSecret(t, err, awsSecret)
	}
	c := s3Settings(t, nil, map[string]any{"access_key": nil, "secret_key": nil})
	_, err := Open(t.Context(), c)
	wantKind(t, err, taffrail.KindDenied, "credentials")
}

// tokens answers as AWS STS does (Query API 2011-06-15).
func tokens(t *testing.T) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || !bytes.Contains(body, []byte("Version=2011-06-15")) {
			t.Errorf("unexpected %s %s", r.Method, body)
		}
		w.Header().Set("Content-Type", "text/xml")
		const given = "<Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
		switch {
		case bytes.Contains(body, []byte("Action=AssumeRoleWithWebIdentity&")) && bytes.Contains(body, []byte("WebIdentityToken=jwt-1")):
			fmt.Fprintf(w, "<R><AssumeRoleWithWebIdentityResult>%s</AssumeRoleWithWebIdentityResult></R>", given)
		case bytes.Contains(body, []byte("Action=AssumeRole&")) && bytes.Contains(body, []byte("ExternalId=x1")):
			fmt.Fprintf(w, "<R><AssumeRoleResult>%s</AssumeRoleResult></R>", given)
		case bytes.Contains(body, []byte("Action=GetCallerIdentity&")):
			_, _ = io.WriteString(w, "<R><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></R>")
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
		}
	})
}

func TestS3Roles(t *testing.T) {
	objects, server := bucket(t, nil)
	put(t, objects, "net/prod.tfstate", sample)
	sts := tokens(t)
	endpoints := map[string]any{"s3": server.URL, "sts": sts.URL}
	for name, tc := range map[string]struct {
		more map[string]any
		kind taffrail.Kind
	}{
		"block":          {map[string]any{"assume_role": map[string]any{"role_arn": "arn:aws:iam::1:role/r", "external_id": "x1", "duration": "1h"}}, ""},
		"attributes":     {map[string]any{"role_arn": "arn:aws:iam::1:role/r", "external_id": "x1"}, ""},
		"refused":        {map[string]any{"role_arn": "arn:aws:iam::1:role/r"}, taffrail.KindDenied},
		"web":            {map[string]any{"assume_role_with_web_identity": map[string]any{"role_arn": "arn:aws:iam::1:role/r", "web_identity_token": "jwt-1"}}, ""},
		"right account":  {map[string]any{"allowed_account_ids": []any{"123456789012"}}, ""},
		"wrong account":  {map[string]any{"allowed_account_ids": []any{"210987654321"}}, taffrail.KindDenied},
		"banned account": {map[string]any{"forbidden_account_ids": []any{"123456789012"}}, taffrail.KindDenied},
	} {
		tc.more["endpoints"] = endpoints
		c := s3Settings(t, server, tc.more)
		if tc.kind != "" {
			_, err := Open(t.Context(), c)
			wantKind(t, err, tc.kind)
			wantNoSecret(t, err, awsSecret, "jwt-1")
			continue
		}
		t.Log(name)
		fetch(t, open(t, c))
	}
}

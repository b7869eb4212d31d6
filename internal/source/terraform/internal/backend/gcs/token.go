package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

const (
	readOnly = "https://www.googleapis.com/auth/devstorage.read_only"
	platform = "https://www.googleapis.com/auth/cloud-platform" // what asking for another account's token needs
)

const hintLogin = "set GOOGLE_APPLICATION_CREDENTIALS or credentials, or log in with `gcloud auth application-default login`"

// findTokens looks for credentials: in the block, in the variables that the tool reads, and where Google's programs keep them.
func findTokens(ctx context.Context, c remote.Config, s *remote.Settings) (oauth2.TokenSource, error) {
	account := s.String("impersonate_service_account", "GOOGLE_BACKEND_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT")
	scope := readOnly
	if account != "" {
		scope = platform
	}
	// Tokens are renewed long after this call: they outlive its context, and have the client's time limits.
	lasting := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, c.HTTPClient(nil))
	tokens, err := ownTokens(lasting, c, s, scope)
	if err != nil || account == "" {
		return tokens, err
	}
	return oauth2.ReuseTokenSource(nil, &borrowed{
		context: lasting, own: tokens, account: account, delegates: s.List("impersonate_service_account_delegates"),
	}), s.Err()
}

func ownTokens(ctx context.Context, c remote.Config, s *remote.Settings, scope string) (oauth2.TokenSource, error) {
	if token := s.String("access_token", "GOOGLE_OAUTH_ACCESS_TOKEN"); token != "" {
		return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}), nil
	}
	data := s.Contents("credentials", "GOOGLE_BACKEND_CREDENTIALS", "GOOGLE_CREDENTIALS")
	if path := c.Env("GOOGLE_APPLICATION_CREDENTIALS"); len(data) == 0 && path != "" {
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, remote.Denied(hintLogin, "GOOGLE_APPLICATION_CREDENTIALS: %w", err)
		}
		data = read
	}
	if len(data) == 0 {
		found, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, remote.Denied(hintLogin, "there are no credentials for Google Cloud")
		}
		return found.TokenSource, nil
	}
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(data, &kind); err != nil || kind.Type == "" {
		return nil, remote.Invalid(hintLogin, `backend "gcs": credentials are neither a file nor JSON with a type`)
	}
	found, err := google.CredentialsFromJSONWithType(ctx, data, kind.Type, scope)
	if err != nil {
		return nil, remote.Invalid(hintLogin, `backend "gcs": credentials of the type %q cannot be used`, string(kind.Type))
	}
	return found.TokenSource, nil
}

// borrowed gives tokens of a service account that our own credentials may act for (IAM Service Account Credentials API v1,
// generateAccessToken).
type borrowed struct {
	context   context.Context
	own       oauth2.TokenSource
	account   string
	delegates []string
}

// Token implements [oauth2.TokenSource].
func (b *borrowed) Token() (*oauth2.Token, error) {
	own, err := b.own.Token()
	if err != nil {
		return nil, err
	}
	delegates := []string{}
	for _, d := range b.delegates {
		delegates = append(delegates, "projects/-/serviceAccounts/"+d)
	}
	body, err := json.Marshal(map[string]any{"scope": []string{readOnly}, "delegates": delegates, "lifetime": "3600s"})
	if err != nil {
		return nil, err
	}
	address := "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + url.PathEscape(b.account) + ":generateAccessToken"
	req, err := http.NewRequestWithContext(b.context, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	own.SetAuthHeader(req)
	resp, err := b.context.Value(oauth2.HTTPClient).(*http.Client).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var given struct {
		AccessToken string    `json:"accessToken"`
		ExpireTime  time.Time `json:"expireTime"`
	}
	if resp.StatusCode != http.StatusOK {
		return nil, remote.Denied("grant roles/iam.serviceAccountTokenCreator on it", "act for %s: Google answers %d", b.account, resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(&given); err != nil || given.AccessToken == "" {
		return nil, remote.Unavailable("try again later", "act for %s: Google's answer holds no token", b.account)
	}
	return &oauth2.Token{AccessToken: given.AccessToken, Expiry: given.ExpireTime}, nil
}

// refused tells why there is no token, without what Google answered to the credentials.
func refused(ctx context.Context, name string, err error) error {
	var told *oauth2.RetrieveError
	if ctx.Err() == nil && errors.As(err, &told) && told.Response != nil {
		code := told.ErrorCode
		if code == "" {
			code = fmt.Sprintf("status %d", told.Response.StatusCode)
		}
		if told.Response.StatusCode >= 500 || told.Response.StatusCode == http.StatusTooManyRequests {
			return remote.Unavailable("try again later", "%s: Google gives no token: %s", name, code)
		}
		return remote.Denied(hintLogin, "%s: Google gives no token: %s", name, code)
	}
	return remote.Unreached(name, err)
}

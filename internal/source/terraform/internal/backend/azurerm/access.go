package azurerm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// clouds are Azure's own: where tokens are given and where blobs are kept.
var clouds = map[string]struct {
	config cloud.Configuration
	blobs  string
}{
	"public":       {cloud.AzurePublic, "blob.core.windows.net"},
	"usgovernment": {cloud.AzureGovernment, "blob.core.usgovcloudapi.net"},
	"china":        {cloud.AzureChina, "blob.core.chinacloudapi.cn"},
}

// access is how Azure is reached, and as whom.
type access struct {
	client               *http.Client
	options              azcore.ClientOptions
	blobs                string
	key, sas             string
	entra                bool // tokens for blobs in place of the account's key
	group, subscription  string
	tenant, id, secret   string
	certificate          []byte
	certificatePassword  string
	oidc, msi            bool
	oidcToken, oidcFile  string
	requestURL, requests string // where and with what a CI system gives tokens
}

func readAccess(s *remote.Settings, client *http.Client) access {
	a := access{
		client: client, key: s.String("access_key", "ARM_ACCESS_KEY"), sas: strings.TrimPrefix(s.String("sas_token", "ARM_SAS_TOKEN"), "?"),
		entra: s.Bool("use_azuread_auth", false, "ARM_USE_AZUREAD"), group: s.String("resource_group_name"), subscription: s.String("subscription_id", "ARM_SUBSCRIPTION_ID"),
		tenant: s.String("tenant_id", "ARM_TENANT_ID"), id: s.String("client_id", "ARM_CLIENT_ID"), secret: s.String("client_secret", "ARM_CLIENT_SECRET"),
		certificate: s.File("client_certificate_path", "ARM_CLIENT_CERTIFICATE_PATH"), certificatePassword: s.String("client_certificate_password", "ARM_CLIENT_CERTIFICATE_PASSWORD"),
		oidc: s.Bool("use_oidc", false, "ARM_USE_OIDC"), msi: s.Bool("use_msi", false, "ARM_USE_MSI"),
		oidcToken: s.String("oidc_token", "ARM_OIDC_TOKEN"), oidcFile: s.Path(s.String("oidc_token_file_path", "ARM_OIDC_TOKEN_FILE_PATH")),
		requestURL: s.String("oidc_request_url", "ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL"),
		requests:   s.String("oidc_request_token", "ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
	}
	name := s.String("environment", "ARM_ENVIRONMENT")
	if name == "" {
		name = "public"
	}
	place, known := clouds[name]
	if !known {
		s.Fail("use public, usgovernment or china", "the environment is not known")
	}
	if host := s.String("metadata_host", "ARM_METADATA_HOST"); host != "" && host != "management.azure.com" {
		s.Fail("pull the state with the tool", "clouds of one's own, by metadata_host, are not read")
	}
	a.blobs = place.blobs
	a.options = azcore.ClientOptions{Cloud: place.config, Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}
	return a
}

// connect makes the client of the blob: with the account's key, a signature, a token, or the key that a token may look up.
func (a access) connect(ctx context.Context, r *Reader) (*blob.Client, error) {
	at := (&url.URL{Scheme: "https", Host: r.account + "." + a.blobs, Path: "/" + r.container + "/" + r.key}).String()
	options := &blob.ClientOptions{ClientOptions: a.options}
	if a.key == "" && a.sas != "" {
		return blob.NewClientWithNoCredential(at+"?"+a.sas, options)
	}
	key := a.key
	if key == "" {
		tokens, err := a.credential()
		if err != nil {
			return nil, remote.Invalid("check client_id, tenant_id and what goes with them", `backend "azurerm": the credentials are incomplete`)
		}
		if a.entra || a.group == "" {
			return blob.NewClient(at, tokens, options)
		}
		if key, err = a.lookUp(ctx, r, tokens); err != nil {
			return nil, err
		}
	}
	shared, err := blob.NewSharedKeyCredential(r.account, key)
	if err != nil {
		return nil, remote.Invalid("", `backend "azurerm": access_key is not base64`)
	}
	return blob.NewClientWithSharedKeyCredential(at, shared, options)
}

// credential picks what the settings have, in the order of the tool.
func (a access) credential() (azcore.TokenCredential, error) {
	switch {
	case len(a.certificate) > 0:
		certificates, key, err := azidentity.ParseCertificates(a.certificate, []byte(a.certificatePassword))
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientCertificateCredential(a.tenant, a.id, certificates, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: a.options})
	case a.secret != "":
		return azidentity.NewClientSecretCredential(a.tenant, a.id, a.secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: a.options})
	case a.oidc:
		return azidentity.NewClientAssertionCredential(a.tenant, a.id, a.assertion, &azidentity.ClientAssertionCredentialOptions{ClientOptions: a.options})
	case a.msi:
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: a.options}
		if a.id != "" {
			options.ID = azidentity.ClientID(a.id)
		}
		return azidentity.NewManagedIdentityCredential(options)
	}
	return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: a.tenant, Subscription: a.subscription})
}

// assertion gives the token of an identity provider that Azure trusts: as it is, from a file, or from the CI system.
func (a access) assertion(ctx context.Context) (string, error) {
	if a.oidcToken != "" {
		return a.oidcToken, nil
	}
	if a.oidcFile != "" {
		data, err := os.ReadFile(a.oidcFile)
		return strings.TrimSpace(string(data)), err
	}
	at, err := url.Parse(a.requestURL)
	if err != nil {
		return "", fmt.Errorf("oidc_request_url is no URL")
	}
	query := at.Query()
	if !query.Has("audience") {
		query.Set("audience", "api://AzureADTokenExchange")
	}
	at.RawQuery = query.Encode()
	var given struct {
		Value string `json:"value"`
	}
	err = a.call(ctx, http.MethodGet, at.String(), a.requests, &given)
	return given.Value, err
}

// lookUp asks Azure's resource manager for the account's key. It is a POST, since it answers with a secret; it changes nothing.
func (a access) lookUp(ctx context.Context, r *Reader, tokens azcore.TokenCredential) (string, error) {
	manager := a.options.Cloud.Services[cloud.ResourceManager]
	token, err := tokens.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{manager.Audience + "/.default"}})
	if err != nil {
		return "", r.refused(ctx, err)
	}
	at := fmt.Sprintf("%s/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s/listKeys?api-version=2023-01-01",
		manager.Endpoint, url.PathEscape(a.subscription), url.PathEscape(a.group), url.PathEscape(r.account))
	var answer struct {
		Keys []struct {
			Value string `json:"value"`
		} `json:"keys"`
	}
	if err := a.call(ctx, http.MethodPost, at, token.Token, &answer); err != nil {
		return "", remote.Denied("allow listKeys on the storage account, or set use_azuread_auth", "%s: look up the account's key: %w", r.Name(), err)
	}
	if len(answer.Keys) == 0 {
		return "", remote.Denied("set use_azuread_auth, or allow keys on the account", "%s: the account has no key", r.Name())
	}
	return answer.Keys[0].Value, nil
}

// call makes one request that is answered with JSON.
func (a access) call(ctx context.Context, method, at, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return fmt.Errorf("the address is no URL")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.client.Do(req)
	if err != nil {
		return remote.Unreached("Azure", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

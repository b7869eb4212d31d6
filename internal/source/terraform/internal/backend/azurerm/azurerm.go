// Package azurerm reads states from blobs of an Azure storage account.
//
// The state of the default workspace is the blob `key`, that of another one the blob "keyenv:workspace". Whoever locks it has a lease
// on the blob, and what the tool writes down about it stands in the blob's metadata "terraformlockid", in base64.
package azurerm

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config                  remote.Config
	http                    *http.Client
	blob                    *blob.Client
	account, container, key string
	written                 time.Time
}

// Open takes the settings of the backend "azurerm". Where the account's key is to be looked up, it is.
func Open(ctx context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{
		config: c, http: c.HTTPClient(nil), account: s.Required("storage_account_name"), container: s.Required("container_name"), key: s.Required("key"),
	}
	if c.Workspace != remote.DefaultWorkspace {
		r.key += "env:" + c.Workspace
	}
	if s.Err() == nil && strings.Trim(r.account, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		s.Fail("", "storage_account_name is no name of an account")
	}
	a := readAccess(s, r.http)
	if err := s.Err(); err != nil {
		return nil, err
	}
	var err error
	if r.blob, err = a.connect(ctx, r); err != nil {
		return nil, err
	}
	return r, nil
}

// Name is "azurerm://account/container/blob".
func (r *Reader) Name() string { return "azurerm://" + r.account + "/" + r.container + "/" + r.key }

// Fetch gives the blob unless its ETag is the known one.
func (r *Reader) Fetch(ctx context.Context, known string) (body []byte, version string, err error) {
	err = r.repeat(ctx, func() error {
		body, version, err = r.fetch(ctx, known)
		return err
	})
	return body, version, err
}

func (r *Reader) fetch(ctx context.Context, known string) ([]byte, string, error) {
	options := &blob.DownloadStreamOptions{}
	if known != "" {
		options.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETag(known))}}
	}
	var answer *http.Response // the SDK takes 304 for a success in some versions, and for an error in others
	got, err := r.blob.DownloadStream(policy.WithCaptureResponse(ctx, &answer), options)
	if err == nil {
		defer got.Body.Close()
	}
	if known != "" && answer != nil && answer.StatusCode == http.StatusNotModified {
		return nil, known, nil
	}
	if err != nil {
		return nil, "", r.refused(ctx, err)
	}
	body, err := r.config.ReadAll(r.Name(), got.Body)
	if err != nil {
		return nil, "", err
	}
	if len(body) == 0 { // the tool makes an empty blob to have something to lock
		return nil, "", remote.NotFound(r.Name())
	}
	if got.LastModified != nil {
		r.written = *got.LastModified
	}
	version := remote.Digest(body)
	if got.ETag != nil {
		version = string(*got.ETag)
	}
	if version == known {
		return nil, known, nil
	}
	return body, version, nil
}

// Written is when the state that was fetched last was written, by the word of the store; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

// Locked looks whether there is a lease on the blob.
func (r *Reader) Locked(ctx context.Context) (lock remote.Lock, err error) {
	err = r.repeat(ctx, func() error {
		lock, err = r.locked(ctx)
		return err
	})
	return lock, err
}

func (r *Reader) locked(ctx context.Context) (remote.Lock, error) {
	got, err := r.blob.GetProperties(ctx, nil)
	if err != nil {
		if err = r.refused(ctx, err); taffrail.KindOf(err) == taffrail.KindNotFound {
			return remote.Lock{}, nil
		}
		return remote.Lock{}, err
	}
	if got.LeaseStatus == nil || *got.LeaseStatus != lease.StatusTypeLocked {
		return remote.Lock{}, nil
	}
	for name, value := range got.Metadata {
		if strings.EqualFold(name, "terraformlockid") && value != nil {
			info, _ := base64.StdEncoding.DecodeString(*value) // what cannot be read leaves a lock of which nothing is known
			return remote.HeldBy(info), nil
		}
	}
	return remote.Lock{Held: true}, nil
}

// repeat asks again where that may help.
func (r *Reader) repeat(ctx context.Context, ask func() error) error {
	for attempt := 0; ; attempt++ {
		err := ask()
		if attempt == 2 || ctx.Err() != nil || taffrail.KindOf(err) != taffrail.KindUnavailable {
			return err
		}
		if err := r.config.Pause(ctx, time.Second<<attempt); err != nil {
			return remote.Unreached(r.Name(), err)
		}
	}
}

// refused tells why a request failed, by Azure's code. The SDK's own text quotes the address, which may hold a signature.
func (r *Reader) refused(ctx context.Context, err error) error {
	var told *azcore.ResponseError
	var login *azidentity.AuthenticationFailedError
	switch {
	case ctx.Err() != nil:
		return remote.Unreached(r.Name(), ctx.Err())
	case errors.As(err, &login):
		return remote.Denied("check tenant, client and secret, or log in with `az login`", "%s: Azure gives no token for these credentials", r.Name())
	case errors.As(err, &told):
		return r.byCode(told)
	}
	var nonRetriable interface{ NonRetriable() }
	if errors.As(err, &nonRetriable) {
		return remote.Denied("set access_key, sas_token or a client, or log in with `az login`", "%s: there are no credentials for Azure", r.Name())
	}
	return remote.Unreached(r.Name(), err)
}

func (r *Reader) byCode(told *azcore.ResponseError) error {
	switch told.ErrorCode {
	case "ContainerNotFound":
		return remote.Invalid("check container_name", "%s: there is no such container", r.Name())
	case "AuthenticationFailed", "InvalidAuthenticationInfo":
		return remote.Denied("check the access key or the SAS token, and whether it has expired", "%s: %s", r.Name(), told.ErrorCode)
	case "AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthorizationResourceTypeMismatch", "PublicAccessNotPermitted":
		return remote.Denied("grant Storage Blob Data Reader on the container, and check its network rules", "%s: %s", r.Name(), told.ErrorCode)
	}
	return remote.StatusError(r.Name(), told.StatusCode)
}

// Close lets go of connections.
func (r *Reader) Close() error {
	r.http.CloseIdleConnections()
	return nil
}

// Package kubernetes reads states from secrets of a Kubernetes cluster, by plain requests with the credentials of client-go.
//
// The state of a workspace is the secret "tfstate-workspace-secret_suffix", whose key "tfstate" holds it in gzip's format. Newer
// versions of Terraform cut a state that is too large for a secret: the rest stands in secrets of the same name
// with "-part-1", "-part-2" and so on behind it. The lock is the lease "lock-tfstate-workspace-secret_suffix" while it has a holder.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config          remote.Config
	client          *remote.Client
	base            *url.URL // of the API server
	namespace, name string
}

// names are those that Kubernetes allows for secrets (RFC 1123, section 2.1).
var names = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// Open takes the settings of the backend "kubernetes" and reads the kubeconfig. It makes no request.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, namespace: s.String("namespace", "KUBE_NAMESPACE")}
	if r.namespace == "" {
		r.namespace = "default"
	}
	r.name = "tfstate-" + c.Workspace + "-" + s.Required("secret_suffix")
	if s.Err() == nil && (!names.MatchString(r.name) || len(r.name) > 253 || !names.MatchString(r.namespace)) {
		s.Fail("use lower case letters, digits and dashes", "%s in %s is no name of a secret", addr.Clip(r.name), addr.Clip(r.namespace))
	}
	client, base, err := connect(s, c)
	if err != nil {
		return nil, err
	}
	r.base = base
	c.HTTP = client
	r.client = c.Client(r.Name(), nil)
	return r, nil
}

// Name is "kubernetes://host/namespace/secret".
func (r *Reader) Name() string {
	return "kubernetes://" + r.base.Host + "/" + r.namespace + "/" + r.name
}

// get reads an object of the namespace into a structure, and says whether there is one.
func (r *Reader) get(ctx context.Context, api, kind, name string, into any) (bool, error) {
	at := r.base.JoinPath(api, "namespaces", r.namespace, kind, name)
	answer, err := r.client.Get(ctx, at.String(), http.Header{"Accept": {"application/json"}})
	switch {
	case err != nil:
		return false, err
	case answer.Status == http.StatusNotFound:
		return false, nil
	case answer.Status == http.StatusForbidden:
		return false, remote.Denied(fmt.Sprintf("allow the verb get for %s in the namespace %s", kind, r.namespace), "%s: the API server refuses to show %s %s", r.Name(), kind, name)
	case answer.Status != http.StatusOK:
		return false, remote.StatusError(r.Name(), answer.Status)
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return false, remote.Invalid("check the address of the API server", "%s: the answer is none of Kubernetes'", r.Name())
	}
	return true, nil
}

// A secret is what we read of one (Kubernetes API v1, Secret).
type secret struct {
	Metadata struct {
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data struct {
		State []byte `json:"tfstate"`
	} `json:"data"`
}

func (r *Reader) secret(ctx context.Context, name string) (*secret, error) {
	var s secret
	found, err := r.get(ctx, "api/v1", "secrets", name, &s)
	if err != nil || !found {
		return nil, err
	}
	return &s, nil
}

// Fetch gives the state unless its first secret has not changed since the known version. That one changes with every write: the
// state's serial stands at its beginning.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	first, err := r.secret(ctx, r.name)
	if err != nil {
		return nil, "", err
	}
	if first == nil || len(first.Data.State) == 0 {
		return nil, "", remote.NotFound(r.Name())
	}
	version := first.Metadata.UID + "/" + first.Metadata.ResourceVersion
	if version == known {
		return nil, known, nil
	}
	body, err := r.config.Gunzip(r.Name(), first.Data.State)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		body, err = r.join(ctx, first.Data.State, err)
	}
	if err != nil {
		return nil, "", err
	}
	return body, version, nil
}

// join reads the secrets after the first. They are written one after the other, so that what does not fit together may do
// so a moment later.
func (r *Reader) join(ctx context.Context, packed []byte, cut error) ([]byte, error) {
	for i := 1; ; i++ {
		part, err := r.secret(ctx, fmt.Sprintf("%s-part-%d", r.name, i))
		if err != nil {
			return nil, err
		}
		if part == nil && i == 1 {
			return nil, cut
		}
		if part == nil {
			break
		}
		if packed = append(packed, part.Data.State...); int64(len(packed)) > r.config.Limit {
			return nil, remote.TooLarge(r.Name(), r.config.Limit)
		}
	}
	body, err := r.config.Gunzip(r.Name(), packed)
	if err != nil {
		return nil, remote.Unavailable("try again: it may be being written", "%w", err)
	}
	return body, nil
}

// Locked looks whether the lease has a holder.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	var lease struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Spec struct {
			Holder *string `json:"holderIdentity"`
		} `json:"spec"`
	}
	found, err := r.get(ctx, "apis/coordination.k8s.io/v1", "leases", "lock-"+r.name, &lease)
	if err != nil || !found || lease.Spec.Holder == nil {
		return remote.Lock{}, err
	}
	return remote.HeldBy([]byte(lease.Metadata.Annotations["app.terraform.io/lock-info"])), nil
}

// Close lets go of connections.
func (r *Reader) Close() error { return r.client.Close() }

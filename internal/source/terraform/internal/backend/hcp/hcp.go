// Package hcp reads states from HCP Terraform, Terraform Enterprise and what speaks their API, for the block "cloud" and the backend
// "remote".
//
// The API is found by service discovery on the host, the workspace by its name, its newest state version by the workspace, and the
// state by the address that the version gives. That address is often on another host and signed: the token goes there only
// if it is refused without, and only to a sibling of the API's host.
package hcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config                        remote.Config
	client                        *remote.Client
	host, organization, workspace string
	token                         string
	api                           *url.URL // nil until it was discovered
	written                       time.Time
}

// Open takes the settings of a block "cloud" or a backend "remote" and looks for the host's token. It makes no request.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, host: strings.ToLower(s.String("hostname", "TF_CLOUD_HOSTNAME")), organization: s.Required("organization", "TF_CLOUD_ORGANIZATION")}
	if r.host == "" {
		r.host = "app.terraform.io"
	}
	r.workspace = workspace(s, c)
	if u, err := url.Parse("https://" + r.host + "/"); err != nil || u.Host != r.host {
		s.Fail("", "hostname is no name of a host")
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	r.token = s.String("token")
	if r.token == "" {
		r.token = findToken(c, r.host)
	}
	if r.token == "" {
		return nil, remote.Denied(fmt.Sprintf("run `terraform login %s`, or set %s", r.host, variable(r.host)), "%s: there is no token for %s", r.Name(), r.host)
	}
	r.client = c.Client(r.Name(), nil)
	return r, nil
}

// workspace works out the name that the workspace has on the host.
func workspace(s *remote.Settings, c remote.Config) string {
	name, prefix := s.String("workspaces.name"), s.String("workspaces.prefix")
	chosen := c.Workspace != remote.DefaultWorkspace
	switch {
	case name != "" && chosen && c.Workspace != name:
		s.Fail("read the workspace that the block names", "it names the workspace %s, and %s was asked for", addr.Clip(name), addr.Clip(c.Workspace))
	case name != "":
		return name
	case chosen:
		return prefix + c.Workspace
	default:
		s.Fail("choose one with TF_WORKSPACE or `workspace select`", "it has many workspaces, and none is chosen")
	}
	return ""
}

// Name is "hcp://host/organization/workspace".
func (r *Reader) Name() string { return "hcp://" + r.host + "/" + r.organization + "/" + r.workspace }

func (r *Reader) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + r.token}, "Accept": {"application/vnd.api+json"}}
}

// discover finds the API (Terraform's remote service discovery protocol; the service is "tfe.v2", and "state.v2" in its
// first form).
func (r *Reader) discover(ctx context.Context) error {
	if r.api != nil {
		return nil
	}
	at := &url.URL{Scheme: "https", Host: r.host, Path: "/.well-known/terraform.json"}
	answer, err := r.client.Get(ctx, at.String(), http.Header{"Accept": {"application/json"}})
	if err != nil {
		return err
	}
	unfit := remote.Invalid("check hostname", "%s: %s offers no API for states", r.Name(), r.host)
	var services map[string]any
	if answer.Status == http.StatusNotFound {
		return unfit
	}
	if answer.Status != http.StatusOK {
		return remote.StatusError(r.Name(), answer.Status)
	}
	if json.Unmarshal(answer.Body, &services) != nil {
		return unfit
	}
	path, _ := services["tfe.v2"].(string)
	if path == "" {
		path, _ = services["state.v2"].(string)
	}
	ref, err := url.Parse(path)
	if err != nil || path == "" {
		return unfit
	}
	api := at.ResolveReference(ref)
	if api.Scheme != "https" {
		return remote.Invalid("check hostname", "%s: the API is not offered over https", r.Name())
	}
	if !sibling(api.Host, r.host) {
		return remote.Invalid("check hostname", "%s: %s refers to another host, which the token is not for", r.Name(), r.host)
	}
	r.api = api
	return nil
}

// sibling says whether two hosts are the same, or stand in the same registered domain, such as app.terraform.io and
// archivist.terraform.io.
func sibling(a, b string) bool {
	if a == b {
		return true
	}
	domainA, errA := publicsuffix.EffectiveTLDPlusOne((&url.URL{Host: a}).Hostname())
	domainB, errB := publicsuffix.EffectiveTLDPlusOne((&url.URL{Host: b}).Hostname())
	return errA == nil && errB == nil && domainA == domainB
}

// get reads an object of the API (JSON:API); false where there is none.
func (r *Reader) get(ctx context.Context, into any, query string, path ...string) (bool, error) {
	if err := r.discover(ctx); err != nil {
		return false, err
	}
	at := r.api.JoinPath(path...)
	at.RawQuery = query
	answer, err := r.client.Get(ctx, at.String(), r.header())
	switch {
	case err != nil:
		return false, err
	case answer.Status == http.StatusNotFound:
		return false, nil
	case answer.Status != http.StatusOK:
		return false, remote.StatusError(r.Name(), answer.Status)
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return false, remote.Invalid("check hostname", "%s: the answer is none of the API's", r.Name())
	}
	return true, nil
}

// A space is what we read of a workspace (API v2, Show workspace).
type space struct {
	Data struct {
		ID         string `json:"id"`
		Attributes struct {
			Locked bool `json:"locked"`
		} `json:"attributes"`
	} `json:"data"`
	Included []struct {
		Type       string `json:"type"`
		ID         string `json:"id"`
		Attributes struct {
			Username string `json:"username"`
			Name     string `json:"name"`
		} `json:"attributes"`
	} `json:"included"`
}

func (r *Reader) space(ctx context.Context, query string) (*space, error) {
	var s space
	found, err := r.get(ctx, &s, query, "organizations", r.organization, "workspaces", r.workspace)
	if err != nil {
		return nil, err
	}
	if !found || s.Data.ID == "" {
		return nil, &taffrail.Error{
			Op: "read state", Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: there is no such workspace, or the token may not see it", r.Name()),
			Hint: "check organization and workspace, and that the token may read its state",
		}
	}
	return &s, nil
}

// Fetch gives the newest state version unless it is the known one.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	s, err := r.space(ctx, "")
	if err != nil {
		return nil, "", err
	}
	var newest struct {
		Data struct {
			ID         string `json:"id"`
			Attributes struct {
				Download string `json:"hosted-state-download-url"`
				Created  string `json:"created-at"`
			} `json:"attributes"`
		} `json:"data"`
	}
	found, err := r.get(ctx, &newest, "", "workspaces", s.Data.ID, "current-state-version")
	switch version := newest.Data.ID; {
	case err != nil:
		return nil, "", err
	case !found || version == "":
		return nil, "", remote.NotFound(r.Name())
	case version == known:
		return nil, known, nil
	case newest.Data.Attributes.Download == "":
		return nil, "", remote.Unavailable("try again in a moment", "%s: the state version %s is still being uploaded", r.Name(), addr.Clip(version))
	}
	body, err := r.download(ctx, newest.Data.Attributes.Download)
	if err != nil {
		return nil, "", err
	}
	r.written, _ = time.Parse(time.RFC3339, newest.Data.Attributes.Created) // zero where it makes no sense
	return body, newest.Data.ID, nil
}

// Written is when the state that was fetched last was written, by the word of the host; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

// download reads the state itself. The address is a secret: whoever has it has the state.
func (r *Reader) download(ctx context.Context, address string) ([]byte, error) {
	ref, err := url.Parse(address)
	if err != nil {
		return nil, remote.Invalid("check hostname", "%s: the address of the state is no URL", r.Name())
	}
	at := r.api.ResolveReference(ref)
	if at.Scheme != "https" {
		return nil, remote.Invalid("let the server offer it over https", "%s: the state is not offered over https", r.Name())
	}
	header := http.Header{}
	if at.Host == r.api.Host {
		header = r.header()
		header.Set("Accept", "application/json")
	}
	answer, err := r.client.Get(ctx, at.String(), header)
	if err == nil && at.Host != r.api.Host && refused(answer.Status) && sibling(at.Host, r.api.Host) {
		answer, err = r.client.Get(ctx, at.String(), http.Header{"Authorization": {"Bearer " + r.token}})
	}
	switch {
	case err != nil:
		return nil, err
	case answer.Status != http.StatusOK:
		return nil, remote.StatusError(r.Name(), answer.Status)
	case len(answer.Body) == 0:
		return nil, remote.NotFound(r.Name())
	}
	return answer.Body, nil
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// Locked asks whether the workspace is locked, and by whom.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	s, err := r.space(ctx, "include=locked_by")
	if err != nil || !s.Data.Attributes.Locked {
		return remote.Lock{}, err
	}
	lock := remote.Lock{Held: true}
	if len(s.Included) > 0 {
		by := s.Included[0]
		name := by.ID
		for _, better := range []string{by.Attributes.Name, by.Attributes.Username} {
			if better != "" {
				name = better
			}
		}
		lock.Who = addr.Clip(strings.TrimSuffix(by.Type, "s") + " " + name)
	}
	return lock, nil
}

// Close lets go of connections.
func (r *Reader) Close() error { return r.client.Close() }

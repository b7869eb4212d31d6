package kubernetes

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// connect finds the API server and the credentials: the files that the settings name, and over them the settings themselves. As
// with the tool, the user's own kubeconfig is only used where KUBE_CONFIG_PATH names it.
func connect(s *remote.Settings, c remote.Config) (*http.Client, *url.URL, error) {
	config, err := initial(s, c)
	if err != nil {
		return nil, nil, err
	}
	overlay(s, config)
	if config.Host == "" {
		s.Fail("set config_path or host, or KUBE_CONFIG_PATH or KUBE_HOST", "no API server is named")
	}
	if err := s.Err(); err != nil {
		return nil, nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, nil, remote.Invalid("", `backend "kubernetes": host is no address`)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, remote.Invalid("check certificates and keys", `backend "kubernetes": the credentials cannot be used: %w`, err)
	}
	client.Transport = only{host: base.Host, inner: client.Transport}
	return client, base, nil
}

// only refuses other hosts: the transport inside adds credentials to every request, a redirected one included.
type only struct {
	host  string
	inner http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (o only) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != o.host {
		return nil, remote.Invalid("check the address of the API server", "the API server redirects to another host")
	}
	return o.inner.RoundTrip(req)
}

func initial(s *remote.Settings, c remote.Config) (*rest.Config, error) {
	if s.Bool("in_cluster_config", false, "KUBE_IN_CLUSTER_CONFIG") {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, remote.Invalid("unset in_cluster_config outside a cluster", `backend "kubernetes": %w`, err)
		}
		return config, nil
	}
	paths, own := configPaths(s, c)
	overrides := contextOverrides(s, c)
	if len(paths) == 0 && overrides.AuthInfo.Exec == nil || !s.Bool("load_config_file", true, "KUBE_LOAD_CONFIG_FILE") {
		return &rest.Config{Timeout: time.Minute}, s.Err()
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: paths}
	if len(paths) == 1 {
		rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: paths[0]}
	}
	if host := s.String("host", "KUBE_HOST"); host != "" {
		overrides.ClusterInfo.Server = host
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, remote.Invalid("check config_path and config_context, or KUBE_CONFIG_PATH and KUBE_CTX", `backend "kubernetes": read the kubeconfig: %w`, err)
	}
	if config.ExecProvider != nil && own && !c.AllowExec {
		s.Fail("allow it, or keep the kubeconfig outside the stack's folder", "the stack's own settings would run %s for credentials", config.ExecProvider.Command)
	}
	config.Timeout = time.Minute
	return config, s.Err()
}

// configPaths gives the files of settings, and whether any of them, or a program to run, is the stack's own.
func configPaths(s *remote.Settings, c remote.Config) (paths []string, own bool) {
	if path := s.String("config_path", "KUBE_CONFIG_PATH"); path != "" {
		paths = []string{path}
	} else if paths = s.List("config_paths"); len(paths) == 0 {
		paths = filepath.SplitList(c.Env("KUBE_CONFIG_PATHS"))
	}
	own = s.Has("exec")
	for i := range paths {
		paths[i] = c.Path(paths[i])
		own = own || c.Within(paths[i])
	}
	return paths, own
}

func contextOverrides(s *remote.Settings, _ remote.Config) *clientcmd.ConfigOverrides {
	o := &clientcmd.ConfigOverrides{CurrentContext: s.String("config_context", "KUBE_CTX")}
	o.Context.AuthInfo = s.String("config_context_auth_info", "KUBE_CTX_AUTH_INFO")
	o.Context.Cluster = s.String("config_context_cluster", "KUBE_CTX_CLUSTER")
	if s.Has("exec") {
		run := &api.ExecConfig{
			APIVersion: s.Required("exec.api_version"), Command: s.Required("exec.command"), Args: s.List("exec.args"),
			InteractiveMode: api.NeverExecInteractiveMode,
		}
		for name, value := range s.Map("exec.env") {
			run.Env = append(run.Env, api.ExecEnvVar{Name: name, Value: value})
		}
		o.AuthInfo.Exec = run
	}
	return o
}

// overlay puts what the settings say over what was found.
func overlay(s *remote.Settings, config *rest.Config) {
	set := func(field *string, name, env string) {
		if v := s.String(name, env); v != "" {
			*field = v
		}
	}
	set(&config.Host, "host", "KUBE_HOST")
	set(&config.Username, "username", "KUBE_USER")
	set(&config.Password, "password", "KUBE_PASSWORD")
	if token := s.String("token", "KUBE_TOKEN"); token != "" {
		config.BearerToken, config.BearerTokenFile = token, ""
	}
	tls := &config.TLSClientConfig
	tls.Insecure = s.Bool("insecure", tls.Insecure, "KUBE_INSECURE")
	pem := func(data *[]byte, file *string, name, env string) {
		if v := s.String(name, env); v != "" {
			*data, *file = []byte(v), ""
		}
	}
	pem(&tls.CAData, &tls.CAFile, "cluster_ca_certificate", "KUBE_CLUSTER_CA_CERT_DATA")
	pem(&tls.CertData, &tls.CertFile, "client_certificate", "KUBE_CLIENT_CERT_DATA")
	pem(&tls.KeyData, &tls.KeyFile, "client_key", "KUBE_CLIENT_KEY_DATA")
	if tls.Insecure {
		tls.CAData, tls.CAFile = nil, ""
	}
	config.Host = strings.TrimSpace(config.Host)
}

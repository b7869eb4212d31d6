package backend

import (
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// IsURL says whether a target is written as a URL.
func IsURL(target string) bool {
	scheme, _, found := strings.Cut(target, "://")
	return found && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") == ""
}

// A scheme is one way to name a state by a URL.
type scheme struct {
	form  string            // for people
	kind  string            // type of the backend
	query map[string]string // attribute of each parameter; "workspace" is of all that have workspaces
	login bool              // whether a user and a password may stand before the host
	parse func(*url.URL, *Config) bool
}

// schemes is the one list of ways.
var schemes = map[string]scheme{
	"https":      {form: "https://HOST/PATH, or https://HOST/app/ORGANIZATION/workspaces/NAME", kind: "http", login: true, parse: parseHTTP},
	"http":       {form: "http://HOST/PATH", kind: "http", login: true, parse: parseHTTP},
	"hcp":        {form: "hcp://HOST/ORGANIZATION/WORKSPACE", kind: "cloud", parse: parseHCP},
	"s3":         {form: "s3://BUCKET/KEY?region=REGION&endpoint=URL", kind: "s3", parse: parseS3, query: same("region", "endpoint", "profile", "use_path_style", "dynamodb_table", "dynamodb_endpoint")},
	"gs":         {form: "gs://BUCKET/PREFIX/WORKSPACE.tfstate", kind: "gcs", parse: parseGCS},
	"azblob":     {form: "azblob://ACCOUNT/CONTAINER/KEY", kind: "azurerm", parse: parseAzure, query: azureQuery},
	"azurerm":    {form: "azurerm://ACCOUNT/CONTAINER/KEY", kind: "azurerm", parse: parseAzure, query: azureQuery},
	"pg":         {form: "pg://USER@HOST/DATABASE?schema=SCHEMA&workspace=NAME", kind: "pg", login: true, parse: parsePG},
	"postgres":   {form: "postgres://USER@HOST/DATABASE?schema=SCHEMA&workspace=NAME", kind: "pg", login: true, parse: parsePG},
	"postgresql": {form: "postgresql://USER@HOST/DATABASE?schema=SCHEMA&workspace=NAME", kind: "pg", login: true, parse: parsePG},
	"consul":     {form: "consul://HOST:PORT/PATH?workspace=NAME", kind: "consul", parse: parseConsul, query: same("workspace", "datacenter", "scheme")},
	"kubernetes": {form: "kubernetes://NAMESPACE/SECRET_SUFFIX?workspace=NAME", kind: "kubernetes", parse: parseKubernetes, query: same("workspace", "config_path", "config_context")},
}

var azureQuery = same("resource_group_name", "subscription_id", "tenant_id", "use_azuread_auth", "environment")

func same(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = n
	}
	return m
}

// Forms lists the URLs that are understood, in order.
func Forms() []string {
	var forms []string
	for _, s := range schemes {
		forms = append(forms, s.form)
	}
	slices.Sort(forms)
	return forms
}

// ParseURL reads the URL of one state into the settings of its backend: type, attributes, workspace, and env as it is to be seen.
// Credentials come from where the tool takes them, and from the URL only where such URLs hold them; no error repeats them. The name
// is the URL without what may be secret, for people.
func ParseURL(text string, env func(string) string) (c Config, name string, err error) {
	u, s, err := split(text)
	if err != nil {
		return Config{}, "", err
	}
	c = Config{Type: s.kind, Attributes: map[string]any{}, Workspace: remote.DefaultWorkspace, Env: env}
	if s.kind != "http" && s.kind != "pg" {
		if err := s.settings(u, &c); err != nil {
			return Config{}, "", err
		}
	}
	if !s.parse(u, &c) {
		return Config{}, "", invalidURL(s.form, "%s does not name a state", shown(u))
	}
	return guard(c), shown(u), nil
}

// shown is a URL without user, password and what stands behind ?, but for the words that tell states of one place apart.
func shown(u *url.URL) string {
	name := strings.ToLower(u.Scheme) + "://" + u.Host + addr.Clip(u.Path)
	values, _ := url.ParseQuery(u.RawQuery) // what cannot be read is not shown
	separator := "?"
	for _, word := range []string{"schema", "workspace"} {
		if v := values.Get(word); v != "" && u.Scheme != "http" && u.Scheme != "https" {
			name += separator + word + "=" + addr.Clip(v)
			separator = "&"
		}
	}
	return name
}

// split takes a URL apart, as far as that is the same for all.
func split(text string) (*url.URL, scheme, error) {
	u, err := url.Parse(text)
	if err != nil { // its text quotes the URL
		return nil, scheme{}, invalidURL("", "the URL cannot be read")
	}
	name := strings.ToLower(u.Scheme)
	s, known := schemes[name]
	switch {
	case !known:
		return nil, s, remote.Invalid("known are: "+strings.Join(Forms(), "; "), "%s:// is no place for a state that is known", addr.Clip(name))
	case u.Host == "":
		return nil, s, invalidURL(s.form, "%s:// names no host", name)
	case u.User != nil && !s.login:
		return nil, s, invalidURL(s.form, "%s holds credentials: set them in the environment, as for the tool", shown(u))
	case u.Fragment != "":
		return nil, s, invalidURL(s.form, "%s has a part behind #", shown(u))
	}
	return u, s, nil
}

func invalidURL(form, format string, args ...any) error {
	if form != "" {
		form = "write it as " + form
	}
	return remote.Invalid(form, format, args...)
}

// settings takes the parameters of a URL as attributes.
func (s scheme) settings(u *url.URL, c *Config) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return invalidURL(s.form, "%s: what stands behind ? cannot be read", shown(u))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		attribute, known := s.query[name]
		if !known {
			return remote.Invalid("known are: "+strings.Join(slices.Sorted(maps.Keys(s.query)), ", "), "%s: the parameter %s is not known", shown(u), addr.Clip(name))
		}
		if name == "workspace" {
			c.Workspace = values.Get(name)
			continue
		}
		c.Attributes[attribute] = values.Get(name)
	}
	return nil
}

// parseHTTP takes the address as it is, but for user and password. The pages of HCP Terraform and Terraform Enterprise are workspaces.
func parseHTTP(u *url.URL, c *Config) bool {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if u.Scheme == "https" && u.User == nil && len(parts) >= 4 && parts[0] == "app" && parts[2] == "workspaces" {
		return hosted(c, u.Host, parts[1], parts[3])
	}
	plain := *u
	plain.User = nil
	c.Attributes["address"] = plain.String()
	if u.User != nil {
		c.Attributes["username"] = u.User.Username()
		if password, set := u.User.Password(); set {
			c.Attributes["password"] = password
		}
	}
	return true
}

func parseHCP(u *url.URL, c *Config) bool {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	return len(parts) == 2 && hosted(c, u.Host, parts[0], parts[1])
}

func hosted(c *Config, host, organization, workspace string) bool {
	c.Type = "cloud"
	c.Attributes["hostname"], c.Attributes["organization"] = host, organization
	c.Attributes["workspaces"] = map[string]any{"name": workspace}
	c.Workspace = workspace
	return organization != "" && workspace != ""
}

// parseS3 takes the key apart where it is one of a workspace.
func parseS3(u *url.URL, c *Config) bool {
	key := strings.TrimPrefix(u.Path, "/")
	if rest, ok := strings.CutPrefix(key, "env:/"); ok {
		c.Workspace, key, _ = strings.Cut(rest, "/")
	}
	c.Attributes["bucket"], c.Attributes["key"] = u.Host, key
	return key != "" && c.Workspace != ""
}

// parseGCS takes the workspace from the name of the object, which is where the tool puts it.
func parseGCS(u *url.URL, c *Config) bool {
	prefix, file := path.Split(strings.TrimPrefix(u.Path, "/"))
	workspace, ok := strings.CutSuffix(file, ".tfstate")
	c.Attributes["bucket"], c.Attributes["prefix"] = u.Host, strings.TrimSuffix(prefix, "/")
	c.Workspace = workspace
	return ok && workspace != ""
}

func parseAzure(u *url.URL, c *Config) bool {
	container, key, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if i := strings.LastIndex(key, "env:"); i > 0 {
		key, c.Workspace = key[:i], key[i+len("env:"):]
	}
	c.Attributes["storage_account_name"], c.Attributes["container_name"], c.Attributes["key"] = u.Host, container, key
	return container != "" && key != "" && c.Workspace != ""
}

// parsePG leaves all but schema, table and workspace to the driver.
func parsePG(u *url.URL, c *Config) bool {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return false
	}
	for name, attribute := range map[string]string{"schema": "schema_name", "table": "table_name"} {
		if query.Has(name) {
			c.Attributes[attribute] = query.Get(name)
			query.Del(name)
		}
	}
	if query.Has("workspace") {
		c.Workspace = query.Get("workspace")
		query.Del("workspace")
	}
	plain := *u
	plain.Scheme, plain.RawQuery = "postgres", query.Encode()
	c.Attributes["conn_str"] = plain.String()
	return strings.Trim(u.Path, "/") != "" && c.Workspace != ""
}

func parseConsul(u *url.URL, c *Config) bool {
	at := strings.TrimPrefix(u.Path, "/")
	if i := strings.LastIndex(at, "-env:"); i > 0 && c.Workspace == remote.DefaultWorkspace {
		at, c.Workspace = at[:i], at[i+len("-env:"):]
	}
	c.Attributes["address"], c.Attributes["path"] = u.Host, at
	return at != "" && c.Workspace != ""
}

func parseKubernetes(u *url.URL, c *Config) bool {
	suffix := strings.Trim(u.Path, "/")
	c.Attributes["namespace"], c.Attributes["secret_suffix"] = u.Host, suffix
	return suffix != "" && !strings.Contains(suffix, "/") && c.Workspace != ""
}

// guard keeps the credentials that the environment holds for one address of the http backend from any other host.
func guard(c Config) Config {
	own := c.Env("TF_HTTP_ADDRESS")
	if c.Type != "http" || own == "" {
		return c
	}
	address, _ := c.Attributes["address"].(string)
	if a, b := origin(own), origin(address); a == b && a != "" {
		return c
	}
	env := c.Env
	c.Env = func(name string) string {
		if strings.HasPrefix(name, "TF_HTTP_") {
			return ""
		}
		return env(name)
	}
	return c
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

package remote

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// Settings reads a backend's attributes. It keeps the first thing that is wrong with them, so that a reader can ask for all
// and look at Err once. Names of attributes inside blocks have dots: "assume_role.role_arn".
type Settings struct {
	config Config
	err    error
}

// Settings gives access to the attributes.
func (c Config) Settings() *Settings { return &Settings{config: c} }

// Err says what is wrong with the attributes that were asked for.
func (s *Settings) Err() error { return s.err }

// Fail records that an attribute is wrong. The text must not hold its value if it is a secret.
func (s *Settings) Fail(hint, format string, args ...any) {
	if s.err == nil {
		s.err = Invalid(hint, "backend %q: "+format, append([]any{s.config.Type}, args...)...)
	}
}

// Has says whether an attribute is there and not null, or a block is there at all: one that was left out is stored as an empty list.
func (s *Settings) Has(name string) bool {
	v := s.look(name)
	list, isList := v.([]any)
	return v != nil && (!isList || len(list) > 0)
}

func (s *Settings) look(name string) any {
	var v any = s.config.Attributes
	for part := range strings.SplitSeq(name, ".") {
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// String gives an attribute, else the first variable of the environment that is set, else nothing.
func (s *Settings) String(name string, env ...string) string {
	switch v := s.look(name).(type) {
	case nil:
	case string:
		if v != "" {
			return v
		}
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	default:
		s.Fail("", "%s is no text", name)
		return ""
	}
	for _, e := range env {
		if v := s.config.Env(e); v != "" {
			return v
		}
	}
	return ""
}

// Required is String for what must be there.
func (s *Settings) Required(name string, env ...string) string {
	v := s.String(name, env...)
	if v == "" {
		hint := "set it in the backend block, or run init again, which records what -backend-config gives"
		if len(env) > 0 {
			hint = fmt.Sprintf("set it in the backend block or in %s, or run init again", strings.Join(env, " or "))
		}
		s.Fail(hint, "%s is missing", name)
	}
	return v
}

// Bool gives an attribute or a variable of the environment as a truth value.
func (s *Settings) Bool(name string, otherwise bool, env ...string) bool {
	text := s.String(name, env...)
	if text == "" {
		return otherwise
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		s.Fail("", "%s is neither true nor false", name)
	}
	return v
}

// Int gives an attribute or a variable of the environment as a whole number.
func (s *Settings) Int(name string, otherwise int, env ...string) int {
	text := s.String(name, env...)
	if text == "" {
		return otherwise
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 {
		s.Fail("", "%s is no whole number from 0", name)
	}
	return v
}

// List gives an attribute that is a list or set of texts.
func (s *Settings) List(name string) []string {
	v := s.look(name)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		s.Fail("", "%s is no list", name)
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok && item != nil {
			s.Fail("", "%s holds something that is no text", name)
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

// Map gives an attribute that is a map of texts.
func (s *Settings) Map(name string) map[string]string {
	v := s.look(name)
	if v == nil {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		s.Fail("", "%s is no map", name)
		return nil
	}
	texts := make(map[string]string, len(m))
	for k, item := range m {
		text, ok := item.(string)
		if !ok {
			s.Fail("", "%s.%s is no text", name, k)
			return nil
		}
		texts[k] = text
	}
	return texts
}

// Path makes a path absolute, as [Config.Path] does.
func (s *Settings) Path(path string) string { return s.config.Path(path) }

// Guarded says whether a file is the stack's own, and the stack's code may run no programs.
func (s *Settings) Guarded(path string) bool { return !s.config.AllowExec && s.config.Within(path) }

// Contents gives what a file holds if the attribute's value is the path of one, else the value itself.
func (s *Settings) Contents(name string, env ...string) []byte {
	v := s.String(name, env...)
	if v == "" || strings.HasPrefix(strings.TrimSpace(v), "{") {
		return []byte(v)
	}
	data, err := os.ReadFile(s.config.Path(v))
	if err != nil {
		return []byte(v)
	}
	return data
}

// secretNames are the attributes whose values must not be told, in whichever backend.
var secretNames = []string{
	"access_key", "access_token", "client_certificate_password", "client_key", "client_private_key_pem", "client_secret", "conn_str",
	"credentials", "customer_encryption_key", "encryption_key", "env", "headers", "http_auth", "oidc_request_token", "oidc_token",
	"password", "sas_token", "secret_key", "security_token", "sse_customer_key", "token", "web_identity_token",
}

// secretVariables are those of the environment.
var secretVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SSE_CUSTOMER_KEY", "AWS_WEB_IDENTITY_TOKEN",
	"ARM_ACCESS_KEY", "ARM_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_SECRET", "ARM_OIDC_REQUEST_TOKEN", "ARM_OIDC_TOKEN", "ARM_SAS_TOKEN",
	"CONSUL_HTTP_AUTH", "CONSUL_HTTP_TOKEN", "GOOGLE_CREDENTIALS", "GOOGLE_BACKEND_CREDENTIALS", "GOOGLE_ENCRYPTION_KEY",
	"GOOGLE_OAUTH_ACCESS_TOKEN", "KUBE_CLIENT_KEY_DATA", "KUBE_PASSWORD", "KUBE_TOKEN", "PGPASSWORD", "PG_CONN_STR",
	"TF_HTTP_CLIENT_PRIVATE_KEY_PEM", "TF_HTTP_PASSWORD",
}

// secrets lists the values that errors must not hold, the longest first.
func (c Config) secrets() []string {
	var all []string
	for name, v := range c.Attributes {
		all = appendSecrets(all, v, slices.Contains(secretNames, name))
	}
	for _, name := range secretVariables {
		all = appendSecrets(all, c.Env(name), true)
	}
	for _, v := range slices.Clone(all) {
		all = append(all, passwords(v)...)
	}
	all = slices.DeleteFunc(all, func(v string) bool { return len(v) < 4 })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

func appendSecrets(all []string, v any, secret bool) []string {
	switch v := v.(type) {
	case string:
		if secret {
			return append(all, v)
		}
		return append(all, passwords(v)...)
	case []any:
		for _, item := range v {
			all = appendSecrets(all, item, secret)
		}
	case map[string]any:
		for name, item := range v {
			all = appendSecrets(all, item, secret || slices.Contains(secretNames, name))
		}
	}
	return all
}

// Scrub takes every secret of the settings out of an error's text. The kind and the hint stay; what the error wraps stays only
// if its text held no secret.
func (c Config) Scrub(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := text
	for _, secret := range c.secrets() {
		clean = strings.ReplaceAll(clean, secret, "(secret)")
	}
	if clean == text {
		return err
	}
	return &taffrail.Error{Kind: taffrail.KindOf(err), Hint: taffrail.HintOf(err), Err: fmt.Errorf("%s", clean)}
}

// Package addr names things as Terraform and OpenTofu do: providers and their configurations, modules, resource instances.
//
// Addresses are text with a grammar: a key of for_each may hold dots, brackets and quotes, so that none of them may be cut at
// a dot. What this package writes, it reads back.
package addr

import (
	"fmt"
	"strings"
)

// A Provider is the source address of a provider. Host is empty where the code leaves it to the tool, whose default host is
// another for Terraform than for OpenTofu.
type Provider struct{ Host, Namespace, Type string }

// String is "host/namespace/type", or "namespace/type" without a host.
func (p Provider) String() string {
	if p.Host == "" {
		return p.Namespace + "/" + p.Type
	}
	return p.Host + "/" + p.Namespace + "/" + p.Type
}

// Builtin says whether the provider is a part of the tool, and has no binary.
func (p Provider) Builtin() bool { return p.Host == "terraform.io" && p.Namespace == "builtin" }

// Public says whether the provider comes from the registry that a tool takes where code names no host. Such a registry stands at
// the name "registry" right below the domain of the tool's own name. A host of anyone else may hold any provider under any name.
func (p Provider) Public() bool {
	labels := strings.Split(p.Host, ".")
	return p.Host == "" || len(labels) == 3 && labels[0] == "registry" && (labels[1] == "terraform" || labels[1] == "opentofu")
}

// Matches says whether p, as written in code, can mean the provider q of a state. A host that was left out matches any.
func (p Provider) Matches(q Provider) bool {
	return p.Type == q.Type && p.Namespace == q.Namespace && (p.Host == "" || p.Host == q.Host)
}

// ParseProvider reads the source of a provider as code writes it: "type", "namespace/type" or "host/namespace/type", in any
// case. A type alone is of the namespace "hashicorp".
func ParseProvider(s string) (Provider, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	for _, part := range parts {
		if !isLabel(part) {
			return Provider{}, fmt.Errorf("provider source %q: %q is no name", Clip(s), Clip(part))
		}
	}
	switch len(parts) {
	case 1:
		return Provider{Namespace: "hashicorp", Type: parts[0]}, nil
	case 2:
		return Provider{Namespace: parts[0], Type: parts[1]}, nil
	case 3:
		return Provider{Host: parts[0], Namespace: parts[1], Type: parts[2]}, nil
	}
	return Provider{}, fmt.Errorf("provider source %q has more than three parts", Clip(s))
}

// isLabel keeps out whatever could lead out of a folder, since parts of addresses become folder names.
func isLabel(s string) bool {
	bad := func(r rune) bool {
		return r <= ' ' || r == '/' || r == '\\' || r == '"' || r == '[' || r == ']' || r == '*' || r == 0x7f
	}
	return s != "" && strings.Trim(s, ".") != "" && !strings.ContainsFunc(s, bad)
}

// A ProviderConfig is one configuration of a provider: that of a module, by its alias and, where OpenTofu's for_each makes many of
// one block, its key. The zero Module is the root, the zero Alias the default configuration.
type ProviderConfig struct {
	Module   string
	Provider Provider
	Alias    string
	Key      Key
}

// String is the form that states use: `module.m.provider["host/namespace/type"].alias["key"]`.
func (c ProviderConfig) String() string {
	s := `provider["` + c.Provider.String() + `"]`
	if c.Module != "" {
		s = c.Module + "." + s
	}
	if c.Alias != "" {
		s += "." + c.Alias
	}
	return s + c.Key.String()
}

// ParseProviderConfig reads the form that states use.
func ParseProviderConfig(s string) (ProviderConfig, error) {
	const open, closing = `provider["`, `"]`
	at := strings.Index(s, open)
	if at < 0 {
		return ProviderConfig{}, fmt.Errorf("provider address %q has no %s", Clip(s), open)
	}
	source, rest, ok := strings.Cut(s[at+len(open):], closing)
	if !ok {
		return ProviderConfig{}, fmt.Errorf("provider address %q is not closed", Clip(s))
	}
	p, err := ParseProvider(source)
	if err != nil {
		return ProviderConfig{}, err
	}
	c := ProviderConfig{Provider: p}
	if c.Module, err = parseConfigModule(s[:at]); err != nil {
		return ProviderConfig{}, fmt.Errorf("provider address %q: %w", Clip(s), err)
	}
	if alias, dotted := strings.CutPrefix(rest, "."); dotted {
		c.Alias, rest = cutIdentifier(alias)
		if c.Alias == "" {
			return ProviderConfig{}, fmt.Errorf("provider address %q: an alias is missing", Clip(s))
		}
	}
	if c.Key, rest, err = cutKey(rest); err != nil || rest != "" {
		return ProviderConfig{}, fmt.Errorf("provider address %q: %q is neither alias nor key", Clip(s), Clip(rest))
	}
	return c, nil
}

func parseConfigModule(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	module, dotted := strings.CutSuffix(s, ".")
	if !dotted {
		return "", fmt.Errorf("a dot is missing after the module")
	}
	_, err := ParseModule(module)
	return module, err
}

// Clip shortens foreign text for a message to people.
func Clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

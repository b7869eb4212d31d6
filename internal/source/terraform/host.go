package terraform

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A host is what a stack depends on of the machine and the user, apart from files.
type host struct {
	environ []string
	home    string
	cache   string
}

func system() host {
	h := host{environ: os.Environ()}
	h.home, _ = os.UserHomeDir() // without a home, its mirrors are not looked at
	if dir, err := os.UserCacheDir(); err == nil {
		h.cache = filepath.Join(dir, "taffrail")
	}
	return h
}

func (h host) getenv(name string) string {
	for i := len(h.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(h.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// withheld are the names, by their beginnings, that a provider does not get: what is meant for the tool, or for us.
var withheld = []string{"TF_LOG", "TF_VAR_", "TF_CLI_", "TF_REATTACH_PROVIDERS", "TAFFRAIL_", "PLUGIN_", "PWD="}

// quiet turns off the logs of the provider SDKs, which are at their finest by default and cost half the provider's time. Not TF_LOG:
// the old SDK takes a level that it does not know for the finest.
var quiet = []string{
	"TF_LOG_PROVIDER=OFF", "TF_LOG_SDK=OFF", "TF_LOG_SDK_PROTO=OFF", "TF_LOG_SDK_FRAMEWORK=OFF", "TF_LOG_SDK_HELPER_SCHEMA=OFF",
	"TF_LOG_SDK_HELPER_RESOURCE=OFF", "TF_LOG_SDK_MUX=OFF",
}

// collect has a provider collect its garbage less often, unless the user has said how often: it is short-lived, or idle, and small
// beside what the tools themselves take.
const collect = "GOGC=250"

// providerEnviron is the environment of a provider that runs in this folder: ours, since that is how credentials reach
// providers.
func (h host) providerEnviron(dir string) []string {
	var env []string
	for _, entry := range h.environ {
		if !hasAnyPrefix(entry, withheld) {
			env = append(env, entry)
		}
	}
	if h.getenv("GOGC") == "" {
		env = append(env, collect)
	}
	return append(append(env, quiet...), "PWD="+dir)
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

var secretName = regexp.MustCompile(`(?i)(token|secret|passw|credential|private|api_?key)`)

// secrets are the values of the environment that are secret by their names: a provider may quote one in a message.
func (h host) secrets() *value.Secrets {
	s := &value.Secrets{}
	for _, entry := range h.environ {
		name, text, _ := strings.Cut(entry, "=")
		if secretName.MatchString(name) && !filepath.IsAbs(text) { // a path names a file of secrets, and is none
			s.Add(text)
		}
	}
	return s
}

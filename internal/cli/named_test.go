package cli

import (
	"strings"
	"testing"
)

func TestTargetIsNamedWithoutItsSecrets(t *testing.T) {
	for target, want := range map[string]string{
		"infra/prod": "infra/prod",
		"https://me:geheim@host:8/state?t=geheim": "https://host:8/state",
		"postgres://me:geheim@/db#geheim":         "postgres:///db",
		"s3://bucket/key?region=x":                "s3://bucket/key",
		"https://me:geheim@%zz":                   "https://...",
	} {
		if got := named(target); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
	for _, form := range []string{"table", "json", "ndjson", "sarif", "junit", "markdown"} {
		out := run(t, &fake{}, "scan", "https://me:geheim@host/a", "https://me:geheim@host/b?k=geheim", "-o", form)
		if text := out.stdout + out.stderr; strings.Contains(text, "geheim") {
			t.Errorf("%s: %s", form, text)
		}
	}
}

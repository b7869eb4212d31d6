package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAttribute(t *testing.T) {
	const cases = "testdata/cases/"
	for name, args := range map[string][]string{
		"attribute/table":          {cases + "good.jsonl"},
		"attribute/json":           {cases + "good.jsonl", "--json"},
		"attribute/unread":         {cases + "unread.jsonl"},
		"attribute/bad":            {cases + "bad.jsonl"},
		"attribute/bad_json":       {cases + "bad.jsonl", "--json"},
		"attribute/unknown_source": {cases + "source.jsonl"},
		"attribute/no_file":        {cases + "none.jsonl"},
		"attribute/no_argument":    {},
		"attribute/bad_models":     {cases + "good.jsonl", "--models", cases + "models.json"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, &fake{}, append([]string{"attribute"}, args...)...)
			if _, rest, ok := strings.Cut(got.stderr, "time="); ok { // of a warning
				_, got.stderr, _ = strings.Cut(rest, " ")
			}
			golden(t, name, got)
		})
	}
}

// Each line of --json is an object by itself, errors included.
func TestAttributeLines(t *testing.T) {
	got := run(t, &fake{}, "attribute", "testdata/cases/bad.jsonl", "--json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if len(lines) != 2 || got.status != 1 || !strings.Contains(got.stderr, "bad.jsonl:3:") || !strings.Contains(got.stderr, "hint:") {
		t.Errorf("status %d, %d lines, stderr %s", got.status, len(lines), got.stderr)
	}
}

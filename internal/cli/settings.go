package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/config"
)

// configOf reads the file that goes with a stack: the one that was named, else taffrail.yaml beside the stack, if there is one.
func configOf(named, target string) (config.Config, error) {
	if named != "" {
		return config.Load(named)
	}
	if strings.Contains(target, "://") {
		return config.Config{}, nil
	}
	folder := target
	if info, err := os.Stat(target); err == nil && !info.IsDir() {
		folder = filepath.Dir(target)
	}
	path := filepath.Join(folder, config.FileName)
	c, err := config.Load(path)
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		return config.Config{}, nil
	}
	if err == nil {
		err = checkFound(path, c.Terraform)
	}
	return c, err
}

// foundKeys are the keys that may stand in a file which nobody named, because it lies beside the stack: whoever writes the code writes that
// file, too. Such a file must not have programs run, vouch for what is run, or say that missing resources are nothing to worry about.
var foundKeys = []string{
	"also", "concurrency", "confirm_delay", "fallback", "init", "list", "pending", "plan_timeout", "retry_pause", "service_concurrency", "settle_delay", "timeout",
	"var_files", "vars", "workspace",
}

func checkFound(path string, section []byte) error {
	var written map[string]any
	if err := yaml.Unmarshal(section, &written); err != nil {
		return nil //nolint:nilerr // who decodes it for good says what is wrong, and where
	}
	for _, key := range slices.Sorted(maps.Keys(written)) {
		if slices.Contains(foundKeys, key) {
			continue
		}
		return &taffrail.Error{
			Op: "read configuration", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s:%d: %q is not taken from a file that lies beside the stack", path, lineOf(section, key), key),
			Hint: "whoever writes the code could set it there: give the flag, or name the file with --config",
		}
	}
	return nil
}

// lineOf is the line of a key, from 1.
func lineOf(text []byte, key string) int {
	line := 1
	for l := range bytes.Lines(text) {
		if bytes.HasPrefix(bytes.TrimLeft(l, " \"'{"), []byte(key)) {
			return line
		}
		line++
	}
	return 1
}

// underFlags merges what a file says of the source with what flags say, which counts more. The text of the file stays as it is where that
// is possible, so that errors name its lines.
func underFlags(section, flags []byte) ([]byte, error) {
	if len(bytes.TrimSpace(section)) == 0 {
		return flags, nil
	}
	var written map[string]any
	if err := yaml.Unmarshal(section, &written); err != nil {
		return nil, &taffrail.Error{Op: "read configuration", Kind: taffrail.KindInvalid, Err: err, Hint: "check the section for the source in " + config.FileName}
	}
	var said map[string]json.RawMessage
	if err := json.Unmarshal(flags, &said); err != nil {
		return nil, fmt.Errorf("read settings of the flags: %w", err)
	}
	if indent, ok := blockIndent(section); ok && !overlap(written, said) {
		text := bytes.TrimRight(bytes.Clone(section), "\n")
		for _, key := range slices.Sorted(maps.Keys(said)) {
			text = fmt.Appendf(text, "\n%s%s: %s", indent, key, said[key])
		}
		return append(text, '\n'), nil
	}
	for key, value := range said {
		merged, err := mergeValue(written[key], value)
		if err != nil {
			return nil, err
		}
		written[key] = merged
	}
	merged, err := json.Marshal(written)
	if err != nil {
		return nil, &taffrail.Error{
			Op: "read configuration", Kind: taffrail.KindInvalid, Err: fmt.Errorf("the section for the source cannot be merged with flags: %w", err),
			Hint: "use texts as keys in " + config.FileName,
		}
	}
	return escapeJSON(merged), nil
}

// mergeValue lays the members of a mapping over those of another; everything else replaces what was there.
func mergeValue(below any, above json.RawMessage) (any, error) {
	members, ok := below.(map[string]any)
	if !ok {
		return above, nil
	}
	var over map[string]json.RawMessage
	if err := json.Unmarshal(above, &over); err != nil {
		return nil, errors.New("a mapping of the file is no mapping in the flags")
	}
	for key, value := range over {
		members[key] = value
	}
	return members, nil
}

func overlap(written map[string]any, said map[string]json.RawMessage) bool {
	for key := range said {
		if _, ok := written[key]; ok {
			return true
		}
	}
	return false
}

// blockIndent is what stands before the keys of a block mapping; there is none in one that is written with braces.
func blockIndent(section []byte) (string, bool) {
	for line := range strings.Lines(string(section)) {
		text := strings.TrimLeft(line, " ")
		switch {
		case strings.TrimSpace(text) == "" || text[0] == '#':
			continue
		case text[0] == '{' || text[0] == '-' || text[0] == '&' || text[0] == '!' || strings.HasPrefix(text, "..."):
			return "", false
		}
		return line[:len(line)-len(text)], true
	}
	return "", false
}

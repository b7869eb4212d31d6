package terraform

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
)

// urlTarget takes a state that a URL names. The code that configures the providers is that of the folder that the settings name. Without
// one there is no code: the present folder, which may hold that of another stack, gives nothing but the lock file and the providers.
func urlTarget(c Config, host host) (target, error) {
	if path, ok := strings.CutPrefix(c.Target, "file://"); ok {
		c.Target = path
		return findTarget(c, host)
	}
	settings, name, err := backend.ParseURL(c.Target, host.getenv)
	if err != nil {
		return target{}, err
	}
	if settings.Workspace, err = oneWorkspace(settings, c.Workspace, name); err != nil {
		return target{}, err
	}
	dir, err := filepath.Abs(c.Code) // the present folder, where none is named
	if err != nil {
		return target{}, &taffrail.Error{Op: "open stack", Kind: taffrail.KindInvalid, Err: err}
	}
	t := target{name: name, dir: dir, dataDir: module.DataDir(dir, host.getenv), workspace: settings.Workspace, code: c.Code != ""}
	if t.code {
		if _, err := module.Load(dir); err != nil {
			return target{}, err
		}
	}
	settings.Dir, settings.DataDir, settings.Home, settings.Environ = dir, t.dataDir, host.home, host.environ
	t.backend = &settings
	return t, nil
}

// oneWorkspace makes sure that a URL and the settings do not mean two.
func oneWorkspace(b backend.Config, asked, name string) (string, error) {
	if asked == "" || asked == b.Workspace || b.Workspace == defaultWorkspace {
		return cmp.Or(asked, b.Workspace), nil
	}
	return "", &taffrail.Error{
		Op: "open stack", Kind: taffrail.KindInvalid, Hint: "name the workspace in one of the two",
		Err: fmt.Errorf("%s is of the workspace %s, and %s was asked for", name, addr.Clip(b.Workspace), addr.Clip(asked)),
	}
}

const defaultWorkspace = "default"

// hostedName is the name of a workspace that a cloud block names; that is what the tool calls the workspace, too.
func hostedName(b *module.Backend) string {
	if b.Type != "cloud" {
		return ""
	}
	settings := hostedSettings(b.Attributes)
	name, _ := settings["name"].(string)
	return name
}

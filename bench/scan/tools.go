package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// tools are the programs that are measured, and their surroundings.
type tools struct {
	work, taffrail, peer string
	data                 string   // folder of the log
	env, extra           []string // extra is the part of env that is not of the user
}

// build builds taffrail and the practice cloud's provider from this checkout.
func build(work, peer string) (*tools, error) {
	t := &tools{work: work, peer: peer, taffrail: filepath.Join(work, "taffrail"), data: filepath.Join(work, "data")}
	mirror := filepath.Join(work, "mirror")
	plugin := filepath.Join(mirror, "taffrail.example/practice/harbor/0.1.0", runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-harbor_v0.1.0")
	for out, pkg := range map[string]string{t.taffrail: "cmd/taffrail", plugin: "examples/harbor/cmd/terraform-provider-harbor"} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", out, "github.com/taffrail-dev/taffrail/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w: %s", pkg, err, said)
		}
	}
	rc := filepath.Join(work, "cli.tfrc")
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		return nil, err
	}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TF_") && !strings.HasPrefix(entry, "TAFFRAIL_") && !strings.HasPrefix(entry, "HARBOR_") {
			t.env = append(t.env, entry)
		}
	}
	t.extra = []string{
		"TF_CLI_CONFIG_FILE=" + rc, "CHECKPOINT_DISABLE=1", "XDG_DATA_HOME=" + t.data,
		"XDG_STATE_HOME=" + filepath.Join(work, "state"), "XDG_CONFIG_HOME=" + filepath.Join(work, "config"),
	}
	t.env = append(t.env, t.extra...)
	return t, nil
}

func (t *tools) version() string {
	cmd := exec.CommandContext(context.Background(), t.peer, "version")
	cmd.Env = t.env
	said, err := cmd.Output()
	if err != nil {
		return filepath.Base(t.peer)
	}
	first, _, _ := bytes.Cut(said, []byte("\n"))
	return string(first)
}

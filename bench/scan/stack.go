package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// blocks is how many blocks of code share the resources.
const blocks = 5

// slow makes each call take a while.
func slow(h http.Handler, latency time.Duration) http.Handler {
	if latency == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		h.ServeHTTP(w, r)
	})
}

// writeStack makes n records in the cloud, and a root module and a state that know them.
func writeStack(dir, url string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := client.New(url, client.Options{})
	if err != nil {
		return err
	}
	code := "terraform {\n  required_providers {\n    harbor = { source = \"taffrail.example/practice/harbor\" }\n  }\n}\n"
	state := map[string]any{"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "5b3f1c1e-0000-4000-8000-000000000000", "outputs": map[string]any{}}
	var resources []any
	for b := range blocks {
		count := (n + b) / blocks
		code += fmt.Sprintf("\nresource \"harbor_dns_record\" \"r%d\" {\n  count  = %d\n  zone   = \"zone%d.example\"\n  name   = \"host-${count.index}\"\n  type   = \"A\"\n  values = [\"192.0.2.1\", \"192.0.2.2\"]\n}\n", b, count, b)
		var instances []any
		for i := range count {
			attributes := map[string]any{
				"zone": fmt.Sprintf("zone%d.example", b), "name": fmt.Sprint("host-", i), "type": "A", "ttl": 300, "values": []string{"192.0.2.1", "192.0.2.2"},
			}
			id, err := create(c, attributes)
			if err != nil {
				return err
			}
			attributes["id"], attributes["priority_order"] = id, nil
			instances = append(instances, map[string]any{"index_key": i, "schema_version": 1, "attributes": attributes, "sensitive_attributes": []any{}})
		}
		resources = append(resources, map[string]any{
			"mode": "managed", "type": "harbor_dns_record", "name": fmt.Sprint("r", b), "provider": `provider["taffrail.example/practice/harbor"]`, "instances": instances,
		})
	}
	state["resources"] = resources
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "terraform.tfstate"), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code), 0o600)
}

func create(c *client.Client, attributes map[string]any) (string, error) {
	o, err := c.Create(context.Background(), "dns_record", attributes)
	return o.ID, err
}

// tools are the programs that are measured, and their surroundings.
type tools struct {
	work, taffrail, peer string
	env                  []string
}

// build builds taffrail and the practice cloud's provider from this checkout.
func build(work, peer string) (*tools, error) {
	t := &tools{work: work, peer: peer, taffrail: filepath.Join(work, "taffrail")}
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
	t.env = append(t.env, "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1",
		"XDG_DATA_HOME="+filepath.Join(work, "data"), "XDG_STATE_HOME="+filepath.Join(work, "state"), "XDG_CONFIG_HOME="+filepath.Join(work, "config"))
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

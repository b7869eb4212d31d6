package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

// blocks is how many blocks of code share the resources.
const blocks = 5

// A stack is a root module, with all that it describes in a cloud.
type stack struct {
	tools *tools
	dir   string
	env   []string
}

// with makes a stack of n resources, for as long as fn runs.
func (t *tools) with(n int, latency time.Duration, fn func(stack) error) error {
	dir, err := os.MkdirTemp(t.work, "stack.")
	if err != nil {
		return err
	}
	records, err := writeCloud(filepath.Join(dir, "cloud.json"), n)
	if err != nil {
		return err
	}
	c, err := cloud.Open(cloud.Options{File: filepath.Join(dir, "cloud.json"), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer c.Close()
	server := httptest.NewServer(slow(c, latency))
	defer server.Close()
	s := stack{tools: t, dir: filepath.Join(dir, "code"), env: append(append([]string{}, t.env...), "HARBOR_URL="+server.URL)}
	if err := writeCode(s.dir, records); err != nil {
		return err
	}
	if _, err := s.run([]string{t.peer, "init", "-input=false"}); err != nil {
		return err
	}
	if err := fn(s); err != nil {
		return fmt.Errorf("%d resources: %w", n, err)
	}
	return os.RemoveAll(dir)
}

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

// A record is one resource.
type record struct {
	id         string
	attributes map[string]any
}

// writeCloud writes the file of a cloud that holds n records, by blocks. To create them one by one takes the square of their number.
func writeCloud(path string, n int) (records [blocks][]record, err error) {
	objects := map[string]any{}
	for b := range blocks {
		for i := range (n + b) / blocks {
			r := record{id: fmt.Sprintf("dns-%04d", len(objects)+1), attributes: map[string]any{
				"zone": fmt.Sprintf("zone%d.example", b), "name": fmt.Sprint("host-", i), "type": "A", "ttl": 300, "values": []string{"192.0.2.1", "192.0.2.2"},
			}}
			records[b] = append(records[b], r)
			objects["dns_record/"+r.id] = map[string]any{
				"type": "dns_record", "id": r.id, "attributes": r.attributes, "version": 1, "etag": "e1",
				"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
			}
		}
	}
	text, err := json.Marshal(map[string]any{"format": "harbor.cloud/1", "counters": map[string]int{"dns_record": n}, "objects": objects})
	if err != nil {
		return records, err
	}
	return records, os.WriteFile(path, text, 0o600)
}

// writeCode makes a root module and a state that know the records.
func writeCode(dir string, records [blocks][]record) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	code := "terraform {\n  required_providers {\n    harbor = { source = \"taffrail.example/practice/harbor\" }\n  }\n}\n"
	var resources []any
	for b, all := range records {
		code += fmt.Sprintf("\nresource \"harbor_dns_record\" \"r%d\" {\n  count  = %d\n  zone   = \"zone%d.example\"\n  name   = \"host-${count.index}\"\n  type   = \"A\"\n  values = [\"192.0.2.1\", \"192.0.2.2\"]\n}\n", b, len(all), b)
		var instances []any
		for i, r := range all {
			attributes := map[string]any{"id": r.id, "priority_order": nil}
			for name, value := range r.attributes {
				attributes[name] = value
			}
			instances = append(instances, map[string]any{"index_key": i, "schema_version": 1, "attributes": attributes, "sensitive_attributes": []any{}})
		}
		resources = append(resources, map[string]any{
			"mode": "managed", "type": "harbor_dns_record", "name": fmt.Sprint("r", b), "provider": `provider["taffrail.example/practice/harbor"]`, "instances": instances,
		})
	}
	text, err := stateText(resources)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "terraform.tfstate"), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code), 0o600)
}

// stateText writes the members in the order in which the tools do, and indented as they do.
func stateText(resources []any) ([]byte, error) {
	return json.MarshalIndent(struct {
		Version   int            `json:"version"`
		Tool      string         `json:"terraform_version"`
		Serial    int            `json:"serial"`
		Lineage   string         `json:"lineage"`
		Outputs   map[string]any `json:"outputs"`
		Resources []any          `json:"resources"`
	}{4, "1.9.0", 1, "5b3f1c1e-0000-4000-8000-000000000000", map[string]any{}, resources}, "", "  ")
}

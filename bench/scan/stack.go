package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

// A stack is a root module, with all that it describes in a cloud.
type stack struct {
	tools *tools
	dir   string
	env   []string
}

// with makes a stack of this shape, for as long as fn runs.
func (t *tools) with(s shape, latency time.Duration, fn func(stack) error) error {
	dir, err := os.MkdirTemp(t.work, "stack.")
	if err != nil {
		return err
	}
	if err := s.writeCloud(filepath.Join(dir, "cloud.json")); err != nil {
		return err
	}
	c, err := cloud.Open(cloud.Options{File: filepath.Join(dir, "cloud.json"), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer c.Close()
	objects, err := objectsOf(c)
	if err != nil {
		return err
	}
	server := httptest.NewServer(slow(c, latency, s))
	defer server.Close()
	made := stack{tools: t, dir: filepath.Join(dir, "code"), env: append(append([]string{}, t.env...), "HARBOR_URL="+server.URL)}
	if err := s.writeCode(made.dir, objects); err != nil {
		return err
	}
	if _, err := made.run([]string{t.peer, "init", "-input=false"}); err != nil {
		return err
	}
	if err := fn(made); err != nil {
		return fmt.Errorf("%d resources: %w", s.resources(), err)
	}
	return os.RemoveAll(dir)
}

// slow makes each call take a while, and the reading of an object as many calls, one after the other, as the shape says of its type: each
// but the last is answered with where to ask next.
func slow(h http.Handler, latency time.Duration, s shape) http.Handler {
	if latency == 0 {
		return h
	}
	calls := s.callsOf()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		place := strings.Split(r.URL.Path, "/")            // of an object: /v1/KIND/ID
		done, _ := strconv.Atoi(r.URL.Query().Get("done")) // absent in the first
		if r.Method == http.MethodGet && len(place) == 4 && done+1 < calls[place[2]] {
			http.Redirect(w, r, fmt.Sprintf("%s?done=%d", r.URL.Path, done+1), http.StatusTemporaryRedirect)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// objectsOf is everything in the cloud, by id, as it answers it.
func objectsOf(h http.Handler) (map[string]api.Object, error) {
	server := httptest.NewServer(h)
	defer server.Close()
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		return nil, err
	}
	all, err := c.List(context.Background(), "")
	if err != nil {
		return nil, err
	}
	objects := make(map[string]api.Object, len(all))
	for _, o := range all {
		objects[o.ID] = o
	}
	return objects, nil
}

// writeCloud writes the file of a cloud that holds the objects. To create them one by one takes the square of their number.
func (s shape) writeCloud(path string) error {
	objects, counters := map[string]any{}, map[string]int{}
	for b, block := range s {
		for i := range block.count {
			objects[block.kind+"/"+block.id(b, i)] = map[string]any{
				"type": block.kind, "id": block.id(b, i), "attributes": block.attributes(i), "version": 1, "etag": "e1",
				"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
			}
		}
		counters[block.kind] += block.count
	}
	text, err := json.Marshal(map[string]any{"format": "harbor.cloud/1", "counters": counters, "objects": objects})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// writeCode makes a root module and a state that know the objects.
func (s shape) writeCode(dir string, objects map[string]api.Object) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	code := "terraform {\n  required_providers {\n    harbor = { source = \"taffrail.example/practice/harbor\" }\n  }\n}\n"
	var resources []any
	for b, block := range s {
		code += fmt.Sprintf("\nresource \"harbor_%s\" \"r%d\" {\n  count = %d\n%s}\n", block.kind, b, block.count, block.code)
		var instances []any
		for i := range block.count {
			instances = append(instances, block.instance(i, objects[block.id(b, i)]))
		}
		resources = append(resources, map[string]any{
			"mode": "managed", "type": "harbor_" + block.kind, "name": fmt.Sprint("r", b),
			"provider": `provider["taffrail.example/practice/harbor"]`, "instances": instances,
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

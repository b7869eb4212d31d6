package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail"
)

func decode(_ context.Context, s sample) error {
	f, err := os.Open(s.file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	var v any
	return json.NewDecoder(z).Decode(&v)
}

func jq(ctx context.Context, s sample) error {
	unpack := exec.CommandContext(ctx, "gzip", "-dc", s.file)
	read := exec.CommandContext(ctx, "jq", "-c", ".")
	var err error
	if read.Stdin, err = unpack.StdoutPipe(); err != nil {
		return err
	}
	var problems bytes.Buffer
	read.Stdout, read.Stderr = io.Discard, &problems
	if err := unpack.Start(); err != nil {
		return err
	}
	if err := read.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, problems.Bytes())
	}
	return unpack.Wait()
}

// A sealer costs as little as one can.
type sealer struct{}

func (sealer) Seal(taffrail.Value) taffrail.Value {
	return taffrail.Secret("hmac:00000000:0000000000000000000000000000000000000000000000000000000000000000")
}

// keep reads a file with the plug-in, and keeps each record.
func keep(ctx context.Context, s sample) error {
	var r plug.Registry
	cloudtrail.Register(&r)
	env := plug.Env{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Sealer: sealer{}}
	d, err := plug.Open[taffrail.Decoder](ctx, &r, cloudtrail.Name, env, plug.Settings{})
	if err != nil {
		return err
	}
	keeper, ok := d.(taffrail.Keeper)
	if !ok {
		return fmt.Errorf("%T keeps nothing", d)
	}
	events, err := plug.Open[taffrail.EventReader](ctx, &r, cloudtrail.Name, env, plug.Settings{YAML: fmt.Appendf(nil, "path: %q\n", s.file)})
	if err != nil {
		return err
	}
	kept := 0
	if err := events.ReadEvents(ctx, "", func(b taffrail.Batch) error {
		for _, r := range b.Records {
			if _, err := keeper.Keep(r.Raw); err != nil {
				return err
			}
			kept++
		}
		return nil
	}); err != nil {
		return err
	}
	if kept != s.records {
		return fmt.Errorf("%d records of %d", kept, s.records)
	}
	return nil
}

// importing takes a file into a new log.
func importing(ctx context.Context, s sample, work, binary string) error {
	home, err := os.MkdirTemp(work, "log-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	var env []string
	for _, folder := range []string{"DATA", "STATE", "CONFIG"} {
		env = append(env, "TAFFRAIL_"+folder+"_DIR="+filepath.Join(home, folder))
	}
	cmd := exec.CommandContext(ctx, binary, "events", "import", s.file, "--output", "json")
	cmd.Env = append(os.Environ(), env...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, problems.Bytes())
	}
	var taken struct {
		Events int `json:"events"`
	}
	if err := json.Unmarshal(out, &taken); err != nil {
		return err
	}
	if taken.Events != s.records {
		return fmt.Errorf("%d records of %d: %s", taken.Events, s.records, out)
	}
	return nil
}

func run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

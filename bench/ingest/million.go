package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// asked is how many drifts are asked for.
const asked = 300

// million takes in a file of changes alone, and says what they take on the disk, how long it takes to find the candidates of one drift among
// them, and how long to say who did it.
func million(ctx context.Context, work, binary string, records int) error {
	s, err := write(filepath.Join(work, "changes.json.gz"), records, 100)
	if err != nil {
		return err
	}
	home := filepath.Join(work, "million")
	env := append(os.Environ(), "TAFFRAIL_DATA_DIR="+filepath.Join(home, "data"), "TAFFRAIL_STATE_DIR="+filepath.Join(home, "state"), "TAFFRAIL_CONFIG_DIR="+filepath.Join(home, "config"))
	began := time.Now()
	if err := run(ctx, env, binary, "events", "import", s.file); err != nil {
		return err
	}
	took := time.Since(began)
	size, err := sizeOf(filepath.Join(home, "data"))
	if err != nil {
		return err
	}
	fmt.Printf("%d changes, %d MB of JSON, taken in within %.1f s: %d MB on the disk\n", s.records, s.bytes/1e6, took.Seconds(), size/1e6)
	drifts, err := newest(ctx, env, binary)
	if err != nil {
		return err
	}
	log, err := store.Open(ctx, filepath.Join(home, "data"), store.ReadOnly)
	if err != nil {
		return err
	}
	defer log.Close()
	return answer(ctx, log, drifts)
}

func sizeOf(folder string) (size int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		size += info.Size()
		return err
	})
	return size, err
}

// newest gives a drift for each of the newest changes of databases.
func newest(ctx context.Context, env []string, binary string) (all []correlate.Question, err error) {
	list := exec.CommandContext(ctx, binary, "events", "list", "--action", "rds:ModifyDBInstance", "-n", fmt.Sprint(asked), "-o", "ndjson")
	list.Env = env
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var line struct {
			Event struct {
				Time    time.Time      `json:"time"`
				Request taffrail.Value `json:"request"`
			} `json:"event"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		name, _ := line.Event.Request.Field("dBInstanceIdentifier")
		after, _ := line.Event.Request.Field("backupRetentionPeriod")
		all = append(all, drift(name, after, line.Event.Time))
	}
	return all, nil
}

// drift is that the retention of a database is another, seen an hour before and after.
func drift(name, after taffrail.Value, at time.Time) correlate.Question {
	const attribute = "backup_retention_period"
	before, _ := taffrail.Number("99")
	side := func(v taffrail.Value) taffrail.Value {
		return taffrail.Object(map[string]taffrail.Value{"identifier": name, attribute: v})
	}
	return correlate.Question{Start: at.Add(-time.Hour), End: at.Add(time.Hour), Resources: []correlate.Subject{{
		Address: "aws_db_instance.it", Type: "aws_db_instance", IDs: []string{name.Text(), "arn:aws:rds:eu-west-1:" + account + ":db:" + name.Text()}, Before: side(before), After: side(after),
		Changes: []taffrail.Change{{Path: taffrail.NewPath(taffrail.Attr(attribute)), Before: before, After: after, Class: taffrail.ClassDrift}},
	}}}
}

func answer(ctx context.Context, log *store.Store, drifts []correlate.Question) error {
	models, err := correlate.LoadModels()
	if err != nil {
		return err
	}
	var r plug.Registry
	cloudtrail.Register(&r)
	decoder, err := plug.Open[taffrail.Decoder](ctx, &r, cloudtrail.Name, plug.Env{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Sealer: sealer{}}, plug.Settings{})
	if err != nil {
		return err
	}
	var finding, answering []time.Duration
	named := 0
	for _, q := range drifts {
		began := time.Now()
		err := log.Read(ctx, func(tx *store.Tx) error {
			own, shared := models.Keys(q.Resources[0])
			at, err := tx.FindEvents(append(own, shared...), q.Start, q.End, 2000)
			finding = append(finding, time.Since(began))
			if err != nil {
				return err
			}
			stored, err := tx.Events(at)
			for _, s := range stored {
				e, err := decoder.Decode(s.Record)
				if err != nil {
					return err
				}
				q.Events = append(q.Events, e)
			}
			return err
		})
		if err != nil {
			return err
		}
		if c := correlate.Attribute(q, models)[0]; c.Event != nil {
			named++
		}
		answering = append(answering, time.Since(began))
	}
	fmt.Printf("candidates of one drift: median %s, 99th percentile %s\nfull answer: median %s, 99th percentile %s; %d of %d named\n",
		percentile(finding, 50), percentile(finding, 99), percentile(answering, 50), percentile(answering, 99), named, len(drifts))
	return nil
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)*p/100, len(all)-1)].Round(time.Microsecond)
}

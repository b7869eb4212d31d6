package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

type exportFlags struct {
	keepFlags
	request  daemon.ExportRequest
	filtered bool
	search   searchFlags
	bare     bool
	to       string
}

func (a *app) logExportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a bundle of evidence that anyone can verify offline",
		Long: "Writes entries with all that proves them into one tar: checkpoint and cosignatures, tiles, payloads, fields, receipts. `taffrail verify`, or the small program taffrail-verify, checks it without asking anybody, by the verifier's own policy. " +
			"A range (--from, --to) has no hole: what is withheld is payloads, and they are counted. With --filter it is still the whole range, and only entries that fit have their payloads and fields in the bundle. Entries that come along with a tile have neither. It is verified on the way: no file is written that does not verify. " +
			"Of single entries (--entry, --drift) only the presence is proved, never that there is no other. " +
			"Where witnesses are configured they are asked first, so that the bundle stands under a checkpoint that they have cosigned. " + keepHelp +
			exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail log export --from 0 --file evidence.tar\n\n# everything about one drift\ntaffrail log export --drift drift-4e1b0c9d8a7f6e5d --file drift.tar\n\n# the whole range, with the payloads of one resource alone\ntaffrail log export --from 0 --filter --resource aws_s3_bucket.logs --file bucket.tar",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(0, func(ctx context.Context, _ []string) error { return a.exportLog(ctx, &f) }),
	}
	flags := cmd.Flags()
	flags.Int64Var(&f.request.From, "from", -1, "the first entry of a range (it is widened to whole tiles of 256)")
	flags.Int64Var(&f.request.To, "to", -1, "the first entry after the range (else the end)")
	flags.Int64SliceVar(&f.request.Entries, "entry", nil, "single entries")
	flags.StringVar((*string)(&f.request.Drift), "drift", "", "all entries of a drift, and of the scans that saw it")
	flags.BoolVar(&f.filtered, "filter", false, "payloads and fields only of the entries that the following flags name")
	f.search.add(cmd)
	flags.BoolVar(&f.bare, "no-payloads", false, "no payloads at all")
	flags.Int64Var(&f.request.Since, "consistent-with", 0, "a size that the verifier remembers: the bundle shows that the log contains that one")
	flags.StringVar(&f.to, "file", "", "the file to write; - is standard output; required")
	f.add(cmd, false)
	return cmd
}

func (a *app) exportLog(ctx context.Context, f *exportFlags) error {
	r, err := f.complete()
	if err != nil {
		return err
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		var report daemon.ExportReport
		write := func(w io.Writer) (err error) { report, err = q.ExportLog(ctx, r, w); return err }
		if f.to == "-" {
			return write(a.Stdout)
		}
		if err := writeWhole(f.to, write); err != nil {
			return err
		}
		if f.output == outputJSON {
			return writeJSON(a.out, report)
		}
		p := a.page()
		p.exported(f.to, report)
		return a.print(p)
	})
}

// complete makes a request of what was typed.
func (f *exportFlags) complete() (daemon.ExportRequest, error) {
	r := f.request
	r.By, r.Payloads = f.who(), !f.bare
	switch ranged := r.From >= 0 || r.To >= 0; {
	case f.to == "":
		return r, usage("give --file evidence.tar, or --file - for standard output", "no file is named")
	case !ranged && len(r.Entries) == 0 && r.Drift == "":
		return r, usage("give --from 0 for everything, --entry INDEX, or --drift ID", "what to export is not said")
	case !ranged:
		r.From, r.To = 0, 0
	default:
		r.From = max(r.From, 0)
	}
	if !f.filtered {
		return r, nil
	}
	search, err := f.search.request(time.Now())
	r.Filter = &search
	return r, err
}

// writeWhole writes a file that is there as a whole or not at all: it is written beside its place, made durable, and renamed.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fileError(path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fileError(path, err)
	}
	return fileError(path, os.Rename(f.Name(), path))
}

func fileError(path string, err error) error {
	if err == nil {
		return nil
	}
	return &taffrail.Error{Op: "write " + path, Kind: taffrail.KindUnavailable, Err: err, Hint: "name a file in a folder that you may write to, with room on its disk"}
}

func (p *page) exported(path string, r daemon.ExportReport) {
	m := r.Manifest
	what := ""
	if m.From < m.To {
		what = spanText(m.From, m.To)
	}
	if n := len(m.Single); n > 0 {
		if what != "" {
			what += ", "
		}
		what += count(int64(n), "single entry", "single entries")
	}
	p.facts(
		fact{"File", safe(path) + ", " + count(r.Bytes, "byte", "bytes")},
		fact{"SHA-256", safe(r.SHA256)},
		fact{"Holds", fmt.Sprintf("%s, %s", what, count(int64(m.Totals.Payloads), "payload", "payloads"))},
		fact{"Under", "checkpoint " + strconv.FormatInt(m.Size, 10)},
	)
	for _, note := range m.Notes {
		p.paragraph("note: "+safe(note), 0, p.dim)
	}
	p.line(p.dim(logLine(r.Log)))
}

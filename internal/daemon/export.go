package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// ExportLog implements [LogKeeper]. The bundle stands under a checkpoint that covers the intent to write it, so that it is in the log before a
// byte is given out, and that the witnesses were shown: a verifier who asks for a quorum could believe no other.
func (d *Daemon) ExportLog(ctx context.Context, r ExportRequest, to io.Writer) (ExportReport, error) {
	l, err := d.current()
	if err != nil {
		return ExportReport{}, err
	}
	e := export{daemon: d, request: r}
	if err := d.look(ctx, e.choose); err != nil {
		return ExportReport{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return ExportReport{}, boundary("export log", err)
	}
	digest := sha256.New()
	counted := &counter{w: io.MultiWriter(to, digest)}
	var report ExportReport
	write := func(ctx context.Context) error {
		e.show(ctx)
		return l.store.Read(ctx, func(tx *store.Tx) error {
			request, err := e.bundle(tx, keys)
			if err != nil {
				return err
			}
			report.Manifest, err = writeVerified(ctx, counted, view{tx}, keys, request)
			return err
		})
	}
	report.Log, err = d.act(ctx, r.By, e.intent(), write, func(*store.Tx) (taffrail.EntryBody, error) {
		body := e.intent()
		body.From, body.To, body.Size = report.Manifest.From, report.Manifest.To, report.Manifest.Size
		body.SHA256 = hex.EncodeToString(digest.Sum(nil))
		return body, nil
	})
	report.SHA256, report.Bytes = hex.EncodeToString(digest.Sum(nil)), counted.n
	return report, err
}

// writeVerified writes a bundle, and verifies it on the way as an auditor will: an entry that was changed in the database must not be found
// out by them first. If it does not verify, what was written is worth nothing.
func writeVerified(ctx context.Context, to io.Writer, s audit.Storage, keys audit.Keys, request audit.BundleRequest) (m audit.Manifest, err error) {
	policy, err := audit.ParsePolicy([]byte(keys.String() + "quorum none\n"))
	if err != nil {
		return m, err
	}
	r, w := io.Pipe()
	var report audit.BundleReport
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		report, failed = audit.VerifyBundle(ctx, r, policy, nil, nil)
		_, _ = io.Copy(io.Discard, r) // so that the writer comes to its end
	})
	m, err = audit.WriteBundle(ctx, io.MultiWriter(to, w), s, keys, request)
	_ = w.CloseWithError(err)
	reading.Wait()
	if err != nil || failed != nil {
		return m, cmp.Or(err, failed)
	}
	for _, v := range report.Verdicts {
		if v.Finding == audit.FindingFailed {
			return m, &taffrail.Error{
				Op: "export log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("the bundle does not verify: %s: %s", v.Name, strings.Join(v.Faults, "; ")),
				Hint: "what is stored was changed: run `taffrail log verify`, and bring back a copy that verifies",
			}
		}
	}
	return m, nil
}

// A counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write implements [io.Writer].
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// A view is a snapshot that is open already, as storage.
type view struct{ tx *store.Tx }

// View implements [audit.Storage].
func (v view) View(_ context.Context, f func(audit.Reader) error) error { return f(v.tx) }

// Write implements [audit.Storage].
func (view) Write(context.Context, func(audit.Writer) error) error {
	return fmt.Errorf("write log: it is open for reading")
}

// An export is a bundle that is being put together.
type export struct {
	daemon  *Daemon
	request ExportRequest
	single  []int64
	fits    map[int64]bool // entries of the range whose payloads and fields are wanted; nil: all
	end     int64          // of the range that was asked for
	under   int64          // size of the checkpoint that enough witnesses have cosigned; 0: they have not, or there are none
	notes   []string       // for people
}

// show has the witnesses cosign, where there are any. Evidence is written in any case: whether it is enough is for who verifies it. What the
// witnesses said against it stands in the bundle, for people.
func (e *export) show(ctx context.Context) {
	if e.daemon.options.Installation.Witnesses.Policy == "" {
		return
	}
	r, err := e.daemon.WitnessLog(ctx)
	if err == nil && r.Quorum {
		e.under = r.Size
		return
	}
	note := "too few witnesses have cosigned the checkpoint"
	if err != nil {
		note += fmt.Sprintf("; %v", err)
	}
	for _, w := range r.Witnesses {
		if w.At == nil {
			note += fmt.Sprintf("; %s %s", w.Name, w.Error)
		}
	}
	e.notes = append(e.notes, note)
}

// choose finds out what belongs into the bundle, before anything is intended.
func (e *export) choose(tx *store.Tx) error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	r := &e.request
	if e.end = r.To; r.To < 0 {
		r.To, e.end = size, math.MaxInt64
	}
	if r.From < 0 || r.To > size || r.From > r.To || r.Since < 0 || r.Since > size {
		return &taffrail.Error{
			Op: "export log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there are no entries from %d to before %d, or no size %d", r.From, r.To, r.Since),
			Hint: fmt.Sprintf("the log has %d entries", size),
		}
	}
	pruned, err := tx.Pruned()
	if err != nil {
		return err
	}
	if r.From < r.To && r.From < pruned {
		return &taffrail.Error{
			Op: "export log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("the bodies of the entries before %d were pruned", pruned),
			Hint: fmt.Sprintf("export a range from %d on; `taffrail log search --type log.pruned` says when and why", pruned),
		}
	}
	wanted := map[int64]bool{}
	for _, index := range r.Entries {
		if _, err := entryAt(tx, index); err != nil {
			return err
		}
		wanted[index] = true
	}
	if r.Drift != "" {
		life, err := tx.Life(r.Drift)
		if err != nil {
			return err
		}
		for _, index := range life {
			wanted[index] = true
		}
	}
	e.single = slices.Sorted(maps.Keys(wanted))
	return e.filter(tx)
}

// filter finds the entries of the range whose payloads are wanted.
func (e *export) filter(tx *store.Tx) error {
	if e.request.Filter == nil {
		return nil
	}
	e.fits = map[int64]bool{}
	search := searchOf(*e.request.Filter)
	search.Limit, search.Before, search.From = store.MaxPage, &e.request.To, e.request.From
	for more := true; more; {
		var found []store.Match
		var err error
		if found, more, err = tx.Search(search); err != nil {
			return err
		}
		for _, match := range found {
			e.fits[match.Index] = true
		}
		if more {
			search.Before = &found[len(found)-1].Index
		}
	}
	return nil
}

// maxNamed is how many single entries an entry about an export names.
const maxNamed = 100

func (e *export) intent() taffrail.Exported {
	r := e.request
	body := taffrail.Exported{From: r.From, To: r.To, Single: e.single[:min(len(e.single), maxNamed)], Count: int64(len(e.single)), Filter: filterText(r.Filter)}
	return body
}

// filterText says what was asked for, for people.
func filterText(r *SearchRequest) string {
	if r == nil {
		return ""
	}
	text := ""
	add := func(name, value string) {
		if value != "" {
			text += fmt.Sprintf("%s=%s ", name, value)
		}
	}
	if !r.Since.IsZero() {
		add("since", r.Since.UTC().Format("2006-01-02T15:04:05Z"))
	}
	if !r.Until.IsZero() {
		add("until", r.Until.UTC().Format("2006-01-02T15:04:05Z"))
	}
	for _, t := range r.Types {
		add("type", string(t))
	}
	for _, o := range r.Outcomes {
		add("outcome", string(o))
	}
	add("actor", r.Actor)
	add("stack", string(r.Stack))
	add("resource", string(r.Resource))
	add("request", r.Request)
	add("text", r.Text)
	return clip(cmp.Or(text, "everything"))
}

// bundle says what to write, by the snapshot that it is written of.
func (e *export) bundle(tx *store.Tx, keys audit.Keys) (r audit.BundleRequest, err error) {
	policy, err := e.daemon.policyText(keys)
	if err != nil {
		return r, err
	}
	r = audit.BundleRequest{
		From: e.request.From, To: e.request.To, Single: e.single, Since: e.request.Since, Under: e.under, Notes: e.notes, Filter: filterText(e.request.Filter),
		Policy: []byte(policy), Program: "taffrail/" + e.daemon.options.Version, Made: e.daemon.now(),
		Payloads: e.payloads, Blob: func(digest string) ([]byte, error) { return tx.Blob(taffrail.BlobRef{SHA256: digest}) },
		Disclosures: func(index int64) ([]string, error) {
			if !e.wanted(index) {
				return nil, nil
			}
			return disclosures(tx, index)
		},
	}
	err = tx.Receipts(func(receipt audit.Receipt) error {
		if receipt.Kind != receiptWitnesses { // those are cosignatures, which the checkpoints bear
			r.Receipts = append(r.Receipts, receipt)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	erased, err := tx.AllRedactions()
	from, to := r.From-r.From%audit.TileWidth, r.To+audit.TileWidth // the range is widened to whole tiles
	for _, one := range erased {
		if r.From < r.To && one.Entry >= from && one.Entry < to || slices.Contains(e.single, one.Entry) {
			r.Redactions = append(r.Redactions, audit.Redaction{Entry: one.Entry, Digest: one.Digest, Payload: one.Payload, By: one.By})
		}
	}
	return r, err
}

// disclosures are the encoded fields of an entry.
func disclosures(tx *store.Tx, index int64) (all []string, err error) {
	fields, err := tx.Disclosures(index)
	for _, f := range fields {
		text, err := f.Text()
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, err
}

// wanted says whether what belongs to an entry is to be given out: not if the entry is there for the sake of its tile or of completeness alone.
func (e *export) wanted(index int64) bool {
	if slices.Contains(e.single, index) {
		return true
	}
	return index >= e.request.From && index < e.end && (e.fits == nil || e.fits[index])
}

// payloads names those that an entry names and that are wanted.
func (e *export) payloads(index int64, leaf []byte) ([]audit.Payload, error) {
	if !e.request.Payloads || !e.wanted(index) {
		return nil, nil
	}
	entry, err := taffrail.ParseEntry(leaf)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	var all []audit.Payload
	for _, ref := range entry.Body.Payloads() {
		all = append(all, audit.Payload{Entry: index, SHA256: ref.SHA256, Size: ref.Size})
	}
	return all, nil
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// receiptWitnesses is the kind of receipt that enough witnesses gave together: the note of the checkpoint with their cosignatures.
const receiptWitnesses = "witnesses"

// witnessName is the plug-in that asks a witness.
const witnessName = "http"

// policyText is the policy of the witnesses, as the operator wrote it, with the keys of the log in the place of what it says of logs. Without
// a configured one it asks for no witness.
func (d *Daemon) policyText(keys audit.Keys) (string, error) {
	path := d.options.Installation.Witnesses.Policy
	if path == "" {
		return keys.String() + "quorum none\n", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &taffrail.Error{Op: "read policy of the witnesses", Kind: taffrail.KindInvalid, Err: err, Hint: "`witnesses: policy` in " + config.InstallationName + " names it"}
	}
	return keys.String() + withoutLogs(string(text)), nil
}

// withoutLogs leaves out of a policy what it says of logs.
func withoutLogs(policy string) string {
	var b strings.Builder
	for line := range strings.Lines(policy) {
		words := strings.Fields(line)
		if len(words) > 0 && (words[0] == "log" || len(words) > 1 && words[1] == "taffrail:valid") {
			continue
		}
		b.WriteString(line)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// policy is the same, understood.
func (d *Daemon) policy(keys audit.Keys) (*audit.Policy, error) {
	text, err := d.policyText(keys)
	if err != nil {
		return nil, err
	}
	p, err := audit.ParsePolicy([]byte(text))
	if err != nil {
		return nil, &taffrail.Error{
			Op: "read policy of the witnesses", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: %w", d.options.Installation.Witnesses.Policy, err),
			Hint: "write it as C2SP tlog-policy says: witness NAME VKEY URL, and a quorum",
		}
	}
	return p, nil
}

// A panelOf is the witnesses, who are asked with the log's keys of a time.
type panelOf struct {
	*audit.Panel
	keys audit.Keys
}

// panel gives the witnesses, which remember what each of them saw last as long as the log's keys stay.
func (d *Daemon) panel(ctx context.Context, keys audit.Keys) (*audit.Panel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.witnesses != nil && d.witnesses.keys.Equal(keys) {
		return d.witnesses.Panel, nil
	}
	if d.options.Installation.Witnesses.Policy == "" {
		return nil, &taffrail.Error{
			Op: "witness log", Kind: taffrail.KindInvalid, Err: errors.New("no witnesses are configured"),
			Hint: "name a policy with their keys and addresses: `witnesses: policy` in " + config.InstallationName,
		}
	}
	p, err := d.policy(keys)
	if err != nil {
		return nil, err
	}
	if !p.NeedsWitness() { // nobody would have to cosign, and all would be said to be witnessed
		return nil, &taffrail.Error{
			Op: "witness log", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s asks for no witness", d.options.Installation.Witnesses.Policy),
			Hint: "name a quorum in it, such as `quorum NAME` with the name of a witness; or leave `witnesses` out of " + config.InstallationName,
		}
	}
	all := map[string]audit.Cosigning{}
	for _, w := range p.Witnesses {
		if w.URL == "" {
			continue
		}
		settings := map[string]any{"url": w.URL, "timeout": d.options.Installation.Witnesses.Timeout.String()}
		if all[w.Name], err = openPlugin[audit.Cosigning](ctx, d, witnessName, settings); err != nil {
			return nil, err
		}
	}
	d.witnesses = &panelOf{audit.NewPanel(p, all, d.options.Installation.Witnesses.Timeout, d.options.Now), keys}
	return d.witnesses.Panel, nil
}

// WitnessLog implements [LogWitnesses].
func (d *Daemon) WitnessLog(ctx context.Context) (WitnessReport, error) {
	l, err := d.current()
	if err != nil {
		return WitnessReport{}, err
	}
	if _, err := l.log.Sign(ctx); err != nil {
		return WitnessReport{}, boundary("witness log", err)
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return WitnessReport{}, boundary("witness log", err)
	}
	panel, err := d.panel(ctx, keys)
	if err != nil {
		return WitnessReport{}, err
	}
	heard, err := panel.Ask(ctx, l.store, keys)
	r := witnessReport(heard)
	if err != nil || !r.Quorum {
		return r, boundary("witness log", err)
	}
	// The cosignatures are stored with the checkpoint. That they are enough is noted beside it: if we stop before that, the next round
	// asks again, and notes it.
	receipt := audit.Receipt{Size: heard.Size, Kind: receiptWitnesses, Anchor: "quorum", At: d.now(), Data: heard.Note}
	return r, l.store.Update(ctx, func(tx *store.Tx) error { return tx.PutReceipt(receipt) })
}

func witnessReport(h audit.Hearing) WitnessReport {
	r := WitnessReport{Size: h.Size, Quorum: h.Quorum, Witnesses: []WitnessAnswer{}}
	for _, a := range h.Answers {
		answer := WitnessAnswer{Name: a.Witness}
		if a.Reply == audit.ReplyCosigned {
			answer.At = &a.At
		} else {
			answer.Error = fmt.Sprintf("%s: %v", a.Reply, a.Err)
		}
		r.Witnesses = append(r.Witnesses, answer)
	}
	return r
}

// anchors opens the configured anchors, each by the name that its receipts bear.
func (d *Daemon) anchors(ctx context.Context) (all []namedAnchor, err error) {
	for i, section := range d.options.Installation.Anchors {
		a, err := plug.Open[audit.Anchor](ctx, d.options.Plugins, section.Plugin, d.env(nil), plug.Settings{File: d.options.Installation.Name(), YAML: section.YAML})
		if err != nil {
			return nil, err
		}
		all = append(all, namedAnchor{a, section.Plugin, fmt.Sprintf("%d", i+1)})
	}
	return all, nil
}

type namedAnchor struct {
	audit.Anchor
	kind, place string
}

// AnchorLog implements [LogWitnesses]. If we stop between an authority's answer and the storing of its receipt, the authority has seen the
// checkpoint and we do not know: it is shown again.
func (d *Daemon) AnchorLog(ctx context.Context) (AnchorReport, error) {
	l, err := d.current()
	if err != nil {
		return AnchorReport{}, err
	}
	anchors, err := d.anchors(ctx)
	if err == nil && len(anchors) == 0 {
		err = &taffrail.Error{Op: "anchor log", Kind: taffrail.KindInvalid, Err: errors.New("no anchors are configured"), Hint: "list them in " + config.InstallationName + ": anchors"}
	}
	if err != nil {
		return AnchorReport{}, err
	}
	cp, err := l.log.Sign(ctx)
	if err != nil {
		return AnchorReport{}, boundary("anchor log", err)
	}
	r := AnchorReport{Size: cp.Size, Anchors: []AnchorAnswer{}}
	for _, a := range anchors {
		defer closeOf(a.Anchor) //nolint:errcheck // nothing is under way
		answer := AnchorAnswer{Kind: a.kind, Name: a.place}
		receipt, err := a.Anchor.Anchor(ctx, cp)
		if err == nil {
			answer.Name, answer.At = receipt.Anchor, &receipt.At
			err = l.store.Update(ctx, func(tx *store.Tx) error { return tx.PutReceipt(receipt) })
		}
		if taffrail.KindOf(boundary("anchor log", err)) == taffrail.KindCorrupt && err != nil {
			return r, boundary("anchor log", err)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		r.Anchors = append(r.Anchors, answer)
	}
	return r, nil
}

// Package auditor is what somebody runs who verifies a bundle: files in, verdicts out, and a memory of what was seen last. It trusts the
// policy that it is given and nothing else, and never asks the network.
package auditor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
)

// The exit statuses, one for each class of answer.
const (
	ExitVerified   = 0 // everything that could be checked holds
	ExitUnreadable = 1 // a file could not be read, or is none: nothing was found out
	ExitForged     = 3 // something contradicts what is signed, or what was remembered
	ExitUnsigned   = 4 // no key of the policy signed the checkpoint
	ExitUnseen     = 5 // the policy asks for more witnesses than cosigned
	ExitUnlinked   = 6 // it does not show whether the log contains what was remembered
)

// A Request names the files.
type Request struct {
	Bundle   string // "-" is standard input
	Policy   string
	Remember string // what was seen last, and will be written anew; empty is nothing

	// Anchors check the receipts of outside authorities, by kind. What has no checker is not checked.
	Anchors map[string]audit.Checker
}

// Verify verifies a bundle. If everything holds, the checkpoint is remembered: durably, and only if it is no smaller than what was
// remembered before. If we stop before that, the next bundle is compared with what was remembered before.
func Verify(ctx context.Context, r Request, stdin io.Reader) (audit.BundleReport, error) {
	text, err := readSmall(r.Policy)
	if err != nil {
		return audit.BundleReport{}, fmt.Errorf("read policy: %w", err)
	}
	policy, err := audit.ParsePolicy(text)
	if err != nil {
		return audit.BundleReport{}, fmt.Errorf("%s: %w", r.Policy, err)
	}
	remembered, err := recall(r.Remember)
	if err != nil {
		return audit.BundleReport{}, err
	}
	if r.Bundle != "-" {
		f, err := os.Open(r.Bundle)
		if err != nil {
			return audit.BundleReport{}, fmt.Errorf("read bundle: %w", err)
		}
		defer f.Close()
		stdin = f
	}
	report, err := audit.VerifyBundle(ctx, stdin, policy, remembered, r.Anchors)
	if err != nil || !report.OK() || r.Remember == "" {
		return report, err
	}
	return report, remember(r.Remember, remembered, report.Head)
}

const maxSmall = 1 << 20

// readSmall reads a file that is small if it is what it should be.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSmall)
	}
	return data, err
}

// recall reads what was seen last: nil where nothing was. A file that cannot be understood is an error, and never taken for none.
func recall(path string) (*audit.Head, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was remembered: %w", err)
	}
	head, err := audit.ParseCheckpoint(data)
	if err != nil {
		return nil, fmt.Errorf("read what was remembered: %s: %w", path, err)
	}
	return &head, nil
}

// remember writes a head in place of the one that it was compared with: beside it, synced, renamed, and the folder synced. If another one
// is there by now, it stays.
func remember(path string, was *audit.Head, head audit.Head) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remember the checkpoint: %w", err)
		}
	}()
	text, err := audit.FormatCheckpoint(head)
	if err != nil {
		return err
	}
	if was != nil && *was == head {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone if all went well
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	is, err := recall(path)
	if err != nil {
		return err
	}
	if (is == nil) != (was == nil) || is != nil && *is != *was {
		return fmt.Errorf("%s: another verification has remembered something meanwhile; verify again", path)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// ExitStatus gives the class of an answer. No signature comes before a contradiction, that before witnesses that are missing, and
// those before what the bundle does not show.
func ExitStatus(r audit.BundleReport, err error) int {
	if err != nil {
		return ExitUnreadable
	}
	status := ExitVerified
	for _, v := range r.Verdicts {
		if v.Finding != audit.FindingFailed {
			continue
		}
		switch v.Name {
		case audit.VerdictSignature:
			return ExitUnsigned
		case audit.VerdictQuorum:
			status = least(status, ExitUnseen)
		case audit.VerdictConsistency:
			if r.Unlinked {
				status = least(status, ExitUnlinked)
				break
			}
			status = ExitForged
		default:
			status = ExitForged
		}
	}
	return status
}

// least gives way to whatever was found before.
func least(status, other int) int {
	if status == ExitVerified {
		return other
	}
	return status
}

// Text is a report for people.
func Text(r audit.BundleReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Log %s, %d entries, root %s\n", clean(r.Origin), r.Size, r.Root)
	switch {
	case r.From < r.To:
		fmt.Fprintf(&b, "Entries %d to %d", r.From, r.To-1)
	default:
		fmt.Fprintf(&b, "No range of entries")
	}
	fmt.Fprintf(&b, ", %d single; %d payloads, %d withheld; %d fields, %d withheld\n\n", r.Single, r.Payloads, r.Withheld, r.Disclosed, r.WithheldFields)
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%-12s %-13s %s\n", strings.ReplaceAll(string(v.Finding), "_", " "), v.Name, clean(v.Detail))
		for _, f := range v.Faults {
			fmt.Fprintf(&b, "%-12s - %s\n", "", clean(f))
		}
		if v.Hint != "" {
			fmt.Fprintf(&b, "%-12s hint: %s\n", "", clean(v.Hint))
		}
	}
	for _, a := range r.Anchors {
		fmt.Fprintf(&b, "%s\n", clean(ReceiptText(a)))
	}
	if r.OK() {
		fmt.Fprintf(&b, "\nVerified, %s\n", Levels(r))
	} else {
		fmt.Fprintf(&b, "\nNOT VERIFIED\n")
	}
	return b.String()
}

// ReceiptText is a line about the receipt of an outside authority.
func ReceiptText(a audit.Anchored) string {
	text := fmt.Sprintf("Receipt of %s (%s) for %d entries, %s", a.Anchor, a.Kind, a.Size, a.At.UTC().Format(time.RFC3339))
	if a.Checked {
		return text + ": it holds"
	}
	return text + ", not checked: " + a.Why
}

// Levels says how far the checkpoint has come.
func Levels(r audit.BundleReport) string {
	n := 0
	for _, a := range r.Anchors {
		if a.Checked {
			n++
		}
	}
	if n == 0 {
		return r.Signed
	}
	return fmt.Sprintf("%s, ANCHORED(%d)", r.Signed, n)
}

// clean makes text of a bundle fit for a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

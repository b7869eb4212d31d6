package audit

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// takeAnchor takes the next of the receipts that the manifest lists.
func (v *bundleVerifier) takeAnchor(h *tar.Header) error {
	data, err := v.content(h, maxNote)
	if err != nil {
		return err
	}
	if v.anchors == len(v.manifest.Anchors) || v.manifest.Anchors[v.anchors].File != h.Name {
		return errors.New("the manifest does not list it, or not here")
	}
	ref := v.manifest.Anchors[v.anchors]
	if !plainKind(ref.Kind) || h.Name != receiptName(ref.Size, v.anchors, ref.Kind) {
		return errors.New("it is not named by size, number and kind")
	}
	v.anchors++
	cp, ok := v.signedAt(ref.Size)
	if !ok {
		v.leave(ref, "the bundle holds no checkpoint of that size which the policy accepts", "")
		return nil
	}
	return v.checkAnchor(ref, cp, Receipt{Size: ref.Size, Kind: ref.Kind, Anchor: ref.Anchor, At: ref.At, Data: data})
}

// receiptName is the file of the receipt with a number, from 0.
func receiptName(size int64, number int, kind string) string {
	return fmt.Sprintf("anchors/%d.%d.%s", size, number, kind)
}

// plainKind says whether a kind is a word that can stand in the name of a file, and that in a command for a shell.
func plainKind(kind string) bool {
	for _, c := range kind {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return kind != ""
}

// checkAnchor asks the checker of the receipt's kind. What a checker says of the time bounds the entries, as a cosignature does.
func (v *bundleVerifier) checkAnchor(ref AnchorRef, cp Checkpoint, r Receipt) error {
	hint := ""
	if r.Kind == KindTimestamp {
		s, err := ParseStamp(r.Data)
		if err == nil && !s.Of(cp) {
			err = errors.New("it is about another checkpoint")
		}
		if err != nil {
			v.report.fail(VerdictAnchors, "%s: %v", ref.File, err)
			return nil
		}
		hint = stampHint(ref, s)
	}
	check := v.checkers[r.Kind]
	if check == nil {
		v.leave(ref, "receipts of this kind are not checked here", hint)
		return nil
	}
	at, err := check(v.ctx, cp, r)
	var contradiction *CorruptError
	switch {
	case v.ctx.Err() != nil:
		return v.ctx.Err()
	case errors.As(err, &contradiction):
		v.report.fail(VerdictAnchors, "%s: %v", ref.File, err)
	case err != nil:
		v.leave(ref, err.Error(), hint)
	default:
		v.report.Anchors = append(v.report.Anchors, Anchored{Kind: r.Kind, Anchor: r.Anchor, Size: r.Size, At: at, Checked: true})
		v.chronicle.before = append(v.chronicle.before, bound{r.Size, at, r.Anchor})
	}
	return nil
}

// leave notes a receipt that was not checked, and so proves nothing.
func (v *bundleVerifier) leave(ref AnchorRef, why, hint string) {
	v.report.Anchors = append(v.report.Anchors, Anchored{Kind: ref.Kind, Anchor: ref.Anchor, Size: ref.Size, At: ref.At, Why: why})
	if hint != "" && len(v.unchecked) < maxFaults {
		v.unchecked = append(v.unchecked, hint)
	}
}

// stampHint is how openssl checks a stamp: of the note in it, which has this digest.
func stampHint(ref AnchorRef, s Stamp) string {
	return fmt.Sprintf("jq -r .response %s | base64 -d > response.tsr && openssl ts -verify -digest %x -in response.tsr -CAfile THE-AUTHORITYS-CA.pem", ref.File, sha256.Sum256(s.Note))
}

func (v *bundleVerifier) concludeAnchors() {
	r := &v.report
	checked := 0
	var last time.Time
	for _, a := range r.Anchors {
		if a.Checked {
			checked++
			if a.At.After(last) {
				last = a.At
			}
		}
	}
	if missing := len(v.manifest.Anchors) - v.anchors; missing > 0 {
		r.fail(VerdictAnchors, "%d of %d receipts are missing", missing, len(v.manifest.Anchors))
	}
	d := r.verdict(VerdictAnchors)
	for i, hint := range v.unchecked {
		if i > 0 {
			d.Hint += "; "
		}
		d.Hint += hint
	}
	switch total := len(v.manifest.Anchors); {
	case total == 0:
		r.settle(VerdictAnchors, FindingNotChecked, "the bundle holds none")
	case checked == total:
		r.settle(VerdictAnchors, FindingOK, "%d outside authorities' receipts hold, the last of %s", checked, last.UTC().Format(time.RFC3339))
	case checked > 0:
		r.settle(VerdictAnchors, FindingNotChecked, "%d of %d receipts hold, and the others were not checked", checked, total)
	default:
		r.settle(VerdictAnchors, FindingNotChecked, "%d receipts were not checked", total)
	}
}

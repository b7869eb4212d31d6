package witness

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

const (
	maxSize      = 1 << 60       // of a log; beyond it there is none
	defaultPause = time.Minute   // for a witness that does not say how long
	maxPause     = 6 * time.Hour // whatever it says
)

// refused makes of an answer other than 200 what [audit.Cosigning] promises.
func (w *client) refused(g audit.Growth, r *http.Response, body []byte) error {
	switch r.StatusCode {
	case http.StatusBadRequest:
		return w.error(taffrail.KindInvalid, audit.ErrBadGrowth, "check that `url` is a witness of the C2SP protocol")
	case http.StatusForbidden:
		return w.error(taffrail.KindDenied, audit.ErrNotTheLogs, "give the operator of the witness the log's public key")
	case http.StatusNotFound:
		return w.error(taffrail.KindNotFound, audit.ErrUnknownLog, "give the operator of the witness the log's public key, and check `url`")
	case http.StatusConflict:
		return w.conflict(g, r.Header.Get("Content-Type"), body)
	case http.StatusUnprocessableEntity:
		return w.error(taffrail.KindCorrupt, audit.ErrUnprovedTree, hintFork)
	case http.StatusTooManyRequests:
		return w.later(r, defaultPause)
	case http.StatusServiceUnavailable:
		return w.later(r, 0)
	}
	if r.StatusCode >= 300 && r.StatusCode < 400 {
		return w.error(taffrail.KindInvalid, fmt.Errorf("it sends us on to %s", place(r)), "set `url` to where the witness is now, if you trust that place")
	}
	if r.StatusCode >= 500 {
		return w.unavailable(fmt.Errorf("it answers with status %d", r.StatusCode), "")
	}
	return w.senseless(fmt.Errorf("it answers with status %d", r.StatusCode))
}

const hintFork = "verify the log: what the witness saw earlier is not in it, or the witness is not the one it was"

// conflict tells a size to go on from, and another tree of the same size, apart.
func (w *client) conflict(g audit.Growth, media string, body []byte) error {
	if media, _, err := mime.ParseMediaType(media); err != nil || media != sizeType {
		return w.error(taffrail.KindCorrupt, audit.ErrOtherTree, hintFork)
	}
	size, ok := parseSize(body)
	switch {
	case !ok:
		return w.senseless(fmt.Errorf("%.40q is no size", body))
	case size != g.Old:
		return w.error(taffrail.KindConflict, &audit.OldSizeError{Size: size}, "")
	case size == sizeOf(g.Checkpoint):
		return w.error(taffrail.KindCorrupt, audit.ErrOtherTree, hintFork)
	}
	return w.senseless(fmt.Errorf("it asks to go on from size %d, from which the request goes on", size))
}

// parseSize reads a number in the one spelling that there is, and its newline.
func parseSize(body []byte) (int64, bool) {
	size, err := strconv.ParseInt(strings.TrimSuffix(string(body), "\n"), 10, 64)
	return size, err == nil && size >= 0 && size <= maxSize && string(body) == strconv.FormatInt(size, 10)+"\n"
}

// sizeOf is the size that our own checkpoint names; -1 for one that names none.
func sizeOf(checkpoint []byte) int64 {
	text, _, _ := bytes.Cut(checkpoint, []byte("\n\n"))
	head, err := audit.ParseCheckpoint(append(bytes.Clone(text), '\n'))
	if err != nil {
		return -1
	}
	return head.Size
}

// later remembers that the witness wants a pause. Without one of its own, it is the one given.
func (w *client) later(r *http.Response, pause time.Duration) error {
	if asked, ok := retryAfter(r.Header.Get("Retry-After"), w.now()); ok {
		pause = min(asked, maxPause)
	}
	w.pauseFor(pause)
	return w.unavailable(fmt.Errorf("it answers with status %d, to be asked again in %v", r.StatusCode, pause.Round(time.Second)), "")
}

// retryAfter reads both forms of the header: seconds, and a date (RFC 9110, section 10.2.3).
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	return max(0, at.Sub(now)), err == nil
}

// place names where a redirection leads to, without anything that may be secret.
func place(r *http.Response) string {
	to, err := r.Location()
	if err != nil {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host
}

// failed gives an error of the connection its kind.
func (w *client) failed(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return w.error(taffrail.KindDenied, err, "set `ca_file` to the certificates that sign the witness's own")
	case errors.Is(err, context.DeadlineExceeded):
		return w.unavailable(err, fmt.Sprintf("it had %v; set `timeout` if it needs more", w.timeout))
	}
	return w.unavailable(err, "check that the witness runs and that `url` is its address")
}

func (w *client) unavailable(err error, hint string) error {
	return w.error(taffrail.KindUnavailable, err, hint)
}

// senseless is for an answer that no witness gives.
func (w *client) senseless(err error) error {
	return w.error(taffrail.KindInvalid, err, "check that `url` is the witness, and what stands in between")
}

func (w *client) error(kind taffrail.Kind, err error, hint string) error {
	return &taffrail.Error{Op: opAsk, Kind: kind, Err: fmt.Errorf("%s: %w", w.prefix, err), Hint: hint}
}

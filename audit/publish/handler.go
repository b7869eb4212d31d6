package publish

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// How long answers may be kept. A tile never changes. A checkpoint must not be cached "beyond a few seconds", and what is not there may be
// there soon.
const (
	cacheTile       = "public, max-age=31536000, immutable"
	cacheCheckpoint = "public, max-age=3"
	cacheNothing    = "no-store"
)

// Handler serves a log: GET and HEAD of /checkpoint and of the paths below /tile/, and nothing else. Where it stands under a prefix,
// [http.StripPrefix] takes that away. One of the keys must have signed the newest checkpoint. Why an answer could not be given is told to the
// logger, and to whoever asked only in general.
//
// A tile is served in every width that the newest checkpoint covers, so that all which an earlier one had stay where they were.
func Handler(s audit.Storage, keys Keys, logger *slog.Logger) http.Handler {
	return &handler{s, keys, logger}
}

type handler struct {
	storage audit.Storage
	keys    Keys
	logger  *slog.Logger
}

// A resource is what a path stands for.
type resource struct {
	body        []byte
	contentType string
	cache       string
	packed      bool // is worth compressing
}

// A refusal is an answer with another status than 200, for people.
type refusal struct {
	status int
	text   string
}

// Error gives the text.
func (r *refusal) Error() string { return r.text }

func notFound(format string, args ...any) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, err := h.find(r)
	switch {
	case r.Context().Err() != nil: // nobody is waiting
	case err != nil:
		h.refuse(w, r, err)
	default:
		answer(w, r, found)
	}
}

func allowed(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &refusal{http.StatusMethodNotAllowed, "a log is read with GET and HEAD"}
	case r.URL.EscapedPath() != r.URL.Path: // one resource has one name, or caches hold it more than once
		return notFound("no path here has an escape in it")
	}
	return nil
}

// find gives what a request asks for.
func (h *handler) find(r *http.Request) (found resource, err error) {
	if err := allowed(r); err != nil {
		return found, err
	}
	keys, err := h.keys(r.Context())
	if err != nil {
		return found, err
	}
	err = h.storage.View(r.Context(), func(snapshot audit.Reader) (err error) {
		found, err = lookUp(snapshot, keys, r.URL.Path)
		return err
	})
	return found, err
}

// lookUp gives what a path stands for in a snapshot.
func lookUp(r audit.Reader, keys audit.Keys, path string) (resource, error) {
	cp, err := newest(r, keys)
	switch {
	case errors.Is(err, ErrUnsigned):
		return resource{}, notFound("%v", err)
	case err != nil:
		return resource{}, err
	case path == "/checkpoint":
		return resource{body: cp.Note, contentType: "text/plain; charset=utf-8", cache: cacheCheckpoint}, nil
	}
	name, _ := strings.CutPrefix(path, "/")
	t, err := audit.ParseTile(name)
	switch {
	case err != nil || "/"+name != path:
		return resource{}, notFound("there are /checkpoint, /tile/<L>/<N>[.p/<W>] and /tile/entries/<N>[.p/<W>]")
	case !covered(t, cp.Size):
		return resource{}, notFound("this tile is not part of the %d entries that are signed", cp.Size)
	}
	data, err := tile(r, cp, t)
	return resource{body: data, contentType: "application/octet-stream", cache: cacheTile, packed: t.Level < 0}, err
}

// tile reads a tile that the checkpoint covers. One of hashes that has grown since is cut to the width asked for.
func tile(r audit.Reader, cp audit.Checkpoint, t audit.Tile) ([]byte, error) {
	if t.Level < 0 {
		pruned, err := r.Pruned()
		if err != nil {
			return nil, err
		}
		if _, to := entriesOf(t); to <= pruned {
			return nil, &refusal{http.StatusGone, fmt.Sprintf("the entries before %d were pruned; their hashes are still served", pruned)}
		}
	}
	at := place{max(t.Level, 0), t.N}
	tiles, err := hashTiles(r, cp, []audit.Tile{{Level: at.level, N: at.n}})
	if err != nil {
		return nil, err
	}
	if t.Level < 0 {
		return bundle(r, t, tiles[at])
	}
	return tiles[at][:t.Width*tlog.HashSize], nil
}

// refuse says why there is no answer. What went wrong here is for the logger alone.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var known *refusal
	var corrupt *audit.CorruptError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &corrupt):
		known = &refusal{http.StatusInternalServerError, "what is stored contradicts what was signed, and is not served"}
	default:
		known = &refusal{http.StatusServiceUnavailable, "the log cannot be read at the moment"}
	}
	if known.status >= http.StatusInternalServerError {
		h.logger.ErrorContext(context.WithoutCancel(r.Context()), "serve log", "path", r.URL.Path, "err", err)
	}
	if known.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, HEAD")
	}
	w.Header().Set("Cache-Control", cacheNothing)
	http.Error(w, known.text, known.status)
}

// answer writes a resource. Bundles are compressed for whoever takes that, as tlog-tiles recommends.
func answer(w http.ResponseWriter, r *http.Request, found resource) {
	head := w.Header()
	head.Set("Content-Type", found.contentType)
	head.Set("Cache-Control", found.cache)
	head.Set("X-Content-Type-Options", "nosniff")
	if found.packed {
		head.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			head.Set("Content-Encoding", "gzip")
			found.body = pack(found.body)
		}
	}
	head.Set("Content-Length", strconv.Itoa(len(found.body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(found.body) // whoever asked has gone, or sees that it is too short
	}
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip by name or else by the star, with a weight that is not zero.
func acceptsGzip(values []string) bool {
	star := false
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		switch coding {
		case "gzip", "x-gzip":
			return wanted(weight)
		case "*":
			star = wanted(weight)
		}
	}
	return star
}

// wanted says whether a weight, such as "q=0.5", is above zero. None is 1; what makes no sense is zero.
func wanted(weight string) bool {
	weight = strings.TrimSpace(weight)
	if weight == "" {
		return true
	}
	name, number, _ := strings.Cut(weight, "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	return err == nil && strings.EqualFold(strings.TrimSpace(name), "q") && q > 0
}

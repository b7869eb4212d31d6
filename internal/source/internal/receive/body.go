package receive

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// A Refusal is why a body was not taken, with the status that says so.
type Refusal struct {
	Status int
	What   string // for the sender; quotes nothing of the body
}

// Error implements error.
func (r *Refusal) Error() string { return r.What }

// Refuse answers with the refusal in err.
func Refuse(w http.ResponseWriter, err error) {
	refusal := &Refusal{http.StatusServiceUnavailable, "it was not stored"}
	_ = errors.As(err, &refusal) // else the sender may try again
	if refusal.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, refusal.What, refusal.Status)
}

// A share is what one request takes of the memory that all bodies have.
type share struct {
	endpoint *Endpoint
	bytes    int64
}

type shareKey struct{}

// take adds to the share, and says whether there is that much.
func (s *share) take(n int) bool {
	s.bytes += int64(n)
	return s.endpoint.held.Add(int64(n)) <= s.endpoint.maxHeld
}

func (s *share) giveBack() { s.endpoint.held.Add(-s.bytes) }

// firstRead is what is allocated before it is known that anything comes.
const firstRead = 16 << 10

// Body reads the body of a request that [Endpoint.Serve] serves, unpacked if it is packed with gzip. The error is a [*Refusal].
// It has a time to come; what is done with it once it is there may take longer, since net/http ends the deadline at the end of a body.
func (e *Endpoint) Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	from := io.Reader(http.MaxBytesReader(w, r.Body, int64(e.config.MaxBody)))
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, e.unread(err)
		}
		from = unpacked
	default:
		return nil, &Refusal{http.StatusUnsupportedMediaType, "the encoding is not gzip"}
	}
	s, _ := r.Context().Value(shareKey{}).(*share)
	return e.fill(from, s)
}

// fill reads to the end. Memory is taken as bytes come, never for what a header promises.
func (e *Endpoint) fill(from io.Reader, s *share) ([]byte, error) {
	body := make([]byte, 0, min(firstRead, e.config.MaxBody+1))
	if !s.take(cap(body)) {
		return nil, errFull
	}
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > e.config.MaxBody:
			return nil, e.tooLarge()
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, e.unread(err)
		}
		if len(body) == cap(body) {
			more := min(cap(body), e.config.MaxBody+1-len(body))
			if !s.take(more) {
				return nil, errFull
			}
			body = append(make([]byte, 0, cap(body)+more), body...)
		}
	}
}

var errFull = &Refusal{http.StatusServiceUnavailable, "too much is being sent at once"}

func (e *Endpoint) tooLarge() error {
	return &Refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", e.config.MaxBody)}
}

func (e *Endpoint) unread(err error) error {
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &large):
		return e.tooLarge()
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum):
		return &Refusal{http.StatusBadRequest, "the body is not gzip"}
	case errors.As(err, &network) && network.Timeout():
		return &Refusal{http.StatusRequestTimeout, "the body took too long"}
	}
	return &Refusal{http.StatusBadRequest, "the body cannot be read to its end"}
}

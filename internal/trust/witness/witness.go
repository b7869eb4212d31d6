// Package witness speaks C2SP tlog-witness over HTTP, from both ends: it asks the witnesses of others to cosign our log, and it lets us
// be a witness for others.
//
// # As a client
//
// [Register] adds the role [audit.Cosigning] under the name "http": each request is one POST of <url>/add-checkpoint. What the witness
// answers becomes the errors that [audit.Cosigning] promises, each inside a [*taffrail.Error]. Whatever else happens (nobody there, too
// slow, too much, no sense) only means that it did not answer. A witness that asks for a pause, by 429 or 503 with Retry-After, is not
// asked again before.
//
// # As a witness
//
// The role is [audit.WitnessServer], by the same name. [ParseLogs] reads which logs a witness knows, [Logs.Witness] puts them together with a
// key and a memory, [Handler] answers for it, and [Serve] runs that until it is told to stop.
//
//	POST <prefix>/add-checkpoint                   cosigns growth (tlog-witness)
//	GET  <prefix>/<sha256 of origin>/checkpoint    the newest that was cosigned, for auditors
//
// The second has the path that tlog-mirror has: the SHA-256 of the log's origin line, in lower-case hex. Its answer is the text of the
// checkpoint as it is remembered, with a cosignature of this moment, which says that nothing larger was cosigned by now. The log's
// own signatures stand before it if this process saw them; the memory holds size and root alone.
package witness

import (
	"context"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Register registers both ends.
func Register(r *plug.Registry) {
	plug.Add(r, "http", func(_ context.Context, env plug.Env, c Config) (audit.Cosigning, error) {
		client, err := newClient(env, c)
		if err != nil {
			return nil, err
		}
		return client, nil
	})
	plug.Add(r, "http", newServer)
}

// Bounds of the protocol, in bytes.
const (
	maxRequest = 1 << 16
	maxAnswer  = 1 << 16
)

// sizeType is the media type of an answer that is a size.
const sizeType = "text/x.tlog.size"

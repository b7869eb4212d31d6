// Package kubeaudit reads the audit events of a Kubernetes API server (audit.k8s.io/v1), from the level Metadata to RequestResponse.
//
// Where an event carries the object that it left behind, it becomes a [taffrail.Snapshot], with what the request itself named beside it:
// that is what proves an author. Data of Secrets become keyed digests before anything else sees them. Of the network addresses only the
// last one counts, since clients can set the others.
package kubeaudit

import (
	"context"
	"errors"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Name is the plug-in's name.
const Name = "kubeaudit"

// DecoderConfig is what the decoder can be told: nothing yet.
type DecoderConfig struct{}

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, _ DecoderConfig) (taffrail.Decoder, error) {
		if env.Sealer == nil {
			return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInternal, Err: errors.New("kubeaudit: there is nothing to seal secrets with")}
		}
		return decoder{env.Sealer}, nil
	})
}

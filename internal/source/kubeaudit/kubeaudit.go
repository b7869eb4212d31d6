// Package kubeaudit reads the audit events of a Kubernetes API server (audit.k8s.io/v1), from the level Metadata to RequestResponse.
//
// Where an event carries the object that it left behind, it becomes a [taffrail.Snapshot], with what the request itself named beside it:
// that is what proves an author. Data of Secrets become keyed digests before anything else sees them. Of the network addresses only the
// last one counts, since clients can set the others.
//
// A server writes up to three events for one request, all of one auditID. The one that tells of its end is the event of that id; those of the
// stages before it change nothing, and have ids of their own: AUDITID/RequestReceived.
package kubeaudit

import (
	"context"
	"errors"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// Name is the plug-in's name.
const Name = "kubeaudit"

// Config says where the events of an API server come from: to a listener, as its webhook backend, or out of the log file that it writes.
type Config struct {
	receive.Config `yaml:",inline"`
	// Path is that of the audit log file, as in --audit-log-path. What was rotated away is looked for beside it.
	Path string `yaml:"path"`
}

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, _ Config) (taffrail.Decoder, error) {
		if env.Sealer == nil {
			return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInternal, Err: errors.New("kubeaudit: there is nothing to seal secrets with")}
		}
		return newDecoder(env.Sealer), nil
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReceiver, error) {
		endpoint, err := receive.Open(env, c.Config, false)
		if err != nil {
			return nil, err
		}
		return receiver{endpoint}, nil
	})
	plug.Add(r, Name, func(_ context.Context, _ plug.Env, c Config) (taffrail.EventReader, error) {
		if c.Path == "" {
			return nil, &taffrail.Error{Op: opRead, Kind: taffrail.KindInvalid, Err: errors.New("it is not said which file"), Hint: "set `path` to the path of the API server's --audit-log-path"}
		}
		return &reader{path: c.Path, limit: maxLine}, nil
	})
}

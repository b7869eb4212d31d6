// Package otlp takes log records from everything that speaks the OpenTelemetry protocol: over HTTP as protobuf or JSON, and over gRPC, at one
// address.
//
// Each log record becomes one JSON object, `body` and `attributes` of it beside `resource` and `scope`, whose attributes it shares with others. A record
// whose body is one of CloudTrail or of a Kubernetes API server goes to the decoder of that; all others are read by a mapping.
package otlp

import (
	"context"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// Name is the plug-in's name.
const Name = "otlp"

// Config says where log records are sent, by whom, and what is where in them.
type Config struct {
	receive.Config `yaml:",inline"`
	// Mapping says where in a log record is what. What it leaves open is looked for where the conventions of OpenTelemetry put it.
	Mapping mapping.Config `yaml:"mapping"`
}

// usual is where things are by the conventions of OpenTelemetry, and in the bodies of most.
var usual = mapping.Config{
	ID:     `attributes."log.record.uid" | attributes."event.id"`,
	Time:   "time_unix_nano | observed_time_unix_nano | taffrail.received",
	Action: `event_name | attributes."event.name" | body.action | body.event | =log`,
	Actor: mapping.Actor{
		ID:   `attributes."user.id" | attributes."enduser.id" | attributes."user.name" | attributes."user.email" | body.actor | body.user`,
		Name: `attributes."user.name" | attributes."user.full_name"`,
	},
	Error: `attributes."error.type"`, Address: `attributes."client.address" | attributes."source.address"`, UserAgent: `attributes."user_agent.original"`,
	Account: `resource."cloud.account.id"`, Region: `resource."cloud.region"`,
}

const hint = "a record is a JSON object with a log record of OpenTelemetry: body, attributes, resource"

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.Decoder, error) {
		return mapping.New(Name, env.Sealer, c.Mapping.Or(usual), hint)
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReceiver, error) {
		endpoint, err := receive.Open(env, c.Config, false)
		if err != nil {
			return nil, err
		}
		endpoint.PriorKnowledge = true // gRPC without TLS begins with HTTP/2
		return &receiver{endpoint: endpoint, maxBody: endpoint.MaxBody(), now: env.Now}, nil
	})
}

// A receiver takes what is exported.
type receiver struct {
	endpoint *receive.Endpoint
	maxBody  int
	now      func() time.Time
}

// Receive implements [taffrail.EventReceiver].
func (r *receiver) Receive(ctx context.Context, ready func(string), emit receive.Emit) error {
	return r.endpoint.Serve(ctx, ready, r.handler(emit), nil)
}

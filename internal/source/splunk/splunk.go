// Package splunk takes events from everything that can send to Splunk's HTTP Event Collector: collectors, streams of audit logs, Firehose.
//
// It answers as that does, with the same codes and texts, so that senders behave as their documentation says. Where it differs, it is stricter: a
// request is answered with success only when its events are in the log, so an acknowledgement can be asked for but tells nothing new.
//
// A collector sends the records of many sources. Those of CloudTrail and of Kubernetes API servers, by their sourcetype or by their form, go to the
// decoders of these; all others are read by a mapping over the whole of what was sent: `event` is the event itself, beside it stand `time`, `host`,
// `source`, `sourcetype`, `index` and `fields`.
package splunk

import (
	"context"
	"fmt"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// Name is the plug-in's name.
const Name = "splunk"

// Config says where events are sent, by whom, and what is where in those that no other decoder reads.
type Config struct {
	receive.Config `yaml:",inline"`
	// Acks answers each request with an acknowledgement id, as Firehose wants it. Senders must then name a channel.
	Acks bool `yaml:"acks"`
	// QueryToken allows the token in the address, where proxies write it into their logs.
	QueryToken bool `yaml:"query_token"`
	// Sourcetypes says which decoder reads a sourcetype of your own: cloudtrail or kubeaudit.
	Sourcetypes map[string]string `yaml:"sourcetypes"`
	// Mapping says where in an event is what. What it leaves open is looked for where GitHub's audit log and most others have it.
	Mapping mapping.Config `yaml:"mapping"`
}

// usual is where things are in most events.
var usual = mapping.Config{
	ID: "event._document_id", Time: "event.@timestamp | time | event.timestamp | event.time | taffrail.received", Action: "event.action | event.event | sourcetype | =event",
	Actor: mapping.Actor{ID: "event.actor | event.user | event.username | event.user.name | event.actor.id"}, Address: "event.actor_ip | event.source_ip", UserAgent: "event.user_agent",
}

// sourcetypes are those of other decoders, as add-ons and documentation call them.
var sourcetypes = map[string]string{
	"aws:cloudtrail": "cloudtrail", "kube:audit": "kubeaudit", "kube:apiserver:audit": "kubeaudit", "kube:apiserver-audit": "kubeaudit",
}

const hint = "a record is a JSON object as the HTTP Event Collector takes it, with the event itself below `event`"

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.Decoder, error) {
		return mapping.New(Name, env.Sealer, c.Mapping.Or(usual), hint)
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReceiver, error) {
		for own, format := range c.Sourcetypes {
			if format != "cloudtrail" && format != "kubeaudit" && format != Name {
				return nil, receive.Invalid("set it to cloudtrail, kubeaudit or splunk", fmt.Errorf("sourcetypes: %s is mapped to %q", own, format))
			}
		}
		endpoint, err := receive.Open(env, c.Config, false)
		if err != nil {
			return nil, err
		}
		return &receiver{endpoint: endpoint, config: c, now: env.Now, channels: map[string]int64{}}, nil
	})
}

// format is the decoder for a sourcetype, and empty for all that have none.
func (c Config) format(sourcetype string) string {
	if own, ok := c.Sourcetypes[sourcetype]; ok {
		return own
	}
	return sourcetypes[sourcetype]
}

func (r *receiver) received() mapping.Delivery {
	return mapping.Delivery{Received: r.now().UTC().Truncate(time.Millisecond)}
}

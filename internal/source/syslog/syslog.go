// Package syslog takes messages of RFC 5424 over TCP, with TLS as in RFC 5425, in both framings of RFC 6587.
//
// The protocol has no acknowledgement. A sender that has written a message to the connection holds it to be delivered, so what has been sent and is not
// in the log yet is lost if this process dies, or if the connection does. What can be done is done: nothing more is read from a connection before what
// was read is in the log, so that a sender with a queue of its own keeps what does not fit, and what the log refuses is offered to it again. Where
// events must not be lost, send them to one of the receivers that answer. There is no UDP: it loses messages without anybody knowing.
//
// A message is read as a document: `timestamp`, `hostname`, `app_name`, `proc_id`, `msg_id`, `facility`, `severity`, `structured_data` and `message`, which
// is opened if it is JSON. One whose message is a record of CloudTrail or of a Kubernetes API server goes to the decoder of that.
package syslog

import (
	"context"
	"errors"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// Name is the plug-in's name.
const Name = "syslog"

// Config says where messages are sent, and what is where in them. Senders are known by their certificates, or not at all: the protocol has no tokens.
type Config struct {
	receive.Config `yaml:",inline"`
	// MaxMessage is how many bytes one message may have; 64 KiB if it is 0. Of a longer one the beginning is kept, as what cannot be read.
	MaxMessage int `yaml:"max_message"`
	// Mapping says where in a message is what. What it leaves open is looked for in the header, and in messages that are JSON.
	Mapping mapping.Config `yaml:"mapping"`
}

const defaultMessage = 64 << 10

// usual is where things are in most messages.
var usual = mapping.Config{
	Time: "timestamp | taffrail.received", Action: "message.action | message.event | msg_id | app_name | =message",
	Actor: mapping.Actor{ID: "message.actor | message.user | message.username | message.user.name"},
}

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.Decoder, error) {
		m, err := mapping.New(Name, env.Sealer, c.Mapping.Or(usual), hint)
		if err != nil {
			return nil, err
		}
		return decoder{m}, nil
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReceiver, error) {
		switch {
		case c.TokensFile != "" || len(c.TokenDigests) > 0:
			return nil, receive.Invalid("set `tls.client_ca`, or `anonymous: true`", errors.New("tokens: no syslog message carries one"))
		case c.MaxMessage < 0:
			return nil, receive.Invalid("leave `max_message` out, or set it to a positive number", errors.New("max_message is negative"))
		case c.MaxMessage == 0:
			c.MaxMessage = defaultMessage
		}
		endpoint, err := receive.Open(env, c.Config, false)
		if err != nil {
			return nil, err
		}
		return &receiver{endpoint: endpoint, limit: c.MaxMessage, now: env.Now, logger: env.Logger, times: patient}, nil
	})
}

// limits are the times that a connection has. Tests have less.
type limits struct {
	handshake, message, pause, grace time.Duration
}

var patient = limits{handshake: 10 * time.Second, message: time.Minute, pause: 200 * time.Millisecond, grace: 5 * time.Second}

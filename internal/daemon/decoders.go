package daemon

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// decoders opens the decoder of each source and format when it is first met. It may be used by many at once.
type decoders struct {
	daemon *Daemon
	sealer taffrail.Sealer

	mu     sync.Mutex
	opened map[[2]string]taffrail.Decoder
}

func (d *Daemon) decoders(sealer taffrail.Sealer) *decoders {
	return &decoders{daemon: d, sealer: sealer, opened: map[[2]string]taffrail.Decoder{}}
}

// of gives the decoder of a format as a source uses it: with the source's own settings if they are settings of that decoder.
func (c *decoders) of(ctx context.Context, source, format string) (taffrail.Decoder, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{source, format}
	if decoder, ok := c.opened[key]; ok {
		return decoder, nil
	}
	d := c.daemon
	decoder, err := plug.Open[taffrail.Decoder](ctx, d.options.Plugins, format, d.env(c.sealer), d.decoderSettings(source, format))
	if err == nil {
		c.opened[key] = decoder
	}
	return decoder, err
}

// decoderSettings are those of a configured source, where its decoder takes the same ones as what delivers to it.
func (d *Daemon) decoderSettings(source, format string) plug.Settings {
	for _, s := range d.options.Installation.Sources {
		if s.Name == source && s.Plugin == format && sharesSettings(d.options.Plugins, format) {
			return plug.Settings{File: d.options.Installation.Name(), YAML: s.YAML}
		}
	}
	return plug.Settings{}
}

func sharesSettings(r *plug.Registry, name string) bool {
	var decoder reflect.Type
	described := plug.Describe(r)
	for _, d := range described {
		if d.Name == name && d.Role == roleOf[taffrail.Decoder]() {
			decoder = d.Config
		}
	}
	for _, d := range described {
		if d.Name == name && d.Config == decoder && (d.Role == roleOf[taffrail.EventReader]() || d.Role == roleOf[taffrail.EventReceiver]()) {
			return true
		}
	}
	return false
}

// roleOf is what the registry calls a role.
func roleOf[R any]() string { return strings.ToLower(reflect.TypeFor[R]().Name()) }

// event decodes what is stored. Where the decoder cannot be opened any more, or the form is none that it knows now, what was noted when the
// event came is all that is known of it.
func (c *decoders) event(ctx context.Context, s store.StoredEvent) (taffrail.Event, error) {
	if s.Head == nil {
		return taffrail.Event{}, errors.New(s.Fault)
	}
	decoder, err := c.of(ctx, s.Source, s.Format)
	if err == nil {
		var e taffrail.Event
		if e, err = decoder.Decode(s.Record); err == nil {
			e.Digest = digestOf(s.Digest)
			return e, nil
		}
	}
	c.daemon.options.Logger.Warn("an event is known by its head alone", "event", s.Head.ID, "source", s.Source, "error", err)
	h := s.Head
	return taffrail.Event{
		ID: h.ID, Source: s.Format, Time: h.Time, Action: h.Action, Actor: taffrail.Actor{ID: h.Actor, Class: taffrail.ActorUnknown}, Error: h.Error,
		Read: !h.Changes, Corrects: h.Corrects, Truncated: true, Digest: digestOf(s.Digest),
	}, nil
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// ImportEvents implements [EventQueries].
func (d *Daemon) ImportEvents(ctx context.Context, r ImportRequest, progress func(EventsTaken)) (EventsTaken, error) {
	var all EventsTaken
	if r.Source == "" {
		source, err := d.sourceOf(ctx, r.Path)
		if err != nil {
			return all, err
		}
		r.Source = source
	}
	if r.Name == "" {
		r.Name = r.Source
	}
	settings, err := r.settings()
	if err != nil {
		return all, err
	}
	in, err := d.newIntake(ctx, r.Name)
	if err != nil {
		return all, err
	}
	reader, err := plug.Open[taffrail.EventReader](ctx, d.options.Plugins, r.Source, d.env(in.decoders.sealer), plug.Settings{File: "the command line", YAML: settings})
	if err != nil {
		return all, err
	}
	flow := &flow{intake: in, progress: progress}
	err = reader.ReadEvents(ctx, "", func(b taffrail.Batch) error {
		b.Next = "" // that of a source which is read for good stays
		return flow.put(ctx, b)
	})
	err = errors.Join(err, flow.end())
	all = flow.all
	all.Began = in.began
	// What came is signed even where the rest could not be read.
	_, unsigned := in.log.log.Sign(context.WithoutCancel(ctx))
	return all, boundary("import events", errors.Join(err, unsigned, closeOf(reader)))
}

// A flow writes one batch while the next is prepared. It is for files, which stay where they are: nobody is told of a batch that it was taken before
// it is in the log.
type flow struct {
	*intake
	progress func(EventsTaken)
	all      EventsTaken
	underway []string   // digests of what is being written
	written  chan error // of what is being written; nil: nothing is
	last     *prepared
}

func (f *flow) put(ctx context.Context, b taffrail.Batch) error {
	p, err := f.prepare(ctx, b, f.underway)
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return err
	}
	f.underway, f.last, f.written = p.digests, &p, make(chan error, 1)
	go func() { f.written <- f.commit(ctx, &p) }()
	return nil
}

// end waits for what is being written.
func (f *flow) end() error {
	if f.written == nil {
		return nil
	}
	err := <-f.written
	f.written = nil
	if err != nil {
		return err
	}
	f.all.Add(f.last.taken)
	if f.progress != nil {
		f.progress(f.all)
	}
	return nil
}

// settings are those of the plug-in, as YAML.
func (r ImportRequest) settings() ([]byte, error) {
	all := map[string]any{"path": r.Path}
	for _, s := range r.Settings {
		key, text, ok := strings.Cut(s, "=")
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); !ok || key == "" || err != nil {
			return nil, &taffrail.Error{Op: "import events", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%.100q is no setting", s), Hint: "write key=value, such as public_keys=keys.json"}
		}
		all[key] = value
	}
	return yaml.Marshal(all)
}

// ReceiveEvents implements [Serving].
func (d *Daemon) ReceiveEvents(ctx context.Context, listening func(source, address string), taken func(string, EventsTaken)) error {
	sources := d.options.Installation.Sources
	if len(sources) == 0 {
		return &taffrail.Error{Op: "receive events", Kind: taffrail.KindInvalid, Err: errors.New("no audit source is configured"),
			Hint: "name some under `sources` in " + config.InstallationName + " in the folder of the keys: see docs/receiving-events.md"}
	}
	began, err := d.ensure(ctx, InitRequest{})
	if err != nil {
		return err
	}
	l, err := d.current()
	if err != nil {
		return err
	}
	if began && taken != nil {
		taken("", EventsTaken{Began: new(d.infoOf(l.origin, l.key))})
	}
	asked := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	d.runSources(ctx, stop, &running, listening, taken)
	running.Go(func() { d.duty(ctx, stop, "heartbeat", d.options.Installation.Heartbeat, 0, d.beat) })
	running.Go(func() {
		d.duty(ctx, stop, "sign", signEvery, signEvery, func(ctx context.Context) error { _, err := l.log.Sign(ctx); return err })
	})
	<-ctx.Done()
	running.Wait()
	_, err = l.log.Sign(context.WithoutCancel(ctx))
	if asked.Err() == nil {
		err = context.Cause(ctx)
	}
	return boundary("receive events", err)
}

// runSources runs each configured source until ctx ends. One that cannot be opened ends all: its settings are wrong.
func (d *Daemon) runSources(ctx context.Context, stop context.CancelCauseFunc, running *sync.WaitGroup, listening func(source, address string), taken func(string, EventsTaken)) {
	for _, s := range d.options.Installation.Sources {
		f, err := d.openSource(ctx, s)
		if err != nil {
			stop(fmt.Errorf("source %s: %w", s.Name, err))
			return
		}
		running.Go(func() { f.run(ctx, stop, listening, taken) })
	}
}

// A feed is a source that is open.
type feed struct {
	*intake
	reader   taffrail.EventReader   // one of the two
	receiver taffrail.EventReceiver //
	beat     time.Time              // of the newest heartbeat before the source was opened; zero if there was none
}

// openSource opens a configured source. One that can be both is a receiver where its settings say where to listen.
func (d *Daemon) openSource(ctx context.Context, s config.Source) (f feed, err error) {
	if f.intake, err = d.newIntake(ctx, s.Name); err != nil {
		return f, err
	}
	env, settings := d.env(f.decoders.sealer), plug.Settings{File: d.options.Installation.Name(), YAML: s.YAML}
	err = f.log.store.Read(ctx, func(tx *store.Tx) error {
		_, e, err := newestOf[taffrail.Heartbeat](tx, taffrail.EntryHeartbeat)
		if e != nil {
			f.beat = e.Time
		}
		return err
	})
	if err != nil {
		return f, err
	}
	if d.receives(s) {
		f.receiver, err = plug.Open[taffrail.EventReceiver](ctx, d.options.Plugins, s.Plugin, env, settings)
	} else {
		f.reader, err = plug.Open[taffrail.EventReader](ctx, d.options.Plugins, s.Plugin, env, settings)
	}
	return f, err
}

// receives says whether a configured source is sent to us.
func (d *Daemon) receives(s config.Source) bool {
	reads := slices.Contains(plug.Names[taffrail.EventReader](d.options.Plugins), s.Plugin)
	receives := slices.Contains(plug.Names[taffrail.EventReceiver](d.options.Plugins), s.Plugin)
	return receives && (!reads || asksToListen(s.YAML))
}

func asksToListen(settings []byte) bool {
	var keys map[string]any
	return yaml.Unmarshal(settings, &keys) == nil && keys["listen"] != nil
}

// run takes in what comes until ctx ends.
func (f feed) run(ctx context.Context, stop context.CancelCauseFunc, listening func(string, string), taken func(string, EventsTaken)) {
	emit := func(ctx context.Context, b taffrail.Batch) error {
		t, err := f.take(ctx, b)
		if err == nil && taken != nil {
			taken(f.source, t)
		}
		return err
	}
	name := "source " + f.source
	if f.reader != nil {
		f.daemon.duty(ctx, stop, name, f.daemon.options.Installation.EventsEvery, 0, func(ctx context.Context) error { return f.read(ctx, emit) })
		_ = closeOf(f.reader)
		return
	}
	heard := f.beat
	ready := func(address string) {
		if err := f.absence(ctx, heard, emit); err != nil {
			f.daemon.options.Logger.Warn(name, "error", err)
		}
		if listening != nil {
			listening(f.source, address)
		}
	}
	f.daemon.duty(ctx, stop, name, time.Second, 0, func(ctx context.Context) error {
		err := f.receiver.Receive(ctx, ready, emit)
		heard = f.daemon.now()
		return err
	})
	_ = closeOf(f.receiver)
}

// read goes on from the newest cursor.
func (f feed) read(ctx context.Context, emit func(context.Context, taffrail.Batch) error) error {
	var after taffrail.Cursor
	err := f.log.store.Read(ctx, func(tx *store.Tx) (err error) {
		after, err = tx.EventCursor(f.source)
		return err
	})
	if err != nil {
		return err
	}
	return f.reader.ReadEvents(ctx, after, func(b taffrail.Batch) error { return emit(ctx, b) })
}

// absence writes down since when nobody has listened to a source that is a receiver's: what was sent meanwhile may be lost. Heard is until when
// a process was there that listened, as far as that is known. Its own heartbeats say nothing of the time before it.
func (f feed) absence(ctx context.Context, heard time.Time, emit func(context.Context, taffrail.Batch) error) error {
	var last time.Time
	err := f.log.store.Read(ctx, func(tx *store.Tx) error {
		sources, err := tx.EventSources()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(sources, func(s store.EventSource) bool { return s.Source == f.source })
		if i < 0 {
			return nil // it is its first time
		}
		if e, err := entryAt(tx, sources[i].Entry); err == nil {
			last = e.Time
		} else if taffrail.KindOf(err) != taffrail.KindNotFound { // it was pruned
			return err
		}
		if heard.After(last) {
			last = heard
		}
		return nil
	})
	now := f.daemon.now()
	if err != nil || last.IsZero() || now.Sub(last) < time.Second {
		return err
	}
	return emit(ctx, taffrail.Batch{Origin: "taffrail", Notices: []taffrail.LogNotice{{
		Kind: taffrail.NoticeGap, Start: last, End: now, What: fmt.Sprintf("nobody was listening for %s", now.Sub(last).Round(time.Second)),
	}}})
}

// deliveryLag is how long a sender may take to send an event.
const deliveryLag = time.Minute

// heard is the time up to which whoever sends to us has been heard: a process that listens beats, and is there until the next beat is overdue.
func (d *Daemon) heard(tx *store.Tx) (time.Time, error) {
	beat, e, err := newestOf[taffrail.Heartbeat](tx, taffrail.EntryHeartbeat)
	if err != nil || e == nil {
		return time.Time{}, err
	}
	until := e.Time
	if now := d.now(); now.Before(until.Add(time.Duration(beat.Seconds)*time.Second + deliveryLag)) {
		until = now
	}
	return until.Add(-deliveryLag), nil
}

// completeUntil is the time up to which all events of a source are there: as it says itself; of one that sends, as long as somebody has listened;
// of all others up to the last event.
func (d *Daemon) completeUntil(s store.EventSource, heard time.Time) time.Time {
	until := s.Settled
	if until.IsZero() {
		until = s.Last
	}
	for _, c := range d.options.Installation.Sources {
		if c.Name == s.Source && d.receives(c) && heard.After(until) {
			until = heard
		}
	}
	return until
}

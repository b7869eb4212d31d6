package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A Ticket stands for entries that were queued, until they have indexes.
type Ticket string

// Enqueue puts entries into the outbox, with payloads that they name, in one transaction: all or nothing, and durable when it returns nil
// ([audit.LevelQueued]). It needs no turn as a writer, so that any number of processes do so at once. [Store.Sequence] brings them into
// the log, those of one call side by side and in their order; of two calls, the one that returned before the other began comes first. In
// the process that does so they are in the log at once, unless others write for long.
//
// What [Store.Update] appends meanwhile does not wait for the outbox: it comes before what is queued and was not sequenced yet, whatever
// the times of both. The order of the log is that of sequencing. An entry that comes after one with a later time has that time, and says
// what its clock showed.
//
// Where the outcome is not known, as after a lost connection, the same is queued again, which has no effect if it was. On SQLite entries
// need not queue, and have their indexes at once.
func (s *Store) Enqueue(ctx context.Context, entries []taffrail.Entry, payloads ...[]byte) (Ticket, error) {
	if s.outbox == nil {
		return s.appendAll(ctx, entries, payloads)
	}
	queued, err := encodeQueued(entries)
	if err != nil {
		return "", err
	}
	q := &queuing{ticket: Ticket(rand.Text()), entries: entries, queued: queued, payloads: payloads, done: make(chan struct{})}
	select {
	case s.outbox.queue <- q:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	<-q.done
	if q.err != nil {
		return "", s.boundary("queue entries", q.err)
	}
	return q.ticket, nil
}

// appendAll is Enqueue where there is one writer anyway. The ticket says where the entries are.
func (s *Store) appendAll(ctx context.Context, entries []taffrail.Entry, payloads [][]byte) (t Ticket, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		for _, data := range payloads {
			if _, err := tx.PutBlob(data); err != nil {
				return err
			}
		}
		first, err := tx.Size()
		if err != nil {
			return err
		}
		t = Ticket(fmt.Sprintf("%d+%d", first, len(entries)))
		for _, e := range entries {
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	return t, err
}

// queuedEntry is an entry in the outbox.
type queuedEntry struct {
	Entry  json.RawMessage  `json:"entry"`
	Fields []taffrail.Field `json:"fields,omitempty"` // to be disclosed; they are nowhere else until then
}

// encodeQueued writes entries for the outbox. What could not be appended is refused here, where somebody is told: in the outbox it would
// keep all that comes after it from the log.
func encodeQueued(entries []taffrail.Entry) ([]queuedEntry, error) {
	queued := make([]queuedEntry, len(entries))
	for i, e := range entries {
		raw, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("write entry: %w", err)
		}
		if err := appendable(e, raw); err != nil {
			return nil, err
		}
		queued[i] = queuedEntry{raw, e.Disclosed}
	}
	return queued, nil
}

// settled is more than what is settled when an entry is appended adds to it: two times and a counter, in bytes.
const settled = 128

// appendable says whether an entry, which is raw as JSON, can be appended whenever its turn comes.
func appendable(e taffrail.Entry, raw []byte) error {
	if len(raw)+settled > audit.MaxEntry || len(e.Disclosed) > 0 {
		e.Time, e.Clock, e.Counter = farTime, farTime, 1<<53-1
		if _, err := disclose(&e); err != nil {
			return err
		}
		var err error
		if raw, err = json.Marshal(e); err != nil {
			return fmt.Errorf("write entry: %w", err)
		}
	}
	if _, err := audit.Canonical(raw); err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	return nil
}

// farTime takes as many characters as a time can.
var farTime = time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC)

func decodeQueued(data []byte) ([]taffrail.Entry, error) {
	var queued []queuedEntry
	if err := json.Unmarshal(data, &queued); err != nil {
		return nil, &taffrail.Error{Op: "read outbox", Kind: taffrail.KindCorrupt, Err: err}
	}
	entries := make([]taffrail.Entry, len(queued))
	for i, q := range queued {
		e, err := taffrail.ParseEntry(q.Entry)
		if err != nil {
			return nil, err
		}
		e.Disclosed = q.Fields
		entries[i] = e
	}
	return entries, nil
}

// An outbox puts into the outbox what the callers of one process queue, many at once, and tells them when it was sequenced.
type outbox struct {
	config *pgx.ConnConfig
	db     *sql.DB
	queue  chan *queuing
	bell   chan struct{} // rung when something was queued
	await  chan *awaiting

	leading atomic.Bool   // this process brings what is queued into the log
	turn    chan struct{} // holds a token while it does
	record  func(group []*queuing, begun *atomic.Bool) error
	near    chan struct{} // rung when something was queued meanwhile
	moved   chan []movedTicket
	ctx     context.Context
	stop    context.CancelFunc
	all     sync.WaitGroup
}

// A queuing is one call of Enqueue.
type queuing struct {
	ticket   Ticket
	entries  []taffrail.Entry
	queued   []queuedEntry // the same
	payloads [][]byte
	err      error
	done     chan struct{}
}

// queuers is how many transactions of one process queue at once: while one waits for the disk, another collects.
const queuers = 2

// newOutbox makes an outbox. The process that brings what is queued into the log calls record for what it queues itself.
func newOutbox(config *pgx.ConnConfig, record func([]*queuing, *atomic.Bool) error) *outbox {
	o := &outbox{
		config: config, record: record, db: stdlib.OpenDB(*config, stdlib.OptionAfterConnect(prepareWriter)),
		queue: make(chan *queuing), bell: make(chan struct{}, 1), await: make(chan *awaiting),
		near: make(chan struct{}, 1), moved: make(chan []movedTicket), turn: make(chan struct{}, 1),
	}
	o.db.SetMaxOpenConns(queuers + 1)
	o.ctx, o.stop = context.WithCancel(context.Background())
	return o
}

// start begins to serve.
func (o *outbox) start() {
	if o == nil {
		return
	}
	for range queuers {
		o.all.Go(o.put)
	}
	o.all.Go(o.ring)
	o.all.Go(o.tell)
}

// close ends all of it. Nobody may be waiting.
func (o *outbox) close() {
	if o == nil {
		return
	}
	close(o.queue)
	o.stop()
	o.all.Wait()
	_ = o.db.Close() // it says only what the connections said
}

// put queues what waits, up to a bound, in one transaction.
func (o *outbox) put() {
	for q := range o.queue {
		group, err := o.straight(q)
		if err != nil {
			err = o.insert(group)
			o.wake()
		}
		for _, q := range group {
			q.err = err
			close(q.done)
		}
	}
}

// collect takes what waits along, up to a bound.
func (o *outbox) collect(q *queuing) []*queuing {
	group := []*queuing{q}
	for len(group) < maxGroup {
		select {
		case next, ok := <-o.queue:
			if !ok {
				return group
			}
			group = append(group, next)
		default:
			return group
		}
	}
	return group
}

var (
	errElsewhere = errors.New("another process brings what is queued into the log")
	errBusy      = errors.New("others write for long")
	errBehind    = errors.New("much is queued")
)

// straight has what waits appended to the log in one transaction. With an error, of whatever kind, nothing is known of it but that it may be
// queued: if it is in the log nevertheless, then with its tickets, and to queue it has no effect.
func (o *outbox) straight(q *queuing) (group []*queuing, err error) {
	if !o.leading.Load() {
		return o.collect(q), errElsewhere
	}
	patience := time.NewTimer(pollEvery)
	defer patience.Stop()
	select {
	case o.turn <- struct{}{}:
	case <-patience.C:
		return o.collect(q), errBusy
	}
	runtime.Gosched() // whoever was just answered, and goes on queuing, comes along
	group = o.collect(q)
	var begun atomic.Bool // by the transaction, or by who waits no longer for it
	ended := make(chan error, 1)
	o.all.Go(func() {
		ended <- o.record(group, &begun)
		<-o.turn
	})
	select {
	case err = <-ended:
	case <-patience.C:
		if begun.CompareAndSwap(false, true) {
			return group, errBusy
		}
		err = <-ended
	}
	return group, err
}

// wake says that something was queued, to this process alone if it is the one to bring it into the log. If it is not any more, the next one
// looks by itself before long.
func (o *outbox) wake() {
	bell := o.bell
	if o.leading.Load() {
		bell = o.near
	}
	select {
	case bell <- struct{}{}:
	default:
	}
}

// insert is one statement, and so one transaction. If we stop before it is committed, nothing was queued and nobody was told that it was;
// after it, everything is durable. Where a lost connection leaves us without an answer it is done again: a ticket that is there is left
// as it is.
func (o *outbox) insert(group []*queuing) (err error) {
	var tickets []string
	var entries [][]byte
	var counts []int64
	for _, q := range group {
		queued, err := json.Marshal(q.queued)
		if err != nil {
			return err
		}
		tickets, entries, counts = append(tickets, string(q.ticket)), append(entries, queued), append(counts, int64(len(q.entries)))
	}
	digests, blobs := payloadsOf(group)
	for range queueTries {
		_, err = o.db.ExecContext(o.ctx, `WITH payload AS (INSERT INTO blob (sha256, data) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING)
			INSERT INTO outbox (ticket, entries, n) SELECT * FROM unnest($3::text[], $4::bytea[], $5::bigint[]) ON CONFLICT DO NOTHING`,
			digests, blobs, tickets, entries, counts)
		if err == nil || taffrail.KindOf(postgresDialect.boundary("", err)) != taffrail.KindUnavailable {
			break
		}
	}
	return err
}

const queueTries = 3

// payloadsOf gives the payloads of a group in one order for all, so that no two transactions wait for each other.
func payloadsOf(group []*queuing) (digests []string, blobs [][]byte) {
	payloads := map[string][]byte{}
	for _, q := range group {
		for _, data := range q.payloads {
			payloads[refOf(data).SHA256] = data
		}
	}
	digests = slices.Sorted(maps.Keys(payloads))
	for _, digest := range digests {
		blobs = append(blobs, payloads[digest])
	}
	return digests, blobs
}

// The channels of Postgres on which processes wake each other. They say nothing: what holds is in the tables.
const (
	channelQueued    = "taffrail_queued"
	channelSequenced = "taffrail_sequenced"
)

// ring wakes the sequencer, once for all that was queued meanwhile. It is a transaction of its own: all that notify take turns at their
// commits. If it is lost, the sequencer looks by itself before long.
func (o *outbox) ring() {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(o.ctx))
		}
	}()
	for {
		select {
		case <-o.bell:
		case <-o.ctx.Done():
			return
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.ConnectConfig(o.ctx, o.config.Copy()); err != nil {
				conn = nil
				continue
			}
			_, _ = conn.Exec(o.ctx, "SET synchronous_commit = off") // nothing is lost with a bell
		}
		_, _ = conn.Exec(o.ctx, "NOTIFY "+channelQueued)
	}
}

// An awaiting is one call of Await.
type awaiting struct {
	ticket Ticket
	stamps []Stamp
	err    error
	done   chan struct{}
}

// Await gives the stamps of entries that were queued, in their order, once they are sequenced ([audit.LevelSequenced]). A ticket that nobody
// gave, or gave long ago, is [taffrail.KindNotFound].
func (s *Store) Await(ctx context.Context, ticket Ticket) ([]Stamp, error) {
	if s.outbox == nil {
		return s.stamps(ctx, ticket)
	}
	a := &awaiting{ticket: ticket, done: make(chan struct{})}
	select {
	case s.outbox.await <- a:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-a.done:
		return a.stamps, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stamps is Await where a ticket says where the entries are.
func (s *Store) stamps(ctx context.Context, ticket Ticket) (stamps []Stamp, err error) {
	var first, n int64
	if _, err := fmt.Sscanf(string(ticket), "%d+%d", &first, &n); err != nil || first < 0 || n < 0 || n > math.MaxInt32 {
		return nil, unknownTicket(ticket)
	}
	err = s.Read(ctx, func(tx *Tx) error {
		return tx.Entries(first, first+n, func(index int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			stamps = append(stamps, Stamp{index, e.Time})
			return err
		})
	})
	if errors.Is(err, audit.ErrMissing) {
		return nil, unknownTicket(ticket)
	}
	return stamps, err
}

func unknownTicket(ticket Ticket) error {
	return &taffrail.Error{Op: "await entries", Kind: taffrail.KindNotFound, Err: fmt.Errorf("nothing is queued as %.40q", ticket)}
}

// pollEvery is how often who waits looks by himself, whatever others tell.
const pollEvery = 250 * time.Millisecond

// A movedTicket is what was queued by one call and is in the log.
type movedTicket struct {
	ticket Ticket
	stamps []Stamp
}

// said are tickets that this process itself has brought into the log, of which somebody may yet ask, up to a bound.
type said struct {
	stamps map[Ticket][]Stamp
	order  []Ticket // the oldest first
}

const maxSaid = 1 << 14

func (s *said) add(all []movedTicket) {
	for _, m := range all {
		s.stamps[m.ticket], s.order = m.stamps, append(s.order, m.ticket)
	}
	if len(s.order) > maxSaid {
		old := len(s.order) / 2 // so many at a time that it does not come up each time
		for _, ticket := range s.order[:old] {
			delete(s.stamps, ticket)
		}
		s.order = slices.Clone(s.order[old:])
	}
}

// answer tells those of whom it knows, and gives those who wait on.
func (s *said) answer(waiting []*awaiting) []*awaiting {
	return slices.DeleteFunc(waiting, func(a *awaiting) bool {
		stamps, ok := s.stamps[a.ticket]
		if ok {
			a.stamps = stamps
			close(a.done)
		}
		return ok
	})
}

// tell answers those who wait for their stamps: out of what this process brought into the log itself, and else all with one question, when
// there may be news. While it is the one to do so, most of the news are its own, so that it asks now and then alone.
func (o *outbox) tell() {
	news := make(chan struct{}, 1)
	o.all.Go(func() { o.hear(news) })
	now := time.NewTicker(pollEvery)
	defer now.Stop()
	known := said{stamps: map[Ticket][]Stamp{}}
	var waiting []*awaiting
	for {
		ask := true
		select {
		case a := <-o.await:
			waiting, ask = append(waiting, a), !o.leading.Load()
		case all := <-o.moved:
			known.add(all)
			ask = false
		case <-news:
			ask = !o.leading.Load()
		case <-now.C:
			ask = o.leading.Load() // who is not hears as often
		case <-o.ctx.Done():
			return
		}
		for more := true; more; {
			select {
			case a := <-o.await:
				waiting = append(waiting, a)
			default:
				more = false
			}
		}
		if waiting = known.answer(waiting); ask && len(waiting) > 0 {
			waiting = o.answer(waiting)
		}
	}
}

// hear tells when entries were sequenced, or may have been.
func (o *outbox) hear(news chan<- struct{}) {
	for o.ctx.Err() == nil {
		_ = listen(o.ctx, o.config, channelSequenced, func() (bool, error) {
			select {
			case news <- struct{}{}:
			default:
			}
			return true, nil
		})
		pause(o.ctx, pollEvery)
	}
}

// listen calls f at once, and then whenever something is told on a channel, or some time has passed. It ends with an error of f or of the
// connection, or where f says that it is enough.
func listen(ctx context.Context, config *pgx.ConnConfig, channel string, f func() (goOn bool, err error)) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		goOn, err := f()
		if err != nil || !goOn {
			return err
		}
		if err := hearOn(ctx, conn, nil); err != nil {
			return err
		}
	}
}

// hearOn waits for something to be told, by the server or near by, or for some time to pass.
func hearOn(ctx context.Context, conn *pgx.Conn, near <-chan struct{}) error {
	wait, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	var heard sync.WaitGroup
	heard.Go(func() {
		select {
		case <-near:
			cancel()
		case <-wait.Done():
		}
	})
	_, err := conn.WaitForNotification(wait)
	interrupted := wait.Err() != nil
	cancel()
	heard.Wait()
	if err != nil && ctx.Err() == nil && interrupted && !conn.IsClosed() {
		return nil
	}
	return err
}

// pause waits for some time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// answer tells those whose entries are in the log, and gives those who wait on. Where it cannot ask, all wait on.
func (o *outbox) answer(waiting []*awaiting) (left []*awaiting) {
	tickets := make([]string, len(waiting))
	for i, a := range waiting {
		tickets[i] = string(a.ticket)
	}
	known, err := o.ask(tickets)
	if err != nil {
		return waiting
	}
	for _, a := range waiting {
		stamps, ok := known[a.ticket]
		if ok && stamps == nil {
			left = append(left, a)
			continue
		}
		if a.stamps = stamps; !ok {
			a.err = unknownTicket(a.ticket)
		}
		close(a.done)
	}
	return left
}

// ask gives the stamps of tickets; nil for those whose entries are not in the log yet.
func (o *outbox) ask(tickets []string) (map[Ticket][]Stamp, error) {
	rows, err := o.db.QueryContext(o.ctx, `SELECT o.ticket, o.first_idx IS NULL, e.idx, e.nanos FROM outbox AS o
		LEFT JOIN index_entry AS e ON e.idx >= o.first_idx AND e.idx < o.first_idx + o.n WHERE o.ticket = ANY($1) ORDER BY o.ticket, e.idx`, tickets)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[Ticket][]Stamp{}
	for rows.Next() {
		var ticket Ticket
		var queued bool
		var index, at sql.NullInt64
		if err := rows.Scan(&ticket, &queued, &index, &at); err != nil {
			return nil, err
		}
		switch {
		case queued:
			known[ticket] = nil
		case !index.Valid:
			known[ticket] = []Stamp{} // it had no entries
		default:
			known[ticket] = append(known[ticket], Stamp{index.Int64, time.Unix(0, at.Int64).UTC()})
		}
	}
	return known, rows.Err()
}

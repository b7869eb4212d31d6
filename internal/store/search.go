package store

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A SearchRequest says which entries are looked for: those that fit every field. An empty field fits all.
type SearchRequest struct {
	Since, Until time.Time // of their times; Until is excluded
	From         int64     // the first index that may be found
	Before       *int64    // the first that may not
	Types        []taffrail.EntryType
	Outcomes     []taffrail.Outcome
	Actor        string
	Scope        *taffrail.StackID // the empty one is the log itself
	Resource     taffrail.Address
	Request      string
	Text         string // every word of it
	Limit        int    // at most MaxPage; 0: DefaultPage
	OldestFirst  bool
}

// How many entries a page has.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// A Match is an entry that was found, as the index has it.
type Match struct {
	Index    int64
	Type     taffrail.EntryType
	Time     time.Time
	Scope    taffrail.StackID
	Actor    string
	Resource taffrail.Address
	Outcome  taffrail.Outcome
	Request  string
}

// Search gives a page of the entries that a request fits, the newest first unless the request says otherwise, and whether there are more.
// The next page has Before the last index, or From the one after it.
func (tx *Tx) Search(r SearchRequest) (page []Match, more bool, err error) {
	limit := r.Limit
	if limit <= 0 {
		limit = DefaultPage
	}
	limit = min(limit, MaxPage)
	q, err := tx.question(r, limit+1)
	if err != nil || q == nil {
		return nil, false, err
	}
	found, err := q.ask()
	if err != nil {
		return nil, false, err
	}
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	page, err = tx.matches(found, r.OldestFirst)
	return page, more, err
}

// A question is a search about to be asked.
type question struct {
	tx       *Tx
	r        SearchRequest
	from, to int64
	order    string
	limit    int
}

// question settles the bounds of a search. It gives none if nothing can be found. Times never go back from one entry to the next, so that
// a span of time is a range of indexes.
func (tx *Tx) question(r SearchRequest, limit int) (*question, error) {
	q := &question{tx, r, r.From, math.MaxInt64, "DESC", limit}
	if r.OldestFirst {
		q.order = "ASC"
	}
	if r.Before != nil {
		q.to = *r.Before
	}
	first := "SELECT idx FROM index_entry WHERE nanos >= ? ORDER BY nanos, idx LIMIT 1"
	if !r.Since.IsZero() {
		since, err := tx.integers(first, nanos(r.Since))
		if err != nil || len(since) == 0 {
			return nil, err
		}
		q.from = max(q.from, since[0])
	}
	if !r.Until.IsZero() {
		until, err := tx.integers(first, nanos(r.Until))
		if err != nil {
			return nil, err
		}
		if len(until) > 0 {
			q.to = min(q.to, until[0])
		}
	}
	if q.from >= q.to || r.Text != "" && len(wordsOf(r.Text)) == 0 {
		return nil, nil
	}
	return q, nil
}

// ask finds the indexes by the way that costs least.
func (q *question) ask() ([]int64, error) {
	wanted := q.wanted()
	switch {
	case len(wanted) == 0:
		return q.tx.integers("SELECT idx FROM index_entry WHERE idx >= ? AND idx < ? ORDER BY idx "+q.order+" LIMIT ?", q.from, q.to, q.limit)
	case len(wanted) == 1 && q.r.Resource != "":
		return q.byName("resource", q.r.Resource)
	case len(wanted) == 1 && q.r.Request != "":
		return q.byName("request", q.r.Request)
	}
	return q.byWords(wanted)
}

// byName finds entries by the resource or the request.
func (q *question) byName(column string, name any) ([]int64, error) {
	return q.tx.integers("SELECT e.idx FROM index_entry AS e WHERE e."+column+" = ? AND e."+column+" <> '' AND e.idx >= ? AND e.idx < ? ORDER BY e.idx "+q.order+" LIMIT ?",
		name, q.from, q.to, q.limit)
}

// wanted gives the words, and the marks of all else, of which an entry must have one of each.
func (q *question) wanted() [][]string {
	var all [][]string
	for _, w := range wordsOf(q.r.Text) {
		all = append(all, []string{w})
	}
	var types, outcomes []string
	for _, t := range q.r.Types {
		types = append(types, mark("t", string(t)))
	}
	for _, o := range q.r.Outcomes {
		outcomes = append(outcomes, mark("o", string(o)))
	}
	all = append(all, types, outcomes)
	if q.r.Actor != "" {
		all = append(all, []string{mark("a", q.r.Actor)})
	}
	if q.r.Scope != nil {
		all = append(all, []string{mark("s", string(*q.r.Scope))})
	}
	if q.r.Resource != "" {
		all = append(all, []string{mark("r", string(q.r.Resource))})
	}
	if q.r.Request != "" {
		all = append(all, []string{mark("q", q.r.Request)})
	}
	return slices.DeleteFunc(all, func(any []string) bool { return len(any) == 0 })
}

// findTextSQLite walks the lists of all words at once, from the end that is asked for. Where there are several, the walk looks for the next
// place at which they meet, however far beyond the span that is; the marks of where entries are end it.
func findTextSQLite(q *question, all [][]string, from, to int64, limit int) ([]int64, error) {
	if len(all) > 1 {
		var blocks []string
		for b := from / textBlock; b <= (to-1)/textBlock; b++ {
			blocks = append(blocks, blockMark+strconv.FormatInt(b, 10))
		}
		all = append(slices.Clone(all), blocks)
	}
	return q.tx.integers("SELECT rowid FROM text_entry WHERE text_entry MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid "+q.order+" LIMIT ?",
		expression(all, `"`, " AND ", " OR "), from, to, limit)
}

// findTextPostgres asks part by part, in order, until enough is found: Postgres has no list of a word's entries that is in order, and
// would otherwise read and sort all that ever had the word. The sums keep it from listing the whole span for each part. Where a page of a
// short span is wanted, a look at each entry costs least.
func findTextPostgres(q *question, all [][]string, from, to int64, limit int) ([]int64, error) {
	if to-from <= blockSize && limit <= MaxPage+1 {
		return q.tx.integers(`SELECT idx FROM (SELECT idx, words FROM text_entry WHERE idx >= ? AND idx < ? ORDER BY idx `+q.order+` OFFSET 0) AS few
			WHERE words @@ CAST(CAST(? AS TEXT) AS tsquery) ORDER BY idx `+q.order+` LIMIT ?`, from, to, expression(all, "'", " & ", " | "), limit)
	}
	first, last, step := from/textBlock, (to-1)/textBlock, 1
	if !q.r.OldestFirst {
		first, last, step = last, first, -1
	}
	return q.tx.integers(`SELECT found.idx FROM generate_series(CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT)) AS block CROSS JOIN LATERAL (
		SELECT idx FROM text_entry WHERE words @@ CAST(CAST(? AS TEXT) || ' & ''`+blockMark+`' || block || '''' AS tsquery) AND idx + 0 >= ? AND idx + 0 < ? ORDER BY idx `+q.order+`) AS found LIMIT ?`,
		first, last, step, expression(all, "'", " & ", " | "), from, to, limit)
}

// expression writes that one of each must be there. Words and marks have no character that means anything in it.
func expression(all [][]string, quote, and, or string) string {
	parts := make([]string, len(all))
	for i, any := range all {
		parts[i] = "(" + quote + strings.Join(any, quote+or+quote) + quote + ")"
	}
	return strings.Join(parts, and)
}

// matches gives what the index has of entries.
func (tx *Tx) matches(found []int64, oldestFirst bool) ([]Match, error) {
	page := make([]Match, 0, len(found))
	for part := range slices.Chunk(found, maxAsked) {
		places, args := inList(part)
		rows, err := tx.query(`SELECT e.idx, e.nanos, e.resource, e.request, g.type, g.outcome, g.actor, g.scope
			FROM index_entry AS e JOIN index_group AS g ON g.id = e.grp WHERE e.idx IN `+places, args...)
		if err != nil {
			return nil, err
		}
		err = tx.eachRow(rows, func() error {
			var m Match
			var at int64
			err := tx.scan(rows, &m.Index, &at, &m.Resource, &m.Request, &m.Type, &m.Outcome, &m.Actor, &m.Scope)
			m.Time = time.Unix(0, at).UTC()
			page = append(page, m)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(page, func(a, b Match) int {
		if oldestFirst {
			return cmp.Compare(a.Index, b.Index)
		}
		return cmp.Compare(b.Index, a.Index)
	})
	return page, nil
}

package store

import (
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
)

// knowledge is what the next transaction need not ask for, if nobody else has written in between.
type knowledge struct {
	read   bool // size is known
	size   int64
	latest *time.Time           // of the newest entry; nil if it is not known
	edge   []storedHash         // the newest hash of each level, as far as they are known
	groups map[entryGroup]int64 // that are known
	recent recentWords
}

// A storedHash is a hash with its key.
type storedHash struct {
	id   int64
	hash tlog.Hash
}

// learn takes the size that the database says. All but the groups is forgotten where it is not the size that was known.
func (k *knowledge) learn(size int64) {
	if k.size != size {
		k.size, k.latest, k.edge = size, nil, k.edge[:0]
	}
	k.read = true
}

// learnGroup keeps the ID of a group of entries.
func (k *knowledge) learnGroup(g entryGroup, id int64) {
	if k.groups == nil || len(k.groups) > maxGroups {
		k.groups = map[entryGroup]int64{}
	}
	k.groups[g] = id
}

// put keeps a hash that was stored.
func (k *knowledge) put(id int64, h tlog.Hash) {
	level, _ := tlog.SplitStoredHashIndex(id)
	for len(k.edge) <= level {
		k.edge = append(k.edge, storedHash{id: -1})
	}
	k.edge[level] = storedHash{id, h}
}

// hash gives a hash if it is known.
func (k *knowledge) hash(id int64) (tlog.Hash, bool) {
	for _, e := range k.edge {
		if e.id == id {
			return e.hash, true
		}
	}
	return tlog.Hash{}, false
}

// A marked is where one update of a group began.
type marked struct {
	set    bool         // it is one of several that share a transaction
	saved  bool         // the database has a savepoint there
	unsent int          // statements of earlier updates that wait
	known  knowledge    // but for the groups
	added  []entryGroup // that it came to know
	first  int64        // as it was
	leaves int          // of earlier updates
}

// mark begins the next update.
func (tx *Tx) mark() error {
	tx.erased, tx.unsure, tx.unread = false, false, nil
	if !tx.shared {
		return nil
	}
	if err := tx.release(); err != nil {
		return err
	}
	m := &tx.began
	edge := m.known.edge[:0]
	edge = append(edge, tx.known.edge...)
	*m = marked{set: true, unsent: len(tx.unsent), known: *tx.known, added: m.added[:0], first: tx.first, leaves: len(tx.leaves)}
	m.known.edge = edge
	for _, w := range tx.waiting {
		w.earlier = len(w.values)
	}
	return nil
}

// settles says whether what an update wrote must be in the database by its end, so that it can fail alone.
func (tx *Tx) settles() bool {
	return tx.shared && (tx.unsure || tx.dialect.settles)
}

// hasOwn says whether anything waits that is the present update's.
func (tx *Tx) hasOwn() bool {
	return len(tx.unsent) > tx.began.unsent || slices.ContainsFunc(tx.waiting, func(w *waitingRows) bool { return len(w.values) > w.earlier })
}

// protect has the database come back to where the present update began, if that fails. All that waits from before is written first.
func (tx *Tx) protect() error {
	m := &tx.began
	if !m.set || m.saved {
		return nil
	}
	calls := slices.Clone(tx.unsent[m.unsent:])
	tx.unsent = tx.unsent[:m.unsent]
	rows := make([][]any, len(tx.waiting))
	for i, w := range tx.waiting {
		rows[i] = slices.Clone(w.values[w.earlier:])
		w.values, w.earlier = w.values[:w.earlier], 0
	}
	m.set = false // what is written now is not the update's
	err := tx.flushAll()
	if err == nil {
		err = tx.dialect.send(tx.ctx, tx.conn, []call{{statement: "SAVEPOINT one"}})
	}
	m.set = true
	if err != nil {
		return tx.dialect.boundary("write log database", err)
	}
	m.saved, m.unsent, tx.unsent = true, 0, calls
	for i, w := range tx.waiting {
		w.values = rows[i]
	}
	return nil
}

// release forgets the savepoint of the update before.
func (tx *Tx) release() error {
	if !tx.began.saved {
		return nil
	}
	_, err := tx.sql.ExecContext(tx.ctx, "RELEASE one")
	return err
}

// finish writes what waits when the last update of a group is over.
func (tx *Tx) finish() error {
	err := tx.release()
	tx.began = marked{}
	if err != nil {
		return err
	}
	return tx.flushAll()
}

// undo takes back what the present update did. An error means that nothing of the group can be stored.
func (tx *Tx) undo(cause error) error {
	m := &tx.began
	if !m.set {
		*tx.known = knowledge{}
		return nil // the transaction is rolled back
	}
	tx.first, tx.leaves = m.first, tx.leaves[:m.leaves]
	groups := tx.known.groups
	for _, g := range m.added {
		delete(groups, g)
	}
	edge := tx.known.edge[:0]
	edge = append(edge, m.known.edge...)
	*tx.known = m.known
	tx.known.edge, tx.known.groups = edge, groups
	tx.unsent = tx.unsent[:min(m.unsent, len(tx.unsent))]
	for _, w := range tx.waiting {
		w.values = w.values[:min(w.earlier, len(w.values))]
	}
	if !m.saved {
		return nil
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "ROLLBACK TO one"); err != nil {
		if taffrail.KindOf(cause) == taffrail.KindUnavailable { // as when a disk is full, which takes the whole transaction with it
			return cause
		}
		return err
	}
	return nil
}

package store

import "slices"

// The columns of index_drift that a drift has when it is found, and where some of them stand.
const (
	foundColumns = "id, stack, address, type, status, finding, since, found_idx, changed_idx"
	foundWidth   = 9
	foundID      = 0
	foundStack   = 1
	foundAddress = 2
	foundIndex   = 7
)

// foundDrift has a drift written that was found. One of a resource that has one already takes its place.
func (tx *Tx) foundDrift(id, stack, address, resourceType, status, finding, since string, index int64) error {
	if tx.waitingFor(tx.named("index_drift")) == nil {
		tx.waiting = append(tx.waiting, &waitingRows{table: tx.named("index_drift"), columns: foundColumns, width: foundWidth, write: (*Tx).writeFound})
	}
	return tx.insert("index_drift", foundColumns, id, stack, address, resourceType, status, finding, since, index, index)
}

// writeFound writes drifts that were found, in their order: in each statement are as many as are of different resources, and different drifts.
func (tx *Tx) writeFound(rows []any) error {
	taken := map[[2]string]bool{}
	begin := 0
	for at := 0; at < len(rows); at += foundWidth {
		keys := tx.foundKeys(rows[at : at+foundWidth])
		if slices.ContainsFunc(keys, func(k [2]string) bool { return taken[k] }) {
			if err := tx.inParts(rows[begin:at], foundWidth, tx.writeDistinct); err != nil {
				return err
			}
			clear(taken)
			begin = at
		}
		for _, k := range keys {
			taken[k] = true
		}
	}
	return tx.inParts(rows[begin:], foundWidth, tx.writeDistinct)
}

// foundKeys are what no two rows of one statement may share, as the database holds it.
func (tx *Tx) foundKeys(row []any) [][2]string {
	held := func(i int) string { return tx.dialect.word(row[i].(string)) }
	return [][2]string{{held(foundStack), held(foundAddress)}, {"\xff", held(foundID)}} // no stack is called so: it is no UTF-8
}

func (tx *Tx) writeDistinct(rows []any) error {
	table := tx.named("index_drift")
	var ended []any
	for at := 0; at < len(rows); at += foundWidth {
		ended = append(ended, rows[at+foundIndex], rows[at+foundStack], rows[at+foundAddress])
	}
	source, args := tx.source(table, 3, ended)
	// By its key, which is looked for by another: so that no database thinks of reading all that are open, and comparing each.
	err := tx.run("WITH v (idx, stack, address) AS ("+source+") UPDATE "+table+" SET ended_idx = v.idx FROM v WHERE "+table+`.id =
		(SELECT o.id FROM `+table+" AS o WHERE o.stack = v.stack AND o.address = v.address AND o.ended_idx IS NULL)", args)
	if err != nil {
		return err
	}
	source, args = tx.source(table, foundWidth, rows)
	return tx.run("INSERT INTO "+table+" ("+foundColumns+") "+source+`
		ON CONFLICT (id) DO UPDATE SET stack = excluded.stack, address = excluded.address, type = excluded.type, status = excluded.status,
		finding = excluded.finding, since = excluded.since, found_idx = excluded.found_idx, changed_idx = excluded.changed_idx, ended_idx = NULL`, args)
}

package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
)

// RebuildIndex builds the index anew from the log, and says what was different before, a line for each difference. Payloads that are gone
// with no entry that says so, and that rows would follow from, are named: the index has no such rows then.
func (tx *Tx) RebuildIndex() (rows int64, changed []string, err error) {
	err = tx.shadowIndex(func(tables []string) error {
		var text bool
		if rows, changed, text, err = tx.compareAll(tables); err != nil {
			return err
		}
		for _, t := range tables {
			if err := tx.exec("DELETE FROM index_" + t); err != nil {
				return err
			}
			if err := tx.exec("INSERT INTO index_" + t + " SELECT * FROM shadow_" + t); err != nil {
				return err
			}
		}
		tx.known.groups = nil
		if text {
			return tx.rebuildText()
		}
		return nil
	})
	return rows, changed, err
}

// CheckIndex says how the index differs from the log. It changes nothing.
func (tx *Tx) CheckIndex() (changed []string, err error) {
	err = tx.shadowIndex(func(tables []string) error {
		_, changed, _, err = tx.compareAll(tables)
		return err
	})
	return changed, err
}

// shadowIndex derives all rows from the log into temporary tables, lets use look at them, and drops them.
func (tx *Tx) shadowIndex(use func(tables []string) error) (err error) {
	tables, err := tx.makeShadow()
	defer func() {
		for _, t := range tables {
			err = errors.Join(err, tx.exec("DROP TABLE shadow_"+t))
		}
	}()
	if err != nil {
		return err
	}
	if err := tx.inShadow(func() error { return tx.deriveFrom(nil) }); err != nil {
		return err
	}
	return use(tables)
}

// makeShadow makes an empty shadow of each table of the index, and gives their names, without the prefix that they share.
func (tx *Tx) makeShadow() (made []string, err error) {
	tables, err := tx.strings(tx.dialect.index)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		t = strings.TrimPrefix(t, "index_")
		if err := tx.dialect.shadow(tx, t); err != nil {
			return made, err
		}
		made = append(made, t)
	}
	return made, nil
}

// inShadow runs f so that what it writes to the index, and reads there, is the shadow.
func (tx *Tx) inShadow(f func() error) error {
	if err := tx.flushAll(); err != nil {
		return err
	}
	groups, recent := tx.known.groups, tx.known.recent
	tx.shadow, tx.known.groups, tx.known.recent, tx.unread, tx.texts = true, nil, recentWords{}, nil, &textSum{seed: maphash.MakeSeed()}
	defer func() { tx.shadow, tx.known.groups, tx.known.recent = false, groups, recent }()
	if tx.dialect.growing == "" {
		return errors.Join(f(), tx.flushAll())
	}
	if err := tx.exec(tx.dialect.growing); err != nil {
		return err
	}
	return errors.Join(f(), tx.flushAll(), tx.exec(tx.dialect.grown))
}

// deriveFrom derives what follows from the entries, up to one or to the end. What was pruned is taken from its snapshot.
func (tx *Tx) deriveFrom(before *int64) error {
	from, err := tx.Pruned()
	if err != nil {
		return err
	}
	if from > 0 {
		if err := tx.loadSnapshot(from); err != nil {
			return err
		}
	}
	to, err := tx.Size()
	if err != nil {
		return err
	}
	if before != nil {
		to = *before
	}
	return tx.Entries(from, to, tx.derive)
}

// compareAll compares the index with its shadow, and says whether the words are other, too.
func (tx *Tx) compareAll(tables []string) (rows int64, changed []string, text bool, err error) {
	for _, t := range tables {
		n, lines, err := tx.compare(t)
		if err != nil {
			return 0, nil, false, err
		}
		rows, changed = rows+n, append(changed, lines...)
	}
	stored, err := tx.storedText(tx.texts.seed)
	if err != nil {
		return 0, nil, false, err
	}
	if text = stored != *tx.texts; text {
		changed = append(changed, fmt.Sprintf("text_entry: it has %d words, and %d follow from the log", stored.words, tx.texts.words))
	}
	lines, err := tx.unexplained()
	return rows, append(changed, lines...), text, err
}

// unexplained names the payloads that rows should have come from, and that no entry says were erased.
func (tx *Tx) unexplained() (lines []string, err error) {
	for _, u := range tx.unread {
		var by int64
		if err := tx.get("SELECT count(*) FROM shadow_redaction WHERE payload = ?", []any{u.payload}, &by); err != nil {
			return nil, err
		}
		if by == 0 {
			lines = append(lines, u.String())
		}
	}
	return lines, nil
}

// shadowSQLite makes a temporary table by the definition of another, with what is needed to derive its rows.
func shadowSQLite(tx *Tx, table string) error {
	definitions, err := tx.strings(`SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL AND name NOT LIKE 'search\_%' ESCAPE '\' ORDER BY type DESC`, "index_"+table)
	if err != nil {
		return err
	}
	for _, d := range definitions {
		d = strings.Replace(d, "CREATE TABLE index_", "CREATE TEMP TABLE shadow_", 1)
		d = strings.Replace(d, "INDEX index_", "INDEX temp.shadow_", 1)
		if err := tx.exec(strings.Replace(d, " ON index_", " ON shadow_", 1)); err != nil {
			return err
		}
	}
	return nil
}

// shadowPostgres does so by the names of the columns.
func shadowPostgres(tx *Tx, table string) error {
	if err := tx.exec("CREATE TEMP TABLE shadow_" + table + " (LIKE index_" + table + ")"); err != nil {
		return err
	}
	definitions, err := tx.strings(`SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ? AND indexname NOT LIKE 'search\_%'`, "index_"+table)
	if err != nil {
		return err
	}
	for _, d := range definitions {
		unique := strings.HasPrefix(d, "CREATE UNIQUE")
		_, columns, _ := strings.Cut(d, " USING ")
		create := "CREATE INDEX ON shadow_"
		if unique {
			create = "CREATE UNIQUE INDEX ON shadow_"
		}
		if err := tx.exec(create + table + " USING " + columns); err != nil {
			return err
		}
	}
	return nil
}

// compare counts the rows that a table should have, and describes those that it has too many, too few or other.
func (tx *Tx) compare(table string) (rows int64, lines []string, err error) {
	for _, c := range []struct{ query, what string }{
		{"SELECT count(*) FROM (SELECT * FROM index_%[1]s EXCEPT SELECT * FROM shadow_%[1]s) AS more", "index_%s: rows that do not follow from the log: %d"},
		{"SELECT count(*) FROM (SELECT * FROM shadow_%[1]s EXCEPT SELECT * FROM index_%[1]s) AS less", "index_%s: rows that are missing, or other than in the log: %d"},
	} {
		var n int64
		if err := tx.get(fmt.Sprintf(c.query, table), nil, &n); err != nil {
			return 0, nil, err
		}
		if n > 0 {
			lines = append(lines, fmt.Sprintf(c.what, table, n))
		}
	}
	err = tx.get("SELECT count(*) FROM shadow_"+table, nil, &rows)
	return rows, lines, err
}

package store

import (
	"errors"
	"fmt"
	"strings"
)

// RebuildIndex builds the index anew from the log, and says what was different before, a line for each difference. Payloads that are gone,
// and that rows would follow from, are named: the index has no such rows then.
func (tx *Tx) RebuildIndex() (rows int64, changed []string, err error) {
	tx.unread = nil
	rows, changed, err = tx.shadowIndex(func(tables []string) error {
		for _, t := range tables {
			if err := tx.exec("DELETE FROM index_" + t); err != nil {
				return err
			}
			if err := tx.exec("INSERT INTO index_" + t + " SELECT * FROM shadow_" + t); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, append(changed, tx.unread...), err
}

// CheckIndex says how the index differs from the log. It changes nothing.
func (tx *Tx) CheckIndex() (changed []string, err error) {
	_, changed, err = tx.shadowIndex(func([]string) error { return nil })
	return changed, err
}

// shadowIndex derives all rows from the log into temporary tables, and compares the two.
func (tx *Tx) shadowIndex(use func(tables []string) error) (rows int64, changed []string, err error) {
	tables, err := tx.indexTables()
	if err != nil {
		return 0, nil, err
	}
	for _, t := range tables {
		if err := tx.dialect.shadow(tx, t); err != nil {
			return 0, nil, err
		}
		defer func() { err = errors.Join(err, tx.exec("DROP TABLE shadow_"+t)) }()
	}
	if err := tx.inShadow(tx.deriveAll); err != nil {
		return 0, nil, err
	}
	for _, t := range tables {
		n, lines, err := tx.compare(t)
		if err != nil {
			return 0, nil, err
		}
		rows, changed = rows+n, append(changed, lines...)
	}
	return rows, changed, use(tables)
}

// inShadow runs f so that what it writes to the index, and reads there, is the shadow.
func (tx *Tx) inShadow(f func() error) error {
	if err := tx.flushAll(); err != nil {
		return err
	}
	tx.shadow = true
	defer func() { tx.shadow = false }()
	return errors.Join(f(), tx.flushAll())
}

func (tx *Tx) deriveAll() error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	return tx.Entries(0, size, tx.derive)
}

// indexTables gives the names of the tables of the index, without the prefix that they share.
func (tx *Tx) indexTables() (names []string, err error) {
	rows, err := tx.query(tx.dialect.index)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var name string
		err := tx.scan(rows, &name)
		names = append(names, strings.TrimPrefix(name, "index_"))
		return err
	})
	return names, err
}

// shadowSQLite makes a temporary table by the definition of another.
func shadowSQLite(tx *Tx, table string) error {
	var definition string
	if err := tx.get("SELECT sql FROM sqlite_schema WHERE name = ?", []any{"index_" + table}, &definition); err != nil {
		return err
	}
	return tx.exec(strings.Replace(definition, "CREATE TABLE index_", "CREATE TEMP TABLE shadow_", 1))
}

func shadowPostgres(tx *Tx, table string) error {
	return tx.exec("CREATE TEMP TABLE shadow_" + table + " (LIKE index_" + table + " INCLUDING ALL)")
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

package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// waitingRows are rows of one table that were not written yet. They are as soon as a statement names the table, and at the end of the
// transaction: so many appends in one transaction cost few statements.
type waitingRows struct {
	table, columns string
	width          int // columns
	values         []any
	earlier        int                            // how many of the values are of earlier updates of the group
	write          func(tx *Tx, rows []any) error // in the place of an insert; nil: an insert
}

// maxRows is how many rows are written in one statement. It is a power of two, as is the number of rows in each statement, so that
// there are few statements to be prepared; where rows are given as arrays, they are of any number.
const maxRows = 128

// insert has a row written. A value must not be changed afterwards.
func (tx *Tx) insert(table, columns string, values ...any) error {
	table = tx.named(table)
	w := tx.waitingFor(table)
	if w == nil {
		w = &waitingRows{table: table, columns: columns, width: len(values)}
		tx.waiting = append(tx.waiting, w)
	}
	w.values = append(w.values, values...)
	if len(w.values)-w.earlier < maxRows*w.width {
		return nil
	}
	if err := tx.apart(w); err != nil {
		return err
	}
	return tx.writeRows(w)
}

func (tx *Tx) waitingFor(table string) *waitingRows {
	for _, w := range tx.waiting {
		if w.table == table {
			return w
		}
	}
	return nil
}

// flush writes the rows that wait, of the tables that a statement names.
func (tx *Tx) flush(statement string) error {
	for _, w := range tx.waiting {
		if len(w.values) > 0 && strings.Contains(statement, w.table) {
			if err := tx.apart(w); err != nil {
				return err
			}
			if err := tx.writeRows(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// apart has the rows of earlier updates of the group written, so that none of the present one stands in one statement with them.
func (tx *Tx) apart(w *waitingRows) error {
	if w.earlier == 0 {
		return nil
	}
	return tx.protect()
}

// flushAll writes all that waits.
func (tx *Tx) flushAll() error {
	if tx.hasOwn() {
		if err := tx.protect(); err != nil {
			return err
		}
	}
	for _, w := range tx.waiting {
		if err := tx.writeRows(w); err != nil {
			return err
		}
	}
	return tx.send()
}

func (tx *Tx) writeRows(w *waitingRows) error {
	values := w.values
	w.values = nil
	write := w.write
	if write == nil {
		write = func(tx *Tx, rows []any) error {
			source, args := tx.source(w.table, w.width, rows)
			return tx.run("INSERT INTO "+w.table+" ("+w.columns+") "+source, args)
		}
	}
	return tx.inParts(values, w.width, func(rows []any) error { return write(tx, rows) })
}

// inParts calls f with rows, so many at a time that there are few statements.
func (tx *Tx) inParts(values []any, width int, f func(rows []any) error) error {
	if tx.dialect.source != nil {
		for part := range slices.Chunk(values, maxRows*width) {
			if err := f(part); err != nil {
				return err
			}
		}
		return nil
	}
	for n := maxRows; len(values) > 0; n /= 2 {
		for len(values) >= n*width {
			part := values[:n*width]
			values = values[n*width:]
			if err := f(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// source writes rows for a table as a part of a statement, and gives its arguments. The rows are as the database can hold them then.
func (tx *Tx) source(table string, width int, rows []any) (string, []any) {
	rows = tx.hold(table, rows)
	if tx.dialect.source != nil {
		return tx.dialect.source(table, width, rows)
	}
	row := "(?" + strings.Repeat(",?", width-1) + ")"
	return "VALUES " + row + strings.Repeat(","+row, len(rows)/width-1), rows
}

// exec runs a statement, now or later: its arguments must not be changed afterwards.
func (tx *Tx) exec(statement string, args ...any) error {
	tx.unsure = true
	return tx.put(statement, args...)
}

// put is exec for a statement that has no reason of its own to fail in a database that is as we left it.
func (tx *Tx) put(statement string, args ...any) error {
	statement = tx.named(statement)
	if err := tx.flush(statement); err != nil {
		return err
	}
	return tx.run(statement, tx.hold(statement, args))
}

// run runs a statement of which nothing is asked but that it works. Many of them are sent at once: each waits until an answer is needed, or
// the transaction ends. The arguments are as the database can hold them.
func (tx *Tx) run(statement string, args []any) error {
	tx.unsent = append(tx.unsent, call{tx.dialect.bind(statement), args})
	if len(tx.unsent) < maxUnsent {
		return nil
	}
	return tx.send()
}

// A call is a statement with its arguments.
type call struct {
	statement string
	args      []any
}

// maxUnsent bounds what is sent at once.
const maxUnsent = 256

// send runs the statements that wait, in their order.
func (tx *Tx) send() error {
	if len(tx.unsent) == 0 {
		return nil
	}
	if len(tx.unsent) > tx.began.unsent {
		if err := tx.protect(); err != nil {
			return err
		}
	}
	calls := tx.unsent
	tx.unsent, tx.began.unsent = nil, 0
	if err := tx.dialect.send(tx.ctx, tx.conn, calls); err != nil {
		return tx.dialect.boundary("write log database", err)
	}
	return nil
}

// count runs a statement, and says of how many rows it was true.
func (tx *Tx) count(statement string, args []any) (int64, error) {
	if err := tx.send(); err != nil {
		return 0, err
	}
	if err := tx.protect(); err != nil {
		return 0, err
	}
	result, err := tx.sql.ExecContext(tx.ctx, tx.dialect.bind(statement), tx.hold(statement, args)...)
	if err != nil {
		return 0, tx.dialect.boundary("write log database", err)
	}
	return result.RowsAffected()
}

// remove runs a statement, and says how many rows are gone.
func (tx *Tx) remove(statement string, args ...any) (int64, error) {
	statement = tx.named(statement)
	if err := tx.flush(statement); err != nil {
		return 0, err
	}
	return tx.count(statement, args)
}

// query asks for rows. See [eachRow].
func (tx *Tx) query(statement string, args ...any) (*sql.Rows, error) {
	statement = tx.named(statement)
	if err := tx.flush(statement); err != nil {
		return nil, err
	}
	if err := tx.send(); err != nil {
		return nil, err
	}
	rows, err := tx.sql.QueryContext(tx.ctx, tx.dialect.bind(statement), tx.hold(statement, args)...)
	if err != nil {
		return nil, tx.dialect.boundary("read log database", err)
	}
	return rows, nil
}

// get reads one row. Where there is none the error is [sql.ErrNoRows].
func (tx *Tx) get(statement string, args []any, into ...any) error {
	statement = tx.named(statement)
	if err := tx.flush(statement); err != nil {
		return err
	}
	if err := tx.send(); err != nil {
		return err
	}
	err := tx.sql.QueryRowContext(tx.ctx, tx.dialect.bind(statement), tx.hold(statement, args)...).Scan(into...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return tx.dialect.boundary("read log database", err)
	}
	return err
}

func (tx *Tx) scan(rows *sql.Rows, into ...any) error {
	if err := rows.Scan(into...); err != nil {
		return tx.dialect.boundary("read log database", err)
	}
	return nil
}

// each calls f with each row of a query by integers for an integer and for bytes, which f may keep. F must not ask for anything else
// meanwhile. It goes past [sql.Rows], which takes longer over small rows than the database does.
func (tx *Tx) each(statement string, args []any, f func(int64, []byte)) error {
	if err := tx.flush(statement); err != nil {
		return err
	}
	if err := tx.send(); err != nil {
		return err
	}
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	err := tx.conn.Raw(func(conn any) error {
		rows, err := conn.(driver.QueryerContext).QueryContext(tx.ctx, tx.dialect.bind(statement), named)
		if err != nil {
			return err
		}
		return errors.Join(eachPair(rows, f), rows.Close())
	})
	if err != nil {
		return tx.dialect.boundary("read log database", err)
	}
	return nil
}

func eachPair(rows driver.Rows, f func(int64, []byte)) error {
	row := make([]driver.Value, 2)
	for {
		err := rows.Next(row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, ok := row[0].(int64)
		if !ok {
			return fmt.Errorf("%T in the place of an integer", row[0])
		}
		f(n, bytesOf(row[1]))
	}
}

// bytesOf gives what stands in a column of bytes, where SQLite would keep anything that was put there.
func bytesOf(value driver.Value) []byte {
	switch v := value.(type) {
	case []byte:
		return v
	case nil:
		return nil
	}
	return fmt.Append(nil, value)
}

// eachRow calls f at each row, and closes them. F must not ask for anything else meanwhile: Postgres answers one question at a time.
func (tx *Tx) eachRow(rows *sql.Rows, f func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return tx.dialect.boundary("read log database", err)
	}
	return nil
}

// named puts the shadow of the index in its place, if that is meant.
func (tx *Tx) named(statement string) string {
	if tx.shadow {
		return strings.ReplaceAll(statement, "index_", "shadow_")
	}
	return statement
}

// hold gives the arguments of a statement as the database can hold them.
func (tx *Tx) hold(statement string, args []any) []any {
	if !strings.Contains(statement, "index_") && !strings.Contains(statement, "shadow_") {
		return args
	}
	for i, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String {
			args[i] = tx.dialect.word(v.String())
		}
	}
	return args
}

// integers gives the rows of a query that asks for one integer.
func (tx *Tx) integers(statement string, args ...any) (all []int64, err error) {
	rows, err := tx.query(statement, args...)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var one int64
		err := tx.scan(rows, &one)
		all = append(all, one)
		return err
	})
	return all, err
}

// strings gives the rows of a query that asks for one text.
func (tx *Tx) strings(statement string, args ...any) (all []string, err error) {
	rows, err := tx.query(statement, args...)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var one string
		err := tx.scan(rows, &one)
		all = append(all, one)
		return err
	})
	return all, err
}

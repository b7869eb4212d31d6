package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// openSQLiteAt gives connections that keep their statements prepared. To read a statement takes longer than most of ours take to run.
func openSQLiteAt(address string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(address)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(preparing{c}), nil
}

// preparing makes connections of [preparedConn].
type preparing struct{ driver.Connector }

// Connect implements [driver.Connector].
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := plain.(plainConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connections of %T cannot do what is needed", plain), plain.Close())
	}
	return &preparedConn{plainConn: conn, known: map[string]*preparedStatement{}}, nil
}

// plainConn is what the driver's connections can do.
type plainConn interface {
	driver.Conn
	driver.Pinger
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// A preparedConn keeps statements that have arguments, and questions, prepared. All else is run once.
type preparedConn struct {
	plainConn
	known map[string]*preparedStatement
}

// maxPrepared bounds how many statements one connection keeps.
const maxPrepared = 96

type preparedStatement struct {
	driver.Stmt
	busy bool // its rows are being read
}

// prepare gives a statement that nobody uses; nil where there is none to be had.
func (c *preparedConn) prepare(ctx context.Context, query string) (*preparedStatement, error) {
	if s, ok := c.known[query]; ok {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(c.known) >= maxPrepared {
		c.forget()
	}
	plain, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &preparedStatement{Stmt: plain}
	c.known[query] = s
	return s, nil
}

// forget drops all statements that nobody uses.
func (c *preparedConn) forget() {
	for query, s := range c.known {
		if !s.busy {
			_ = s.Close() // it says what its last run has said
			delete(c.known, query)
		}
	}
}

// Close implements [driver.Conn].
func (c *preparedConn) Close() error {
	c.forget()
	return c.plainConn.Close()
}

// ExecContext implements [driver.ExecerContext].
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.plainConn.ExecContext(ctx, query, args)
	}
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.plainConn.ExecContext(ctx, query, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext implements [driver.QueryerContext].
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.plainConn.QueryContext(ctx, query, args)
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &preparedRows{rows, s}, nil
}

// preparedRows give their statement free.
type preparedRows struct {
	driver.Rows
	of *preparedStatement
}

// Close implements [driver.Rows].
func (r *preparedRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}

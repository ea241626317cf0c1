package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A connection is checked when it is made: it leads to a server that can write. That ceases to be
// true when a standby takes over and the server lives on, or is told to be read-only. Then writes
// fail, and reads return what was true before. So each answer is looked at for a sign of that, and
// one makes all connections of the pool new: those under way are closed when they are given back.

// errReadOnly: the server answered, and can't write any more.
var errReadOnly = errors.New("the server has become read-only")

// connected is what is known of a connection, in its custom data.
type connected struct {
	pool      int64 // how often the pool had been made new by then
	writeable bool
}

const connectedKey = "outset"

// remember notes what a new connection is.
func (s *Store) remember(_ context.Context, conn *pgx.Conn) error {
	c := conn.PgConn()
	c.CustomData()[connectedKey] = connected{s.renewals.Load(), !readOnly(c)}
	s.primary.opened(conn)
	return nil
}

// readOnly reports whether the server has said that it takes no writes. It tells so with the answer
// to a statement, unasked, when that changes.
func readOnly(c *pgconn.PgConn) bool {
	return c.ParameterStatus("in_hot_standby") == "on" ||
		c.ParameterStatus("default_transaction_read_only") == "on"
}

// verify returns the error of a read on this connection, or errReadOnly if what was read may be
// old.
func (s *Store) verify(conn *pgxpool.Conn, err error) error {
	c := conn.Conn().PgConn()
	if known, ok := c.CustomData()[connectedKey].(connected); err == nil && ok &&
		known.writeable && readOnly(c) {
		err = errReadOnly
	}
	return s.doubt(conn, err)
}

// doubt returns the error, after which no connection of the pool is used again if it shows that
// they lead nowhere. Several connections find that out at once, so only the first one counts.
func (s *Store) doubt(conn *pgxpool.Conn, err error) error {
	known, ok := conn.Conn().PgConn().CustomData()[connectedKey].(connected)
	if ok && stale(err) && s.renewals.CompareAndSwap(known.pool, known.pool+1) {
		s.pool.Reset()
	}
	return err
}

// stale reports whether an error is due to a server that has become read-only or has ended, so that
// it concerns all connections to it.
func stale(err error) bool {
	code, ended := sqlState(err)
	return readOnlyNow(err) || strings.HasPrefix(code, operatorIntervention) && ended ||
		code == "" && ended && !pgconn.Timeout(err)
}

// readOnlyNow reports whether the server takes no writes any more. Nothing was written.
func readOnlyNow(err error) bool {
	code, _ := sqlState(err)
	return code == readOnlyTransaction || errors.Is(err, errReadOnly)
}

// Ping returns nil if the database answers and can write. It learns the time of its clock.
func (s *Store) Ping(ctx context.Context) error {
	err := s.ping(ctx)
	if err != nil && ctx.Err() == nil { // the pool's connection may have been an old one
		err = s.ping(ctx)
	}
	return err
}

func (s *Store) ping(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release(conn)
	var now time.Time
	asked := time.Now()
	err = conn.QueryRow(ctx, `select clock_timestamp()`).Scan(&now)
	if err == nil {
		s.clock.Learn(now, asked, time.Now())
	}
	return s.verify(conn, err)
}

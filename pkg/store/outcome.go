package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that we act on (PostgreSQL documentation, appendix A).
const (
	divisionByZero       = "22012" // our deadline guard, see commit
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	idleInTransaction    = "25P03" // for longer than idleTimeout
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014" // after statementTimeout
)

// Attempts at one statement or batch, and the longest pause before the second. Every
// further pause is twice as long, so all of them together take 0.7 s at most.
const (
	attempts   = 4
	firstPause = 100 * time.Millisecond
)

// retry calls do until it succeeds or fails for good, with pauses of random length.
func retry(ctx context.Context, do func() error, again func(error) bool) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == attempts || !again(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(rand.N(pause)): //nolint:gosec // jitter, not a secret
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

// transient tells whether the same statements may succeed when sent again: the connection
// broke, or Postgres chose this transaction to give way to another.
func transient(err error) bool {
	var fromServer *pgconn.PgError
	if !errors.As(err, &fromServer) {
		return true
	}
	switch fromServer.Code {
	case serializationFailure, deadlockDetected, divisionByZero:
		return true
	}
	return severe(fromServer)
}

// severe tells whether the server ended the connection with this error (FATAL,
// PANIC), so that what happened to a commit that was on its way is unknown.
func severe(e *pgconn.PgError) bool { return e.SeverityUnlocalized != "ERROR" }

// locked tells whether Postgres gave up waiting for what somebody else has locked.
func locked(err error) bool {
	var fromServer *pgconn.PgError
	return errors.As(err, &fromServer) && fromServer.Code == lockNotAvailable
}

// timedOut tells whether Postgres gave up on a statement: it may have waited for one row after the
// other.
func timedOut(err error) bool {
	var fromServer *pgconn.PgError
	return errors.As(err, &fromServer) && fromServer.Code == queryCanceled
}

// oneAtFault tells whether the error may be due to a single operation of a
// batch: a value that Postgres refuses.
func oneAtFault(err error) bool {
	var fromServer *pgconn.PgError
	if !errors.As(err, &fromServer) || severe(fromServer) || fromServer.Code == divisionByZero {
		return false
	}
	switch fromServer.Code[:2] {
	case "21", "22", "23", "54": // cardinality, data, integrity, program limits
		return true
	}
	return false
}

// broken tells whether the connection ended with this error.
func broken(err error) bool {
	var fromServer *pgconn.PgError
	return err != nil && (!errors.As(err, &fromServer) || severe(fromServer))
}

// definite tells whether an error of the pipeline that commits means that nothing was committed:
// the server refused a statement, so it never came to the commit, or had ended the transaction
// before.
func definite(err error) bool {
	var fromServer *pgconn.PgError
	if errors.As(err, &fromServer) {
		return !severe(fromServer) || fromServer.Code == idleInTransaction
	}
	return pgconn.SafeToRetry(err)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/outset-settings/outset/internal/settings"
)

// failed returns the error to report for a write that failed with err. Once an attempt at the batch
// has ended without an answer, a later failure leaves the outcome unknown, unless it also shows
// that the attempt was not applied. A failure with the row locked does show that, except for these:
//
//   - ErrExpired: the lost attempt may have been in time, and still be waiting for the row.
//   - ErrUnavailable: it may have been applied and erased since.
//   - ErrViolation: it may have been checked with an earlier schema.
func (b *batch) failed(err error) error {
	if b.unknown && (errors.Is(err, ErrExpired) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, settings.ErrViolation) || errors.Is(err, errRefused)) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// errRefused: Postgres rejects the write even if nothing else is in the batch.
var errRefused = errors.New("the database refuses this write")

// The SQLSTATEs that we act on (PostgreSQL documentation, appendix A).
const (
	divisionByZero       = "22012" // the guard of deadlines, see queueGuard
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	idleInTransaction    = "25P03" // for longer than timeouts.idle
	lockNotAvailable     = "55P03" // within timeouts.lock
	queryCanceled        = "57014" // after timeouts.statement
	readOnlyTransaction  = "25006" // the server was the primary once
	operatorIntervention = "57P"   // a class's part: the server is shutting down, or starting
	cannotConnectNow     = "57P03" // of these: it is starting, or recovers
	insufficient         = "53"    // a class: too many connections, or no memory
)

// The classes of errors that a single write of a batch may cause: cardinality, data, integrity
// constraints, program limits.
var classesOfOne = []string{"21", "22", "23", "54"}

// sqlState returns the SQLSTATE of an error that the server sent, "" for any other, and whether the
// connection ended with the error. The outcome of a commit on its way is unknown then. For nil it
// returns "" and false.
func sqlState(err error) (code string, ended bool) {
	var fromServer *pgconn.PgError
	if errors.As(err, &fromServer) {
		// FATAL or PANIC
		return fromServer.Code, fromServer.SeverityUnlocalized != "ERROR"
	}
	return "", err != nil
}

// endsConnection reports whether the connection ended with this error.
func endsConnection(err error) bool {
	_, ended := sqlState(err)
	return ended
}

// transient reports whether the same statements may succeed when sent again: the connection broke
// or leads to a server that was the primary once, or Postgres chose this transaction to give way to
// another.
func transient(err error) bool {
	code, ended := sqlState(err)
	return ended || readOnlyNow(err) || code == serializationFailure || code == deadlockDetected ||
		code == divisionByZero
}

// lockTimedOut reports whether Postgres gave up waiting for a lock.
func lockTimedOut(err error) bool {
	code, _ := sqlState(err)
	return code == lockNotAvailable
}

// statementTimedOut reports whether Postgres gave up on a statement, as on one that waited for many
// rows in turn.
func statementTimedOut(err error) bool {
	code, _ := sqlState(err)
	return code == queryCanceled
}

// oneAtFault reports whether the error may be due to a single write of a batch.
func oneAtFault(err error) bool {
	code, ended := sqlState(err)
	return code != "" && !ended && code != divisionByZero && slices.Contains(classesOfOne, code[:2])
}

// Busy reports whether the database itself has said that it can't do it right now: it has too many
// connections, no memory, or is starting.
func Busy(err error) bool {
	code, _ := sqlState(err)
	return code == cannotConnectNow || strings.HasPrefix(code, insufficient)
}

// Unreachable reports whether an operation failed because there was no connection to the database,
// or because that broke: the server has stopped, or starts, or another is to become the primary. It
// isn't for a server that has too much to do, lets nobody in, or doesn't answer in time.
func Unreachable(err error) bool {
	code, _ := sqlState(err)
	if readOnlyNow(err) || strings.HasPrefix(code, operatorIntervention) {
		return true
	}
	if code != "" || pgconn.Timeout(err) {
		return false
	}
	var connecting *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connecting) || errors.As(err, &network) ||
		errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// definite reports whether an error of the pipeline that commits means that nothing was committed:
// the server refused a statement before the commit, or had already ended the transaction.
func definite(err error) bool {
	code, ended := sqlState(err)
	return code == idleInTransaction || !ended || code == "" && pgconn.SafeToRetry(err)
}

// Attempts at one statement or batch, and the longest pause before the second. Every further pause
// is twice as long, so all of them together take 0.7 s at most.
const (
	attempts   = 4
	firstPause = 100 * time.Millisecond
)

// retry calls do until it succeeds, its error can't be retried, or all attempts have failed. The
// pauses between them are of random length.
func retry(ctx context.Context, do func() error, retryable func(error) bool) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == attempts || !retryable(err) || ctx.Err() != nil {
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

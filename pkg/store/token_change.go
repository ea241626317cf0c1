package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tokensLock is the key of the advisory lock of whoever makes tokens: the ASCII codes of "tokens".
const tokensLock = 0x746f6b656e73

// tokensChange is what a transaction does about tokens. It reports whether it changed anything: if
// it only found that all is done already, no deadline matters.
type tokensChange func(*pgxpool.Conn) (changed bool, err error)

// changeTokens calls change in a transaction, one at a time among all workers, and commits it if
// the deadline has not passed; zero: there is none.
func (s *Store) changeTokens(ctx context.Context, deadline time.Time, change tokensChange) error {
	unknown := false // whether a commit had no answer
	err := retry(ctx, func() error {
		err := s.changeTokensOnce(ctx, deadline, change)
		unknown = unknown || errors.Is(err, ErrOutcomeUnknown)
		return err
	}, func(err error) bool { return !isOwn(err) && transient(err) })
	switch {
	case err == nil || isOwn(err):
		// It holds also after an attempt without an answer: that one had the lock when it was sent
		// the commit, so by now it has ended, and change saw what it did.
		return err
	case unknown:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

func (s *Store) changeTokensOnce(ctx context.Context, deadline time.Time,
	change tokensChange,
) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that is still in a transaction is closed and not reused, which rolls the
	// transaction back, too.
	defer s.release(conn)

	var b pgx.Batch
	b.Queue(`begin`)
	b.Queue(`select pg_advisory_xact_lock($1)`, tokensLock)
	changed := false
	if err = conn.SendBatch(ctx, &b).Close(); err == nil {
		changed, err = change(conn)
	}
	if changed && err == nil { // else the rollback is all that is left to do
		var last pgx.Batch
		// If the deadline has passed since change has checked it, this fails in a way that is
		// retried, and the next check finds it.
		queueGuard(&last, deadline)
		err = s.sendCommit(ctx, conn, &last)
	}
	rollBack(ctx, conn)
	if isOwn(err) {
		return err
	}
	return s.doubt(conn, err)
}

// inTime returns [ErrExpired] from the deadline on, by the database's clock.
func inTime(ctx context.Context, conn *pgxpool.Conn, deadline time.Time) error {
	if deadline.IsZero() {
		return nil
	}
	var late bool
	err := conn.QueryRow(ctx, `select $1 <= clock_timestamp()`, orNever(deadline)).Scan(&late)
	if err == nil && late {
		return ErrExpired
	}
	return err
}

// isOwn reports whether an error about tokens is not the database's.
func isOwn(err error) bool {
	return errors.Is(err, ErrIDReused) || errors.Is(err, ErrTooManyTokens) ||
		errors.Is(err, ErrNoToken) || errors.Is(err, ErrExpired)
}

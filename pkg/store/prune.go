package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A step takes 6 ms to look at pruneUsers (of 1,000,000) and 15 ms to remove pruneRows with small
// documents; 75 ms with documents of 64 KB, and 0.6 s with 512 KB, which is why pruneRows isn't
// more.
const (
	pruneUsers  = 1000 // users in one step: a walk through 1,000,000 takes about 17 minutes
	pruneRows   = 1000 // rows removed in one step, and the rest of the last user's among them
	pruneOfUser = 200  // rows of one user among these

	// The pauses between two steps.
	pruneEvery   = time.Second
	pruneBacklog = 50 * time.Millisecond // if rows are left: about 14,000 rows a second
	pruneWalk    = time.Minute           // at the end of a walk, which is short with few users
)

// Prune takes one step: it removes old versions from the history, and returns how many and how long
// to wait before the next step. Any number of workers may take part: they share one walk through
// all users, and only one of them takes a step at any time.
//
// A version is removed when it is older than keep.Age and the user has keep.Versions newer ones,
// the row of an erasure when it is older than keep.Age. The current version stays. What erasures
// have left is removed first, and even if no step of the walk is due yet. Documents beyond the
// budget of the users of a step are dropped (budget.go), which removes no version. An error wraps
// [ErrUnavailable]: the step may not have been taken, and a later one makes up for it.
func (s *Store) Prune(
	ctx context.Context, keep Retention,
) (removed int64, next time.Duration, err error) {
	s.measureHistory(ctx)
	if next, err = s.nextPruning(ctx); next > 0 && err == nil {
		return 0, next, nil
	}
	var users []string
	err = s.with(ctx, func(conn *pgxpool.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			users, removed, next, err = prune(ctx, tx, keep)
			return err
		})
	})
	if err == nil {
		err = s.dropLeft(ctx, users)
	}
	if err != nil {
		return 0, pruneEvery, fmt.Errorf("%w: pruning: %w", ErrUnavailable, err)
	}
	return removed, next, nil
}

// nextPruning returns how long there is nothing to do yet. It locks nothing, so that workers which
// ask every second make an idle database write nothing.
func (s *Store) nextPruning(ctx context.Context) (time.Duration, error) {
	var (
		due, now time.Time
		erased   bool
	)
	err := s.with(ctx, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `
			select due, clock_timestamp(), exists (select from settings_erased)
			from settings_pruning
			where id = 1`).Scan(&due, &now, &erased)
	})
	if err != nil || erased {
		return 0, err
	}
	return due.Sub(now), nil
}

// prune takes a step, and returns the users of whom it was.
func prune(ctx context.Context, tx pgx.Tx, keep Retention) (
	users []string, removed int64, next time.Duration, err error,
) {
	var (
		from     string
		due, now time.Time
		erased   bool
	)
	err = tx.QueryRow(ctx, `
		select user_id, due, clock_timestamp(), exists (select from settings_erased)
		from settings_pruning
		where id = 1
		for update skip locked`).Scan(&from, &due, &now, &erased)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // another worker is doing a step
		return nil, 0, pruneEvery, nil
	case err != nil:
		return nil, 0, 0, err
	case erased:
		removed, err = pruneErased(ctx, tx)
		return nil, removed, pruneBacklog, err
	case now.Before(due):
		return nil, 0, due.Sub(now), nil
	}

	step, err := nextUsers(ctx, tx, from, keep.Versions)
	if err != nil {
		return nil, 0, 0, err
	}
	removed, left, err := removeRows(ctx, tx, step, now.Add(-keep.Age))
	if err != nil {
		return nil, 0, 0, err
	}
	more, err := forgetChanges(ctx, tx, now.Add(-keep.Age))
	if err != nil {
		return nil, 0, 0, err
	}
	if err := removeFences(ctx, tx); err != nil {
		return nil, 0, 0, err
	}
	switch {
	case left: // the same users again
		next = pruneBacklog
	case len(step.users) < pruneUsers:
		from, next = "", pruneWalk
	default: // the next step begins with the last user of this one
		from, next = step.users[len(step.users)-1], pruneEvery
	}
	if more {
		next = pruneBacklog
	}
	_, err = tx.Exec(ctx, `
		update settings_pruning
		set user_id = $1, due = clock_timestamp() + $2::bigint * interval '1 microsecond'
		where id = 1`, from, next.Microseconds())
	return step.users, removed, next, err
}

// pruning is the users of one step, in order. Of each, upTo is the newest version that isn't among
// the last Retention.Versions. Writes meanwhile only make it too low.
type pruning struct {
	users []string
	upTo  []int64
}

func nextUsers(ctx context.Context, tx pgx.Tx, from string, versions int) (pruning, error) {
	rows, err := tx.Query(ctx, `
		select user_id, greatest(version - $2, erased_version)
		from settings
		where user_id >= $1
		order by user_id
		limit $3`, from, int64(max(versions, 1)), pruneUsers) // 1: the current one stays
	if err != nil {
		return pruning{}, err
	}
	var (
		p    pruning
		user string
		upTo int64
	)
	_, err = pgx.ForEachRow(rows, []any{&user, &upTo}, func() error {
		p.users, p.upTo = append(p.users, user), append(p.upTo, upTo)
		return nil
	})
	return p, err
}

// removeRows removes old rows of the log, and reports whether these users may have more of them.
//
// Of each user, the rows below the first that stays are removed: the first that isn't old, or is
// too many for one step, or the one whose document that row shares (shared.go). A user's versions
// are made one after the other, so if the oldest row is too young to be removed, all are. The bound
// of pruneRows counts only rows to be removed, and ends after all those of a user, so that it
// doesn't separate rows that share a document. Rows that an erasure has locked are passed over:
// since this never waits for a lock, it can't be part of a deadlock.
func removeRows(ctx context.Context, tx pgx.Tx, p pruning, before time.Time) (
	removed int64, left bool, err error,
) {
	rows, err := tx.Query(ctx, `
		with old as materialized (
			select log.user_id, log.version
			from (
				select user_id, up_to
				from unnest($1::text[], $2::bigint[]) as step (user_id, up_to)
				order by user_id) pruned -- sorted here, so that reading ends at the limit
			cross join lateral (
				select applied_at, least(pruned.up_to, version + $4 - 1) as up_to
				from settings_log
				where user_id = pruned.user_id and version <= pruned.up_to
				order by version
				limit 1) oldest
			left join lateral (
				select version, document is null and size > 0 as shares
				from settings_log
				where user_id = pruned.user_id
				  and (version > oldest.up_to or applied_at >= $3)
				order by version
				limit 1) staying on true
			left join lateral (
				select version
				from settings_log
				where user_id = pruned.user_id and version < staying.version
				  and version > staying.version - $6 and document is not null
				order by version desc
				limit 1) own on staying.shares
			cross join lateral (
				select user_id, version
				from settings_log
				where user_id = pruned.user_id
				  and version < coalesce(own.version, staying.version, oldest.up_to + 1)) log
			where oldest.applied_at < $3
			order by pruned.user_id
			fetch first $5 rows with ties
		), locked as materialized (
			select user_id, version
			from settings_log
			join old using (user_id, version)
			for update of settings_log skip locked
		)
		delete from settings_log
		using locked
		where settings_log.user_id = locked.user_id and settings_log.version = locked.version
		returning settings_log.user_id`, p.users, p.upTo, before, pruneOfUser, pruneRows, sharedVersions)
	if err != nil {
		return 0, false, err
	}
	var (
		user  string
		count = make(map[string]int)
	)
	tag, err := pgx.ForEachRow(rows, []any{&user}, func() error {
		count[user]++
		left = left || count[user] > pruneOfUser-sharedVersions
		return nil
	})
	return tag.RowsAffected(), left || tag.RowsAffected() >= pruneRows, err
}

// forgetChanges removes old rows of settings_changes, and reports whether there may be more.
// Whoever follows changes from before them begins anew, see [Follow]. A dump that was restored may
// have brought transactions along that this database has not had yet. They are removed when they
// are old enough, and nobody begins anew because of them.
func forgetChanges(ctx context.Context, tx pgx.Tx, before time.Time) (more bool, err error) {
	rows, err := tx.Query(ctx, `
		with old as materialized (
			select ctid, transaction
			from (select ctid, transaction, changed_at
			      from settings_changes
			      order by transaction
			      limit $2) first
			where changed_at < $1
			  and (transaction < pg_snapshot_xmin(pg_current_snapshot())
			       or transaction >= pg_snapshot_xmax(pg_current_snapshot()))
		)
		delete from settings_changes
		using old
		where settings_changes.ctid = old.ctid
		returning old.transaction::text::bigint,
		          old.transaction < pg_snapshot_xmax(pg_current_snapshot())`, before, pruneRows)
	if err != nil {
		return false, err
	}
	var (
		transaction, newest int64
		had                 bool
	)
	tag, err := pgx.ForEachRow(rows, []any{&transaction, &had}, func() error {
		if had {
			newest = max(newest, transaction)
		}
		return nil
	})
	if err != nil || newest == 0 {
		return tag.RowsAffected() == pruneRows, err
	}
	_, err = tx.Exec(ctx, `
		update settings_pruning
		set forgotten = case
		        when forgotten_in = here and forgotten > $1::bigint::text::xid8 then forgotten
		        else $1::bigint::text::xid8
		    end,
		    forgotten_in = here
		from (select `+databaseID+` as here) database
		where id = 1`, newest) // a transaction may be older than one that began later
	return tag.RowsAffected() == pruneRows, err
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A step takes 6 ms to look at pruneUsers (of 1,000,000) and 15 ms to remove pruneRows with small
// documents; 75 ms where they have 64 KB, and 0.6 s with 512 KB, which is what bounds pruneRows.
const (
	pruneUsers  = 1000 // 1,000,000 users are looked at in about 17 minutes
	pruneRows   = 1000 // removed in one step
	pruneOfUser = 100  // of them of one user; as many rows that turn out too young may be read
	pruneEvery  = time.Second
	// after a step that left something: about 14,000 rows a second
	pruneBacklog = 50 * time.Millisecond
	pruneWalk    = time.Minute // after the last user: few users need no look each second
)

// Prune removes from the history what it need not keep, a step at a time, and returns how much that
// was and when the next step is due. Any number of workers may take part: they share one walk
// through all users, and only one of them is at it at any time.
//
// A version goes when it is older than keep.Age and the user has had keep.Versions after it, the
// row of an erasure when it is older than keep.Age. The current version stays. An error wraps
// [ErrUnavailable]: the step was not done, or not known to be, and a later one does it.
func (s *Store) Prune(
	ctx context.Context, keep Retention,
) (removed int64, next time.Duration, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		removed, next, err = prune(ctx, tx, keep)
		return err
	})
	if err != nil {
		return 0, pruneEvery, fmt.Errorf("%w: pruning: %w", ErrUnavailable, err)
	}
	return removed, next, nil
}

func prune(ctx context.Context, tx pgx.Tx, keep Retention) (
	removed int64, next time.Duration, err error,
) {
	var (
		from     string
		due, now time.Time
	)
	err = tx.QueryRow(ctx, `
		select user_id, due, clock_timestamp()
		from settings_pruning
		where id = 1
		for update skip locked`).Scan(&from, &due, &now)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // another worker is doing a step
		return 0, pruneEvery, nil
	case err != nil:
		return 0, 0, err
	case now.Before(due):
		return 0, due.Sub(now), nil
	}

	step, err := nextUsers(ctx, tx, from, keep.Versions)
	if err != nil {
		return 0, 0, err
	}
	removed, left, err := removeRows(ctx, tx, step, now.Add(-keep.Age))
	if err != nil {
		return 0, 0, err
	}
	switch {
	case left: // the same users again
		next = pruneBacklog
	case len(step.users) < pruneUsers:
		from, next = "", pruneWalk
	default: // the last of them again: the next step needs somewhere to begin
		from, next = step.users[len(step.users)-1], pruneEvery
	}
	_, err = tx.Exec(ctx, `
		update settings_pruning
		set user_id = $1, due = clock_timestamp() + $2::bigint * interval '1 microsecond'
		where id = 1`, from, next.Microseconds())
	return removed, next, err
}

// pruning is some users, in order, with the last version of each that need not be kept for its
// number. It can only be too low: versions grow.
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

// removeRows removes old rows of the log, and tells whether there may be more of these users.
//
// Versions of a user come to be one after the other, so unless the oldest that is left is too old
// nothing is. Rows that somebody holds, who is erasing their user, are passed over: as this
// waits for nobody, nobody waits for it in a circle.
func removeRows(ctx context.Context, tx pgx.Tx, p pruning, before time.Time) (
	removed int64, left bool, err error,
) {
	rows, err := tx.Query(ctx, `
		with old as materialized (
			select log.user_id, log.version
			from unnest($1::text[], $2::bigint[]) as pruned (user_id, up_to)
			cross join lateral (
				select applied_at
				from settings_log
				where user_id = pruned.user_id and version <= pruned.up_to
				order by version
				limit 1) oldest
			cross join lateral (
				select user_id, version, applied_at
				from settings_log
				where user_id = pruned.user_id and version <= pruned.up_to and oldest.applied_at < $3
				order by version
				limit $4) log
			where log.applied_at < $3
			limit $5
		), locked as materialized (
			select user_id, version
			from settings_log
			join old using (user_id, version)
			for update of settings_log skip locked
		)
		delete from settings_log
		using locked
		where settings_log.user_id = locked.user_id and settings_log.version = locked.version
		returning settings_log.user_id`, p.users, p.upTo, before, pruneOfUser, pruneRows)
	if err != nil {
		return 0, false, err
	}
	var (
		user  string
		count = make(map[string]int)
	)
	tag, err := pgx.ForEachRow(rows, []any{&user}, func() error {
		count[user]++
		left = left || count[user] == pruneOfUser
		return nil
	})
	return tag.RowsAffected(), left || tag.RowsAffected() == pruneRows, err
}

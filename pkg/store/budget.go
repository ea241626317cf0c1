package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/settings"
)

// The documents in a user's history have a budget of bytes. A restore of 90 bytes adds a document
// of 64 KB, so without one eight connections filled 40 MB of disk a second. Beyond the budget the
// oldest documents are dropped. Their rows stay for as long as Prune keeps them: a repetition is
// still recognized by its id and fingerprint, and gets its first answer but for the document.
//
// Each version counts versionOverhead and the bytes of its document, unless it shares that
// (shared.go). settings.written is the sum over all versions that a user has had since the last
// erasure, and each row of the log has the sum up to its version. So whether a row is within the
// budget is told by two numbers, and nothing need be counted again when rows are pruned or erased.
// Writes compute the sum anyway, and each time it passes a multiple of the step, the worker looks
// for what to drop once it has answered.

const (
	// versionOverhead bounds how many documents there are to drop in one step, however small they
	// are.
	versionOverhead = 256
	// maxStep is how much a user writes between two looks.
	maxStep = 256 << 10
	// dropRows and dropBytes bound what one statement drops, of all its users: the one that exceeds
	// dropBytes is dropped, too. They are more than fits in two steps, so that a look also gets to
	// what an earlier one or a larger budget has left.
	dropRows  = 2*maxStep/versionOverhead + 1
	dropBytes = eraseBytes
	// dropWaits is for how many locked users one look waits, and dropLooks how many statements one
	// step of Prune takes.
	dropWaits, dropLooks = 4, 8
)

// counted is what a version counts in the budget.
func counted(document []byte) int64 { return int64(len(document)) + versionOverhead }

// droppedError says why the document of a version can't be read or restored.
func droppedError(version int64) error {
	return fmt.Errorf("%w: the document of version %d is not kept any more, as the history has a "+
		"budget of bytes", settings.ErrNotFound, version)
}

// LimitHistory gives the documents in each user's history a budget of bytes. The current one stays
// even if it is larger. Call it before anything else; without it there is no budget.
func (s *Store) LimitHistory(bytes int64) { s.historyBytes = bytes }

// step is how much a user writes between two looks for documents to drop.
func (s *Store) step() int64 { return max(min(s.historyBytes/16, maxStep), 1) }

// dropDocuments drops what exceeds the budget of the users for whom it is time to look. What it
// doesn't get to is left to the next look and to Prune. First it passes over users whose rows
// others have locked, so that it never waits while it keeps others waiting. Then it waits for those
// one by one: a user to whom several workers write all the time has hardly a moment without.
func (s *Store) dropDocuments(ctx context.Context, writes []Write, outcomes []Written) {
	if s.historyBytes <= 0 {
		return
	}
	var users []string
	for i, step := 0, s.step(); i < len(outcomes); i++ {
		after := outcomes[i].written
		if before := after - outcomes[i].added; after/step > before/step {
			users = append(users, writes[i].User)
		}
	}
	if len(users) == 0 {
		return
	}
	slices.Sort(users)
	users = slices.Compact(users)
	passed, _, err := s.drop(ctx, users, false)
	for _, user := range passed[:min(len(passed), dropWaits)] {
		if err == nil {
			_, _, err = s.drop(ctx, []string{user}, true)
		}
	}
	if err != nil {
		s.figures.dropFailures.Inc()
	}
}

// dropLeft drops what exceeds the budget of users of a step of Prune: what no look has got to, since
// it failed, or since the budget was larger and they have not written since.
func (s *Store) dropLeft(ctx context.Context, users []string) error {
	for range dropLooks {
		if s.historyBytes <= 0 || len(users) == 0 {
			return nil
		}
		_, versions, err := s.drop(ctx, users, false)
		if err != nil || versions == 0 {
			return err
		}
	}
	return nil
}

// drop drops documents of users who exceed their budget, from the oldest version on, and leaves it
// a step of room. It returns the users who exceed it and whose rows others have locked, and how
// many versions it got to. Where it waits for them it should have one user alone.
func (s *Store) drop(ctx context.Context, users []string, wait bool) (
	passed []string, versions int, err error,
) {
	ctx, cancel := s.committing(ctx)
	defer cancel()
	most := s.historyBytes - s.step()
	var b pgx.Batch // the end of a pipeline commits
	if wait {
		b.Queue(`select`+exceeding+`for no key update`, users, most, versionOverhead)
	}
	b.Queue(`select user_id`+exceeding, users, most, versionOverhead).Query(
		func(rows pgx.Rows) (err error) {
			passed, err = pgx.AppendRows(passed, rows, pgx.RowTo[string])
			return err
		})
	b.Queue(dropQuery, users, most, versionOverhead, dropRows, dropBytes).Query(
		func(rows pgx.Rows) error {
			var (
				user string
				n    int
			)
			_, err := pgx.ForEachRow(rows, []any{&user, &n}, func() error {
				passed = slices.DeleteFunc(passed, func(u string) bool { return u == user })
				versions += n
				return nil
			})
			return err
		})
	err = s.with(ctx, func(conn *pgxpool.Conn) error {
		return s.doubt(conn, conn.SendBatch(ctx, &b).Close())
	})
	return passed, versions, err
}

// exceeding finds, of the users $1, those of whom there is something to drop if no more than $2
// bytes are to be left. $3 is versionOverhead.
const exceeding = `
	from settings
	where user_id = any($1::text[]) and written - (
	    select log.written - (` + ownSize + `) - $3
	    from settings_log log
	    where log.user_id = settings.user_id
	      and log.version > coalesce(greatest(dropped_version, erased_version), 0)
	      and log.version < settings.version
	    order by log.version
	    limit 1) > $2
	order by user_id
	`

// dropQuery drops documents of those whose rows it can lock at once.
const dropQuery = `
	with locked as materialized (
		select user_id, version, written,
		       coalesce(greatest(dropped_version, erased_version), 0) as gone` + exceeding + `
		for no key update skip locked
	), oldest as materialized (
		select log.user_id, log.version, log.size
		from locked
		cross join lateral (
			select user_id, version, ` + ownSize + ` as size,
			       written - (` + ownSize + `) - $3 as before
			from settings_log log
			where user_id = locked.user_id and version > locked.gone and version < locked.version
			order by version
			limit $4) log
		where locked.written - log.before > $2
		limit $4
	), due as materialized (
		select user_id, version
		from (select user_id, version, size,
		             sum(size) over (order by user_id, version) as total
		      from oldest) summed
		where total - size < $5
	), dropped as (
		update settings_log
		set document = null
		from due
		where settings_log.user_id = due.user_id and settings_log.version = due.version
		  and settings_log.document is not null
	), marked as (
		update settings
		set dropped_version = due.last
		from (select user_id, max(version) as last from due group by user_id) due
		where settings.user_id = due.user_id
	)
	select user_id, (select count(*) from due where due.user_id = locked.user_id) from locked`

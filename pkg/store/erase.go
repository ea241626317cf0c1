package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// An erasure makes everything unreadable with its commit, however long the history is: it removes
// the document and notes up to which version the user is erased. Rows of the log that it has no
// time to remove are listed in settings_erased, and [Store.Prune] removes them step by step. Until
// then no statement may return them: those that read the log leave out versions up to the erased
// one, or look into that table.

// One statement that removes erased rows stops at the first of these. 360,000 rows removed at once
// took longer than the statement timeout, and the writes of the same batch waited for it.
const (
	eraseRows  = 1000    // as pruneRows
	eraseBytes = 4 << 20 // of documents; the row that exceeds it is removed, too
)

// removeErased removes rows of the log, of each user those above a version and up to another. It
// passes over rows that are locked: it never waits, so it can't be part of a deadlock.
const removeErased = `
	with oldest as materialized (
		select log.user_id, log.version, log.size
		from unnest($1::text[], $2::bigint[], $3::bigint[]) as erased (user_id, above, up_to)
		cross join lateral (
			select user_id, version, size
			from settings_log
			where user_id = erased.user_id and version > erased.above
			  and version <= erased.up_to
			order by version
			limit $4) log
		limit $4
	), summed as (
		select user_id, version, size, sum(size) over (order by user_id, version) as total
		from oldest
	), fitting as materialized (
		select user_id, version from summed where total - size < $5
	), locked as materialized (
		select user_id, version
		from settings_log
		join fitting using (user_id, version)
		for update of settings_log skip locked
	)
	delete from settings_log
	using locked
	where settings_log.user_id = locked.user_id and settings_log.version = locked.version`

// queueErasures marks the users whom the transaction erases, and removes their rows from the log,
// or lists what is left of them.
func (t *transaction) queueErasures(b *pgx.Batch) {
	var (
		users               []string
		above, upTo, erased []int64
	)
	for _, user := range t.users {
		if r := t.rows[user]; r != nil && r.erasure != nil {
			users, erased = append(users, user), append(erased, r.erasedVersion)
			above, upTo = append(above, r.erasure.above), append(upTo, r.erasure.upTo)
		}
	}
	if len(users) == 0 {
		return
	}
	b.Queue(removeErased, users, above, upTo, eraseRows, eraseBytes)
	b.Queue(`
		insert into settings_erased (user_id, above, up_to)
		select user_id, above, up_to
		from unnest($1::text[], $2::bigint[], $3::bigint[]) as erased (user_id, above, up_to)
		where exists (
			select from settings_log log
			where log.user_id = erased.user_id and log.version > erased.above
			  and log.version <= erased.up_to)`, users, above, upTo)
	// Attempts that these fences would refuse were issued before the erasure, which refuses them.
	b.Queue(`delete from settings_fences where user_id = any($1::text[])`, users)
	b.Queue(`
		update settings
		set erased_version = erased.version, erased_at = $3
		from unnest($1::text[], $2::bigint[]) as erased (user_id, version)
		where settings.user_id = erased.user_id`, users, erased, t.now)
}

// queueForgotten removes the erased rows whose ids this transaction gives again.
func (t *transaction) queueForgotten(b *pgx.Batch) {
	var users, ids []string
	for i := range t.log {
		if k := t.log[i].operationKey; t.forgotten[k] {
			users, ids = append(users, k.user), append(ids, k.id)
		}
	}
	if len(users) == 0 {
		return
	}
	b.Queue(`
		delete from settings_log
		using unnest($1::text[], $2::text[]) as again (user_id, operation_id)
		where settings_log.user_id = again.user_id
		  and settings_log.operation_id = again.operation_id`, users, ids)
}

// pruneErased removes rows that an erasure has left, and returns how many.
func pruneErased(ctx context.Context, tx pgx.Tx) (removed int64, err error) {
	var (
		user        string
		above, upTo int64
		next        *int64 // the oldest version that is left
	)
	err = tx.QueryRow(ctx, `
		select user_id, above, up_to
		from settings_erased
		order by user_id, up_to
		limit 1`).Scan(&user, &above, &upTo)
	if errors.Is(err, pgx.ErrNoRows) { // another worker has removed the last ones
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, removeErased, []string{user}, []int64{above}, []int64{upTo},
		eraseRows, eraseBytes)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `
		select min(version)
		from settings_log
		where user_id = $1 and version > $2 and version <= $3`, user, above, upTo).Scan(&next)
	switch {
	case err != nil:
		return 0, err
	case next == nil:
		_, err = tx.Exec(ctx, `delete from settings_erased where user_id = $1 and up_to = $2`,
			user, upTo)
	default: // the next step need not pass over what this one has removed
		_, err = tx.Exec(ctx, `
			update settings_erased set above = $3 where user_id = $1 and up_to = $2`,
			user, upTo, *next-1)
	}
	return tag.RowsAffected(), err
}

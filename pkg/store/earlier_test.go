package store_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// earlierWrite is what the workers of schema 00001 do for one replacement, with their own statements,
// as they were in commit b013eb0. It returns the version; replayed: the id was in the log.
func earlierWrite(ctx context.Context, conn *pgx.Conn, user, id, document string) (version int64, replayed bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var (
			stored      []byte
			logged      int64
			fingerprint []byte
		)
		if _, err := tx.Exec(ctx, `
			insert into settings (user_id, version, updated_at)
			select user_id, 0, clock_timestamp() from unnest($1::text[]) as new (user_id)
			on conflict do nothing`, []string{user}); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `
			select user_id, version, document
			from settings
			where user_id = any($1::text[])
			order by user_id
			for update`, []string{user}).Scan(&user, &version, &stored); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select user_id, operation_id, version, fingerprint
			from settings_log
			join unnest($1::text[], $2::text[]) as asked (user_id, operation_id) using (user_id, operation_id)`, []string{user}, []string{id})
		if err != nil {
			return err
		}
		if _, err := pgx.ForEachRow(rows, []any{&user, &id, &logged, &fingerprint}, func() error {
			version, replayed = logged, true
			return nil
		}); err != nil || replayed {
			return err
		}
		version++
		if _, err := tx.Exec(ctx, `
			update settings
			set version = new.version, document = new.document::json, updated_at = clock_timestamp()
			from unnest($1::text[], $2::bigint[], $3::text[]) as new (user_id, version, document)
			where settings.user_id = new.user_id`, []string{user}, []int64{version}, []string{document}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into settings_log (user_id, version, operation_id, fingerprint, document, applied_at)
			select user_id, version, operation_id, fingerprint, document::json, clock_timestamp()
			from unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[])
				as new (user_id, version, operation_id, fingerprint, document)`,
			[]string{user}, []int64{version}, []string{id}, [][]byte{[]byte(document)}, []string{document})
		return err
	})
	return version, replayed, err
}

// earlierRead is what they read.
func earlierRead(t *testing.T, conn *pgx.Conn, user string) (version int64, document string) {
	t.Helper()
	document = "{}"
	rows, err := conn.Query(t.Context(), `
		select user_id, version, document
		from settings
		where user_id = any($1) and document is not null`, []string{user})
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&user, &version, &document}, func() error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return version, document
}

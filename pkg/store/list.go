package store

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// List is a part of all users who have a document, in the order of their ids as bytes.
type List struct {
	After string    // the users after this id
	Limit int       // how many, at most
	Since time.Time // only who was changed at or after this; zero: all
	Whole bool      // with the documents
	Bytes int       // of ids and documents, at most; a document that is larger comes alone
}

// Listed is the outcome of a [List].
type Listed struct {
	Users []User
	Next  string // where the next part begins; "": there is none
}

// User is one of those who have a document. It has the bytes of it only if the List is Whole.
type User struct {
	ID string
	Document
}

const (
	// userOverhead is what a user counts for beside id and document.
	userOverhead = 64
	// maxScanned is how many rows a statement looks at for those who were changed of late: about 10
	// ms, and there is no index of when, since each write would pay for it.
	maxScanned = 5000
)

// The log knows how large the current document is, so that none is read to find out that it doesn't
// fit.
//
// The answer has one row even if it has no user: it tells how far the statement has come.
const listQuery = `
	with scanned as materialized (
		select user_id, version,
		       document is not null and updated_at >= $2 as wanted
		from settings
		where user_id > $1
		order by user_id
		limit $3
	), wanted as materialized (
		select user_id, version from scanned where wanted order by user_id limit $4
	), sized as (
		select user_id, octet_length(user_id) + $6 + case when $5 then
		           (select size from settings_log log where log.user_id = wanted.user_id and log.version = wanted.version)
		           else 0 end as size
		from wanted
	), summed as (
		select user_id, size, sum(size) over (order by user_id) as total from sized
	), fitting as materialized (
		select user_id from summed where total <= $7 or total = size
	)
	select (select count(*) from scanned), (select max(user_id) from scanned), (select count(*) from wanted),
	       settings.user_id, settings.version, settings.updated_at, case when $5 then settings.document end
	from (values (true)) once
	left join (fitting join settings using (user_id)) on true
	order by settings.user_id`

func queueList(b *pgx.Batch, l *List, f *Found) {
	f.Listed = &Listed{}
	scanned := l.Limit
	if !l.Since.IsZero() {
		scanned = max(maxScanned, l.Limit)
	}
	b.Queue(listQuery, max(l.After, SchemaUser), l.Since, scanned, l.Limit, l.Whole, userOverhead,
		l.Bytes).Query(func(rows pgx.Rows) error {
		return f.Listed.scan(rows, scanned, l.Limit)
	})
}

func (l *Listed) scan(rows pgx.Rows, most, limit int) error {
	var (
		scanned, wanted int
		last, user      *string
		version         *int64
		modified        *time.Time
		bytes           []byte
	)
	_, err := pgx.ForEachRow(rows, []any{
		&scanned, &last, &wanted, &user, &version, &modified,
		&bytes,
	}, func() error {
		if user != nil {
			l.Users = append(l.Users, User{
				ID:       *user,
				Document: Document{Version: *version, Bytes: bytes, Modified: modified.UTC()},
			})
		}
		bytes = nil // the next row's bytes go to memory of their own
		return nil
	})
	switch n := len(l.Users); {
	case err != nil:
		return err
	case n > 0 && (n < wanted || n == limit): // more would exceed the bytes or the limit
		l.Next = l.Users[n-1].ID
	case scanned == most && last != nil:
		l.Next = *last
	}
	return nil
}

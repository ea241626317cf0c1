package store

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// List asks for a part of all users who have a document, in the order of their ids as bytes. With
// Since it also has those whose document was deleted since, or who were erased: whoever follows the
// changes would keep them otherwise.
type List struct {
	After string    // only users after this id
	Limit int       // users at most
	Since time.Time // only users changed at or after this; zero: all
	Whole bool      // with the documents
	Bytes int       // of ids and documents at most; a document that is larger comes alone
	// erased has the version of each user's last erasure told even if Since is zero.
	erased bool
}

// Listed is the outcome of a [List].
type Listed struct {
	Users []User
	Next  string // After of the next part; "": there is none
}

// User is a user in a [Listed]. The document has its bytes only if List.Whole is set and it is not
// absent.
type User struct {
	ID string
	Document
	// Erased is the version of the last erasure, if List.Since is set or in a [Followed]; 0: there
	// was none.
	Erased int64
	// Transaction is the one that changed the user, in a [Followed].
	Transaction int64
}

const (
	// userOverhead is how many bytes each user counts in addition to id and document.
	userOverhead = 64
	// maxScanned is how many rows one statement reads to find users changed since a time, which
	// takes about 10 ms. An index of that time would cost every write.
	maxScanned = 5000
)

// The log has the size of the current document, so no document is read only to find that it doesn't
// fit. (It may have no row of an erasure any more, which has no document either.) The result has a
// row even if it has no user: it says how far the statement got.
const listQuery = `
	with scanned as materialized (
		select user_id, version,
		       (document is not null or $8 and version > 0) and updated_at >= $2 as wanted
		from settings
		where user_id > $1
		order by user_id
		limit $3
	), wanted as materialized (
		select user_id, version from scanned where wanted order by user_id limit $4
	), sized as (
		select user_id, octet_length(user_id) + $6 + case when $5 then coalesce((
		           select size
		           from settings_log log
		           where log.user_id = wanted.user_id and log.version = wanted.version
		       ), 0) else 0 end as size
		from wanted
	), summed as (
		select user_id, size, sum(size) over (order by user_id) as total from sized
	), fitting as materialized (
		select user_id from summed where total <= $7 or total = size
	)
	select (select count(*) from scanned), (select max(user_id) from scanned),
	       (select count(*) from wanted),
	       settings.user_id, settings.version, settings.updated_at,
	       case when $5 then settings.document end, settings.document is null,
	       case when $9 then settings.erased_version end
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
		l.Bytes, !l.Since.IsZero(), l.erased || !l.Since.IsZero()).Query(func(rows pgx.Rows) error {
		return f.Listed.scan(rows, scanned, l.Limit)
	})
}

func (l *Listed) scan(rows pgx.Rows, most, limit int) error {
	var (
		scanned, wanted int
		last, user      *string
		version, erased *int64
		modified        *time.Time
		bytes           []byte
		absent          bool
	)
	into := []any{
		&scanned, &last, &wanted, &user, &version, &modified, &bytes, &absent, &erased,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		if user != nil {
			u := User{ID: *user, Document: Document{
				Version: *version, Bytes: bytes, Absent: absent, Modified: modified.UTC(),
			}}
			if erased != nil {
				u.Erased = *erased
			}
			l.Users = append(l.Users, u)
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

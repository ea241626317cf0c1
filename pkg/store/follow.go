package store

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Position is a place in the order of all changes. The zero Position is before all of them.
//
// It first goes through all users (Listing), and then through the changes since that began, by the
// transactions that made them. A transaction's number tells nothing of when it becomes visible, so
// no position is ever beyond the oldest transaction that is still going on: what that one changes
// comes after it.
type Position struct {
	// Database tells databases apart, since the numbers of transactions are a database's own: the
	// server, its timeline, and the table's file. The timeline changes with each failover and with
	// each recovery from an archive, the file with each restoration of a dump: also of one whose
	// rows alone come into a table that was truncated.
	Database    string
	Transaction int64
	User        string // the last one who came; of the transaction, or of all if Listing
	Listing     bool
}

// Follow asks for a part of what has changed since a position.
type Follow struct {
	After Position
	Now   bool // only for the position that there is now
	Limit int  // users at most
	Whole bool // with the documents
	Bytes int  // as in [List]
}

// Followed is the outcome of a [Follow].
type Followed struct {
	Users []User   // in the order of their changes, each as it is now
	Next  Position // after them
	More  bool     // there is more now
	// Behind: there are changes that can't be read before an older transaction ends.
	Behind bool
	// Reset: Follow.After was of another database, before the oldest change that is still known, or
	// beyond the newest.
	// The part begins anew with all users.
	Reset bool
}

// databaseID is what Position.Database is made of.
const databaseID = `(
	select system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' ||
	       pg_relation_filenode('settings')
	from pg_control_system())`

// placeQuery tells where changes are now, and whether all changes after $2 in database $1 are still
// known. A position beyond the newest transaction is from before the storage was rolled back, which
// leaves the database's identity as it is: what was followed then may be gone.
const placeQuery = `
	select here, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
	       here = $1 and
	       $2::bigint::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) and
	       (forgotten_in is distinct from $1 or
	                      $2::bigint::text::xid8 > forgotten)
	from (select ` + databaseID + ` as here) database, settings_pruning
	where settings_pruning.id = 1`

// followQuery goes through what transactions have noted, up to the oldest that is still going on.
// A user who comes several times in a part is in it once.
const followQuery = `
	with horizon as materialized (
		select pg_snapshot_xmin(pg_current_snapshot()) as oldest,
		       pg_snapshot_xmax(pg_current_snapshot()) as next
	), noted as materialized (
		select transaction, users
		from settings_changes
		where transaction >= $1::bigint::text::xid8
		  and transaction < (select oldest from horizon)
		order by transaction
		limit $3 + 1
	), entries as materialized (
		select transaction, user_id
		from noted cross join lateral unnest(users) as changed (user_id)
		where (transaction > $1::bigint::text::xid8 or user_id > $2) and user_id > $7
		order by transaction, user_id
		limit $3
	), firsts as (
		select distinct on (user_id) user_id, transaction
		from entries
		order by user_id, transaction
	), sized as materialized (
		select transaction, user_id, octet_length(user_id) + $5 + case when $4 then coalesce((
		           select size
		           from settings_log log
		           where log.user_id = settings.user_id and log.version = settings.version
		       ), 0) else 0 end as size
		from firsts join settings using (user_id)
		where version > 0
	), summed as (
		select transaction, user_id, size,
		       sum(size) over (order by transaction, user_id) as total
		from sized
	), fitting as materialized (
		select transaction, user_id from summed where total <= $6 or total = size
	)
	select (select oldest::text::bigint from horizon),
	       exists (select from settings_changes, horizon
	               where transaction >= oldest and transaction < next),
	       (select count(*) from entries), (select count(*) from sized),
	       (select transaction::text::bigint from entries order by transaction desc limit 1),
	       (select user_id from entries order by transaction desc, user_id desc limit 1),
	       (select case when count(*) > $3 then (
	            select transaction::text::bigint from noted order by transaction desc limit 1
	        ) end from noted),
	       fitting.transaction::text::bigint, settings.user_id, settings.version,
	       settings.updated_at, settings.document is null, settings.erased_version,
	       case when $4 then settings.document end
	from (values (true)) once
	left join (fitting join settings using (user_id)) on true
	order by fitting.transaction, settings.user_id`

// queueFollow asks where changes are before a listing, whose end leads to the changes since then;
// and after a part of the changes, so that what was removed before the part was read is known.
func queueFollow(b *pgx.Batch, r *Follow, f *Found) {
	f.Followed = &Followed{}
	after, place := r.After, place{}
	switch {
	case r.Now:
		place.queue(b, after, func() { f.Followed.Next = place.now })
	case after == Position{} || after.Listing:
		list := List{
			After: after.User, Limit: r.Limit, Whole: r.Whole, Bytes: r.Bytes, erased: true,
		}
		part := Found{}
		place.queue(b, after, nil)
		queueList(b, &list, &part)
		b.Queue(`select`).Exec(func(pgconn.CommandTag) error {
			f.Followed.listed(&place, after, part.Listed)
			return nil
		})
	default:
		b.Queue(followQuery, after.Transaction, after.User, r.Limit, r.Whole, userOverhead, r.Bytes,
			SchemaUser).Query(func(rows pgx.Rows) error {
			return f.Followed.scan(rows, after, r.Limit)
		})
		place.queue(b, after, func() {
			if !place.known {
				*f.Followed = Followed{Reset: true, More: true}
			}
		})
	}
}

// place is where changes are now.
type place struct {
	now   Position
	known bool // all changes since the position in question are
}

func (p *place) queue(b *pgx.Batch, after Position, then func()) {
	b.Queue(placeQuery, after.Database, after.Transaction).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&p.now.Database, &p.now.Transaction, &p.known)
		if err == nil && then != nil {
			then()
		}
		return err
	})
}

// listed takes over a part of the listing of all users. After the last one come the changes since
// the listing began.
func (d *Followed) listed(p *place, after Position, part *Listed) {
	began := after
	if after == (Position{}) {
		began = p.now
	} else if !p.known {
		*d = Followed{Reset: true, More: true}
		return
	}
	d.Users, d.More = part.Users, true
	d.Next = Position{Database: began.Database, Transaction: began.Transaction}
	if part.Next != "" {
		d.Next.User, d.Next.Listing = part.Next, true
	}
}

// scan reads the result of followQuery.
func (d *Followed) scan(rows pgx.Rows, after Position, limit int) error {
	var (
		oldest              int64
		entries, wanted     int
		lastTransaction, in *int64
		lastNoted           *int64 // if there were more than limit
		lastUser, user      *string
		version, erased     *int64
		modified            *time.Time
		absent              *bool
		bytes               []byte
	)
	into := []any{
		&oldest, &d.Behind, &entries, &wanted, &lastTransaction, &lastUser, &lastNoted, &in, &user,
		&version, &modified, &absent, &erased, &bytes,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		if user != nil {
			u := User{ID: *user, Transaction: *in, Document: Document{
				Version: *version, Bytes: bytes, Absent: *absent, Modified: modified.UTC(),
			}}
			if erased != nil {
				u.Erased = *erased
			}
			d.Users = append(d.Users, u)
		}
		bytes = nil // the next row's bytes go to memory of their own
		return nil
	})
	d.Next = Position{Database: after.Database, Transaction: oldest}
	switch n := len(d.Users); {
	case err != nil:
		return err
	case n < wanted: // more would exceed the bytes
		d.Next.Transaction, d.Next.User = d.Users[n-1].Transaction, d.Users[n-1].ID
		d.More = true
	case entries == limit:
		d.Next.Transaction, d.Next.User = *lastTransaction, *lastUser
		d.More = true
	case lastNoted != nil: // the part is short, since some of what was noted is not for it
		d.Next.Transaction, d.More = *lastNoted, true
		if *lastNoted == after.Transaction { // so that it comes to an end
			d.Next.Transaction++
		}
	}
	return nil
}

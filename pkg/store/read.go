package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
)

// newDocument makes a Document of what a row has: nil bytes say that there is none.
func newDocument(version int64, bytes []byte, modified time.Time) Document {
	d := Document{Version: version, Bytes: bytes, Modified: modified.UTC()}
	if bytes == nil {
		d.Bytes, d.Absent = []byte(settings.Empty), true
	}
	return d
}

// newLogged makes a Document of what a row of the log has.
func newLogged(version int64, bytes []byte, dropped bool, modified time.Time) Document {
	if dropped {
		return Document{Version: version, Dropped: true, Modified: modified.UTC()}
	}
	return newDocument(version, bytes, modified)
}

// neverSaved returns the document of a user who never had one.
func neverSaved() Document { return newDocument(0, nil, time.Time{}) }

// Read returns what the operations ask for, in the order given. A user who has never saved has the
// document {} with version 0, and an empty history. The error wraps [ErrUnavailable] and concerns
// all of them.
func (s *Store) Read(ctx context.Context, reads []Read) ([]Found, error) {
	var found []Found
	err := retry(ctx, func() (err error) {
		found, err = s.read(ctx, reads)
		return err
	}, transient)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return found, nil
}

// read makes one round trip, with one statement for each kind of read among them.
func (s *Store) read(ctx context.Context, reads []Read) ([]Found, error) {
	var (
		found   = make([]Found, len(reads))
		current = currentReads{
			users: make([]string, 0, len(reads)), found: make([]*Found, 0, len(reads)),
		}
		versions versionReads
		history  historyReads
		numbers  currentReads
		b        pgx.Batch
		schema   *Schema
	)
	for i := range reads {
		r, f := &reads[i], &found[i]
		if r.current() {
			current.add(r.User, f)
		}
		if r.Number {
			numbers.add(r.User, f)
		}
		if r.List != nil {
			queueList(&b, r.List, f)
		}
		if r.Version != 0 {
			versions.add(r.User, r.Version, f)
		}
		if r.History != nil {
			history.add(r.User, r.History, f)
		}
		if r.Tokens {
			queueTokens(&b, f)
		}
		if r.Follow != nil {
			queueFollow(&b, r.Follow, f)
		}
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release(conn)
	withSchema := slices.ContainsFunc(reads, func(r Read) bool { return r.Schema })
	// This is nearly always so, and a single statement is less to send and to answer than a
	// pipeline.
	if len(current.users) == len(reads) && !withSchema {
		return found, s.verify(conn, s.figures.read.time(ctx, func() error {
			rows, err := conn.Query(ctx, currentQuery, current.users)
			if err != nil {
				return err
			}
			return current.scan(rows)
		}))
	}
	if len(current.users) > 0 {
		b.Queue(currentQuery, current.users).Query(current.scan)
	}
	if len(numbers.users) > 0 {
		b.Queue(numbersQuery, numbers.users).Query(numbers.scan)
	}
	if withSchema {
		s.queueSchema(&b, &schema)
	}
	if len(versions.users) > 0 {
		b.Queue(versionsQuery, versions.users, versions.numbers).Query(versions.scan)
	}
	if len(history.users) > 0 {
		b.Queue(historyQuery, history.users, history.below, history.limits).Query(history.scan)
	}
	err = s.verify(conn, s.figures.read.time(ctx, func() error {
		return conn.SendBatch(ctx, &b).Close()
	}))
	for i := range reads {
		if reads[i].Schema {
			found[i].Schema = schema
		}
	}
	return found, err
}

// currentReads are the reads of current documents.
type currentReads struct {
	users []string
	found []*Found
}

func (c *currentReads) add(user string, f *Found) {
	c.users, c.found = append(c.users, user), append(c.found, f)
}

const currentQuery = `
	select user_id, version, document, updated_at
	from settings
	where user_id = any($1) and version > 0`

// numbersQuery is the same without the documents, which may be large: each one that exists is read
// as {}.
const numbersQuery = `
	select user_id, version, case when document is not null then '{}' end, updated_at
	from settings
	where user_id = any($1) and version > 0`

func (c *currentReads) scan(rows pgx.Rows) error {
	var (
		user     string
		version  int64
		bytes    []byte
		modified time.Time
	)
	documents := make(map[string]Document, len(c.users))
	into := []any{&user, &version, &bytes, &modified}
	if _, err := pgx.ForEachRow(rows, into, func() error {
		documents[user] = newDocument(version, bytes, modified)
		bytes = nil // the next row's bytes go to memory of their own
		return nil
	}); err != nil {
		return err
	}
	for i, user := range c.users {
		d, ok := documents[user]
		if !ok {
			d = neverSaved()
		}
		c.found[i].Document = d
	}
	return nil
}

// versionReads are the reads of documents at a version. Each row of the result has the number of
// the read that it answers.
type versionReads struct {
	users   []string
	numbers []int64
	found   []*Found
}

func (v *versionReads) add(user string, version int64, f *Found) {
	f.Err = fmt.Errorf("%w: version %d is not in the history", settings.ErrNotFound, version)
	v.users, v.numbers = append(v.users, user), append(v.numbers, version)
	v.found = append(v.found, f)
}

// versionsQuery finds the current version even if the log no longer has it.
var versionsQuery = `
	select asked.number, asked.version, coalesce(settings_log.applied_at, settings.updated_at),
	       case when settings.version = asked.version then settings.document else ` + logged + ` end,
	       coalesce(settings.version <> asked.version and ` + isDropped + `, false)
	from unnest($1::text[], $2::bigint[]) with ordinality as asked (user_id, version, number)
	join settings on settings.user_id = asked.user_id
	left join settings_log on settings_log.user_id = asked.user_id
	                      and settings_log.version = asked.version
	where asked.version > coalesce(settings.erased_version, 0)
	  and (settings_log.version is not null or settings.version = asked.version)`

func (v *versionReads) scan(rows pgx.Rows) error {
	var (
		number, version int64
		modified        time.Time
		bytes           []byte
		dropped         bool
	)
	into := []any{&number, &version, &modified, &bytes, &dropped}
	_, err := pgx.ForEachRow(rows, into, func() error {
		f := v.found[number-1]
		if f.Err = nil; dropped {
			f.Err = droppedError(version)
		} else {
			f.Document = newDocument(version, bytes, modified)
		}
		bytes = nil
		return nil
	})
	return err
}

// historyReads are the reads of pages of histories.
type historyReads struct {
	users  []string
	below  []int64
	limits []int64
	found  []*Found
}

func (h *historyReads) add(user string, p *Page, f *Found) {
	below := p.Below
	if below == 0 {
		below = math.MaxInt64
	}
	h.users, h.below = append(h.users, user), append(h.below, below)
	h.limits, h.found = append(h.limits, int64(max(p.Limit, 0))), append(h.found, f)
}

// historyQuery doesn't read the documents: with them a page of 100 takes 39 ms if each has 512 KB,
// and 0.3 ms without.
var historyQuery = `
	select asked.number, log.version, log.applied_at, log.operation, log.restored, log.size,
	       log.dropped, log.actor_kind, log.actor_subject, log.actor_token
	from unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality
		as asked (user_id, below, most, number)
	join settings on settings.user_id = asked.user_id
	cross join lateral (
		select version, applied_at, operation, coalesce(restored, 0) as restored, size,
		       version < settings.version and ` + isDropped + ` as dropped,
		       actor_kind, actor_subject, actor_token
		from settings_log
		where user_id = asked.user_id and version < asked.below
		  and version > coalesce(settings.erased_version, 0)
		order by version desc
		limit asked.most) log
	order by asked.number, log.version desc`

func (h *historyReads) scan(rows pgx.Rows) error {
	var (
		number int64
		e      Entry
	)
	into := []any{
		&number, &e.Version, &e.Time, &e.Operation, &e.Restored, &e.Size, &e.Dropped,
		&e.Actor.Kind, &e.Actor.Subject, &e.Actor.Token,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		e.Time = e.Time.UTC()
		f := h.found[number-1]
		f.Entries = append(f.Entries, e)
		return nil
	})
	return err
}

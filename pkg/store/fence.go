package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A fence makes the refusal of a repetition certain. Of a write that was sent again, an earlier
// attempt may still be on its way: in the queue of a frozen worker, or waiting for the row. If the
// repetition is refused, its transaction, which has locked the row, records that. An attempt that
// locks the row later finds the fence, and is refused whatever it would find otherwise. One that
// has locked it earlier is in the log.
//
// A fence is for the attempts of one request, which have the time of issue in common. A client may
// send the same write again later, with the same id: that is judged anew.
//
// Writes look for fences by the times of issue of their batch. So they find nothing but what was
// refused in the last seconds, and looking costs next to nothing. A replacement may be fenced as
// well (by a schema that came between its attempts), so the statement for them looks, too.

// fence names what a fence is for.
type fence struct {
	operationKey
	issued int64 // microseconds since 1970
}

// errFenced: the write was refused when it was sent again.
var errFenced = fmt.Errorf("%w: a repetition of it was refused", ErrUnavailable)

// fenceAge is after how long a fence is removed. The deadlines of the attempts that it is to stop,
// some seconds, have passed by then.
const fenceAge = time.Hour

func fenceOf(w *Write) fence { return fence{operationKey{w.User, w.ID}, w.Issued.UnixMicro()} }

// fence keeps attempts from being applied, those in this transaction included.
func (t *transaction) fence(f fence) {
	t.fenced[f] = true
	t.fences = append(t.fences, f)
}

// issuedBetween returns the first and the last time of issue of the writes; if there is none, two
// times between which there is nothing.
func issuedBetween(writes []*Write) (from, to time.Time) {
	from, to = never, time.Unix(0, 0)
	for _, w := range writes {
		if issued := orNever(w.Issued); !w.Issued.IsZero() {
			from = earlier(from, issued)
			if issued.After(to) {
				to = issued
			}
		}
	}
	return from, to
}

// queueClock reads the database's clock and the fences that the writes may meet.
func (t *transaction) queueClock(b *pgx.Batch, writes []*Write) {
	from, to := issuedBetween(writes)
	b.Queue(`
		select clock_timestamp(), user_id, operation_id, issued
		from (select) always
		left join settings_fences on issued between $1 and $2`, from, to).Query(t.readClock)
}

func (t *transaction) readClock(rows pgx.Rows) error {
	var (
		user, id *string
		issued   *time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{&t.now, &user, &id, &issued}, func() error {
		if issued != nil {
			t.fenced[fence{operationKey{*user, *id}, issued.UnixMicro()}] = true
		}
		return nil
	})
	return err
}

// queueFences records the fences.
func (t *transaction) queueFences(b *pgx.Batch) {
	n := len(t.fences)
	if n == 0 {
		return
	}
	users, ids, issued := make([]string, n), make([]string, n), make([]time.Time, n)
	for i, f := range t.fences {
		users[i], ids[i], issued[i] = f.user, f.id, time.UnixMicro(f.issued)
	}
	b.Queue(`
		insert into settings_fences (user_id, operation_id, issued, refused_at)
		select user_id, operation_id, issued, $4
		from unnest($1::text[], $2::text[], $3::timestamptz[])
			as refused (user_id, operation_id, issued)
		on conflict do nothing`, users, ids, issued, t.now)
}

// removeFences removes old fences.
func removeFences(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		delete from settings_fences
		where ctid = any(array(
			select ctid
			from settings_fences
			where refused_at < clock_timestamp() - $1::bigint * interval '1 microsecond'
			limit $2))`, fenceAge.Microseconds(), pruneRows)
	return err
}

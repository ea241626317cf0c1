package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MaxTokens is how many tokens may be valid at once. The API holds them all in memory.
const MaxTokens = 1000

// MaxListedTokens is how many a read returns. It leaves room for those of the configuration, which
// are not counted when they are made. More would not fit in a reply.
const MaxListedTokens = MaxTokens + 24

// Why a token was not made or not revoked.
var (
	// ErrTooManyTokens: [MaxTokens] are valid already.
	ErrTooManyTokens = errors.New("too many tokens")
	// ErrNoToken: there never was a token with this id.
	ErrNoToken = errors.New("there is no such token")
)

// Token is a service token. The secret is not kept, only its hash.
type Token struct {
	ID          string
	Name        string
	Hash        []byte // SHA-256 of the whole token
	Scopes      []string
	Application string
	Created     time.Time
	CreatedBy   Actor
	Expires     time.Time // zero: never
	LastUsed    time.Time // zero: never
}

// valid is true of the tokens that may be used.
const valid = `revoked_at is null and (expires_at is null or clock_timestamp() < expires_at)`

// selectKept has the columns that scanToken reads.
const selectKept = `
	select id, name, hash, scopes, application, created_at, created_by_kind, created_by_subject,
	       created_by_token, expires_at, last_used_at
	from tokens
	where `

const tokensQuery = selectKept + valid + `
	order by created_at, id
	limit $1`

// queueTokens looks up the valid tokens.
func queueTokens(b *pgx.Batch, f *Found) {
	b.Queue(tokensQuery, MaxListedTokens).Query(func(rows pgx.Rows) (err error) {
		f.Tokens, err = pgx.CollectRows(rows, scanToken)
		return err
	})
}

func scanToken(row pgx.CollectableRow) (Token, error) {
	var (
		t                 Token
		expires, lastUsed *time.Time
	)
	err := row.Scan(&t.ID, &t.Name, &t.Hash, &t.Scopes, &t.Application, &t.Created,
		&t.CreatedBy.Kind, &t.CreatedBy.Subject, &t.CreatedBy.Token, &expires, &lastUsed)
	t.Created, t.Expires, t.LastUsed = t.Created.UTC(), orZero(expires), orZero(lastUsed)
	return t, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// CreateToken keeps a token, and returns it as it is kept. Doing it again with the same id and hash
// changes nothing. It is not made from the deadline on; zero: there is none. Errors: [ErrIDReused],
// [ErrTooManyTokens], [ErrExpired], [ErrUnavailable] and [ErrOutcomeUnknown].
func (s *Store) CreateToken(ctx context.Context, t Token, deadline time.Time) (Token, error) {
	var kept Token
	err := s.changeTokens(ctx, deadline, func(conn *pgxpool.Conn) (bool, error) {
		found, err := tokenByID(ctx, conn, t.ID)
		if err == nil && !bytes.Equal(found.Hash, t.Hash) {
			return false, ErrIDReused
		}
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			kept = found
			return false, err
		}
		if err := inTime(ctx, conn, deadline); err != nil {
			return false, err
		}
		var valids int
		if err := conn.QueryRow(ctx, `
			select count(*) from tokens where `+valid).Scan(&valids); err != nil {
			return false, err
		}
		if valids >= MaxTokens {
			return false, fmt.Errorf("%w: %d are valid; revoke some first", ErrTooManyTokens, valids)
		}
		if err := insertToken(ctx, conn, t, ""); err != nil {
			return false, err
		}
		kept, err = tokenByID(ctx, conn, t.ID)
		return true, err
	})
	return kept, err
}

func tokenByID(ctx context.Context, conn *pgxpool.Conn, id string) (Token, error) {
	rows, err := conn.Query(ctx, selectKept+`id = $1`, id)
	if err != nil {
		return Token{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanToken)
}

func insertToken(ctx context.Context, conn *pgxpool.Conn, t Token, onConflict string) error {
	var expires *time.Time
	if !t.Expires.IsZero() {
		expires = &t.Expires
	}
	_, err := conn.Exec(ctx, `
		insert into tokens (id, name, hash, scopes, application, created_at, created_by_kind,
		                    created_by_subject, created_by_token, expires_at)
		values ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7, $8, $9) `+onConflict,
		t.ID, t.Name, t.Hash, t.Scopes, t.Application, t.CreatedBy.Kind, t.CreatedBy.Subject,
		t.CreatedBy.Token, expires)
	return err
}

// RevokeToken ends a token for good. Doing it again changes nothing. It is not done from the
// deadline on; zero: there is none. Errors: [ErrNoToken], [ErrExpired], [ErrUnavailable] and
// [ErrOutcomeUnknown].
func (s *Store) RevokeToken(ctx context.Context, id string, deadline time.Time) error {
	return s.changeTokens(ctx, deadline, func(conn *pgxpool.Conn) (bool, error) {
		var revoked bool
		err := conn.QueryRow(ctx, `
			select revoked_at is not null from tokens where id = $1`, id).Scan(&revoked)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return false, ErrNoToken
		case err != nil || revoked:
			return false, err
		}
		if err := inTime(ctx, conn, deadline); err != nil {
			return false, err
		}
		_, err = conn.Exec(ctx, `
			update tokens set revoked_at = clock_timestamp() where id = $1`, id)
		return true, err
	})
}

// ConfigureToken makes a token of the configuration valid, and ends all others whose ids begin with
// the prefix, which only tokens of the configuration have. nil stands for none. Errors:
// [ErrUnavailable] and [ErrOutcomeUnknown]; doing it again is safe.
func (s *Store) ConfigureToken(ctx context.Context, prefix string, t *Token) error {
	return s.changeTokens(ctx, time.Time{}, func(conn *pgxpool.Conn) (bool, error) {
		keep := ""
		if t != nil {
			keep = t.ID
		}
		_, err := conn.Exec(ctx, `
			update tokens
			set revoked_at = clock_timestamp()
			where starts_with(id, $1) and id <> $2 and revoked_at is null`, prefix, keep)
		if err != nil || t == nil {
			return true, err
		}
		return true, insertToken(ctx, conn, *t,
			`on conflict (id) do update set revoked_at = null, scopes = excluded.scopes`)
	})
}

// TokenUse is when a token was last used.
type TokenUse struct {
	ID   string
	Time time.Time
}

// UsedTokens records last uses. The time of a token only grows, and is never in the future; unknown
// ids are ignored. The error wraps [ErrUnavailable]: some may have been recorded, and doing it
// again is safe.
func (s *Store) UsedTokens(ctx context.Context, uses []TokenUse) error {
	uses = latestUses(uses)
	ids, times := make([]string, len(uses)), make([]time.Time, len(uses))
	for i, u := range uses {
		ids[i], times[i] = u.ID, u.Time
	}
	err := retry(ctx, func() error {
		// In the order of the ids, so that two APIs' reports don't wait for each other in a circle.
		return s.with(ctx, func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(ctx, `
				with used as materialized (
					select tokens.id, least(used.at, clock_timestamp()) as at
					from unnest($1::text[], $2::timestamptz[]) as used (id, at)
					join tokens on tokens.id = used.id
					where last_used_at is null or last_used_at < least(used.at, clock_timestamp())
					order by tokens.id
					for update of tokens
				)
				update tokens
				set last_used_at = greatest(last_used_at, used.at)
				from used
				where tokens.id = used.id`, ids, times)
			return err
		})
	}, transient)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// latestUses returns the latest use of each token, in the order of the ids.
func latestUses(uses []TokenUse) []TokenUse {
	sorted := slices.SortedFunc(slices.Values(uses), func(a, b TokenUse) int {
		if byID := strings.Compare(a.ID, b.ID); byID != 0 {
			return byID
		}
		return b.Time.Compare(a.Time)
	})
	return slices.CompactFunc(sorted, func(a, b TokenUse) bool { return a.ID == b.ID })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/settings"
)

// defaultConnections is good at reads and writes. Measured side by side on four busy cores
// (`--sides direct:8,direct:16,…`, medians of 4 rounds): pools of 8, 16, 32 and 64 replace 4,800,
// 7,000, 6,900 and 9,400 documents a second for 64 clients and 3,900, 4,800, 6,200 and 7,500 for
// 256, since more of them share an fsync. They read 17,400, 20,600, 21,200 and 23,300 for 64, but
// 21,600, 21,600, 22,200 and 17,400 for 256.
const defaultConnections = 32

// pgx prepares each statement once per connection.
const (
	selectDocument = `select document from documents where user_id = $1`
	lockDocument   = selectDocument + ` for update`
	upsertDocument = `
		insert into documents (user_id, document) values ($1, $2)
		on conflict (user_id) do update set document = excluded.document`
)

type store struct{ pool *pgxpool.Pool }

func openStore(ctx context.Context, url string, connections int) (*store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if connections < 1 || connections > math.MaxInt16 {
		return nil, fmt.Errorf("-connections %d is not between 1 and %d", connections, math.MaxInt16)
	}
	config.MaxConns, config.MinConns = int32(connections), int32(connections)
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &store{pool}, nil
}

// get returns the document, byte for byte.
func (s *store) get(ctx context.Context, user string) ([]byte, error) {
	var document []byte
	err := s.pool.QueryRow(ctx, selectDocument, user).Scan(&document)
	if errors.Is(err, pgx.ErrNoRows) {
		return []byte(settings.Empty), nil
	}
	return document, err
}

// put replaces the document. Postgres checks that it is JSON.
func (s *store) put(ctx context.Context, user string, document []byte) error {
	_, err := s.pool.Exec(ctx, upsertDocument, user, document)
	return err
}

// patch merges into the document, in two round trips instead of the four that pgx.BeginFunc takes:
// begin and lock, write and commit.
func (s *store) patch(ctx context.Context, user string, patch []byte) (document []byte, err error) {
	change, err := settings.DefaultLimits.MergePatch(patch)
	if err != nil {
		return nil, err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_, _ = conn.Exec(ctx, "rollback")
		}
		conn.Release()
	}()
	current := []byte(settings.Empty)
	var lock pgx.Batch
	lock.Queue("begin")
	lock.Queue(lockDocument, user).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&current); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
	if err := conn.SendBatch(ctx, &lock).Close(); err != nil {
		return nil, err
	}
	next, err := change(current)
	if err != nil {
		return nil, err
	}
	var write pgx.Batch
	write.Queue(upsertDocument, user, next.Document)
	write.Queue("commit")
	return next.Document, conn.SendBatch(ctx, &write).Close()
}

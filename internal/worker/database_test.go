package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
)

// silentStore is a store whose database stops answering.
type silentStore struct {
	fakeStore
	silent   atomic.Bool
	followed atomic.Int32
}

func (s *silentStore) Ping(ctx context.Context) error {
	if !s.silent.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *silentStore) FollowPrimary(context.Context) { s.followed.Add(1) }

// TestLooksForThePrimary: each time the database doesn't answer, the worker looks whether another
// server has taken over.
func TestLooksForThePrimary(t *testing.T) {
	t.Parallel()
	s := &silentStore{}
	start(t, connect(t), s, config)
	s.silent.Store(true)
	eventually(t, "it has looked for the primary", func() bool { return s.followed.Load() > 1 })
}

package program

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// anewPause is how long a program waits before it begins anew.
const anewPause = time.Second

// Anew calls run, and again whenever NATS closed the connection for good: after some errors, such
// as a subject that is too long, its library never connects again. run makes the connection with
// the option, and everything that uses it. Its context ends with ctx, or with the connection.
func Anew(ctx context.Context, log *slog.Logger,
	run func(ctx context.Context, whenClosed nats.Option) error,
) error {
	for {
		why, err := untilClosed(ctx, run)
		if why == nil || ctx.Err() != nil {
			return err
		}
		log.Error("begins anew", "reason", why, "error", err)
		select {
		case <-time.After(anewPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// untilClosed calls run. why is not nil if it ended because of the connection.
func untilClosed(ctx context.Context, run func(context.Context, nats.Option) error) (why, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connected, whenClosed := UntilClosed(ctx)
	err = run(connected, whenClosed)
	return WhyClosed(connected), err
}

package worker

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// drain leaves the queue group and waits until everything is answered. The order matters: the last
// message of a subscription has come only when that is closed, and the last message is answered
// only when the batchers are closed. Without a connection no message can come any more and no reply
// can leave: then it waits for the store only.
func (w *Worker) drain(ctx context.Context, discovery []*nats.Subscription) error {
	connected, stop := whileConnected(ctx, w.nc)
	defer stop()
	var err error
	for _, e := range w.endpoints() {
		if connected.Err() == nil {
			err = errors.Join(err, e.unsubscribe())
		}
	}
	for _, e := range w.endpoints() {
		select {
		case <-e.closed:
		case <-connected.Done():
		}
	}
	err = errors.Join(err, w.schemas.Close(ctx)) // it hands over to the others
	for _, b := range []*batcher{w.reads.batcher, w.writes.batcher, w.tokens} {
		err = errors.Join(err, b.Close(ctx))
	}
	for _, s := range discovery {
		err = errors.Join(err, s.Unsubscribe())
	}
	err = errors.Join(err, w.nc.FlushWithContext(connected)) // the last replies
	if ctx.Err() == nil && (connected.Err() != nil || errors.Is(err, nats.ErrConnectionClosed)) {
		w.log.Warn("stopped without a connection to NATS", "error", err)
		return nil
	}
	return err
}

// whileConnected returns a context that ends with ctx or when the connection is lost.
func whileConnected(ctx context.Context, nc *nats.Conn) (context.Context, context.CancelFunc) {
	connected, cancel := context.WithCancel(ctx)
	changes := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	if !nc.IsConnected() {
		cancel()
	}
	go func() {
		defer nc.RemoveStatusListener(changes)
		select {
		case <-changes:
			cancel()
		case <-connected.Done():
		}
	}()
	return connected, cancel
}

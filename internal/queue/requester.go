package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// maxReplies is how many replies an inbox can hold: one to each operation of a request, signs that
// the worker is at it, and late ones for which nobody waits any more.
const maxReplies = 2 * batchOperations

// requester makes requests of NATS. It keeps subscriptions and their timers and uses them again, so
// it does without the library's goroutine between the connection and whoever waits, and without a
// context for each request. Beside nc.RequestWithContext that takes 0.95, 0.91 and 0.89 times the
// processor's time, and 1.03, 0.95 and 0.88 times as long, with 1, 3 and 64 requests at once
// (BenchmarkRequest, medians of 12 rounds in turns, 2 busy cores).
type requester struct {
	nc *nats.Conn

	mu   sync.Mutex
	idle []*inbox
}

// inbox receives the replies to one request after the other.
type inbox struct {
	prefix  string
	sent    uint64
	replies chan *nats.Msg
	timer   *time.Timer
}

// errNotSent: NATS surely did not get the whole request. If a part of it was written, the
// connection ended with it, and the server ignores it.
var errNotSent = errors.New("the request was not sent")

// exchange is a request and how its replies are taken.
type exchange struct {
	subject string
	data    []byte
	// patience is asked after each reply that counts: how long there may be no other, and how long
	// it makes sense to wait at all.
	patience func() (silence, left time.Duration)
	// receive takes a reply, and says whether it counts and whether it was the last.
	receive func(*nats.Msg) (counts, last bool)
}

// request sends a request and waits for its replies. Its error is nats.ErrNoResponders, errNotSent,
// that of the context, or nats.ErrTimeout where no reply that counts came for too long.
func (r *requester) request(ctx context.Context, x exchange) error {
	in, err := r.take()
	if err != nil {
		return err
	}
	defer r.give(in)
	// Each request has a reply subject of its own, so a late reply can't be taken for another's.
	in.sent++
	w := &awaiting{
		exchange: x, inbox: in, nc: r.nc, reply: in.prefix + strconv.FormatUint(in.sent, 36),
	}
	for len(in.replies) > 0 {
		<-in.replies
	}
	if err := r.nc.PublishRequest(x.subject, w.reply, x.data); err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	w.listen()
	defer in.timer.Stop()
	return w.await(ctx)
}

// awaiting is a request that was sent. A worker is silent only if it could be heard: where this
// machine or that of NATS has far too much to do, or one of the processes was stopped for a moment,
// what we and workers say is under way for seconds, and to send all of it again makes that worse.
// So NATS is asked twice, which answers after all that it has sent us: after half of the patience,
// the other half of which begins with the answer, and at the end.
type awaiting struct {
	exchange
	*inbox

	nc     *nats.Conn
	reply  string             // the subject of the replies
	asked  int                // questions to NATS since the last reply
	answer chan time.Duration // of NATS to such a question: how long it took, or lost; nil: none is asked
}

// lost is instead of an answer of NATS.
const lost = -1

// await returns nil after the last reply.
func (w *awaiting) await(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		var ended bool
		var err error
		select {
		case m := <-w.replies:
			_, ended, err = w.take(m)
		case <-w.timer.C:
			ended, err = w.takeQueued(func() error { return w.ask(ctx) })
		case took := <-w.answer:
			ended, err = w.takeQueued(func() error { return w.answered(took) })
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if ended || err != nil {
			return err
		}
	}
}

// listen waits for the next reply.
func (w *awaiting) listen() {
	w.asked, w.answer = 0, nil
	silence, left := w.patience()
	if silence < left { // else there is no time for another request
		silence /= 2
	}
	w.timer.Reset(silence)
}

func (w *awaiting) take(m *nats.Msg) (counts, last bool, err error) {
	if m.Subject != w.reply {
		return false, false, nil
	}
	if isNoResponders(m) {
		return true, true, nats.ErrNoResponders
	}
	if counts, last = w.receive(m); counts && !last {
		w.listen()
	}
	return counts, last, nil
}

// takeQueued takes the replies that have come, up to the first that counts. If there is none it
// calls otherwise.
func (w *awaiting) takeQueued(otherwise func() error) (last bool, err error) {
	for range len(w.replies) {
		counts, last, err := w.take(<-w.replies)
		if counts || last || err != nil {
			return last, err
		}
	}
	return false, otherwise()
}

// ask asks NATS, as long as there is time for that.
func (w *awaiting) ask(ctx context.Context) error {
	_, left := w.patience()
	if w.answer != nil || left <= 0 {
		return nats.ErrTimeout
	}
	w.asked++
	if !w.nc.IsConnected() {
		return w.answered(0)
	}
	answer := make(chan time.Duration, 1)
	w.answer = answer
	w.timer.Reset(left)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		began := time.Now()
		if w.nc.FlushWithContext(ctx) != nil {
			answer <- lost
			return
		}
		answer <- time.Since(began)
	}()
	return nil
}

// answered is for the answer of NATS. The way to the worker and back may take as long as ours.
func (w *awaiting) answered(took time.Duration) error {
	if w.answer = nil; w.asked > 1 || took == lost {
		return nats.ErrTimeout
	}
	silence, left := w.patience()
	if silence < left {
		silence = min(silence/2+took, left)
	}
	w.timer.Reset(silence)
	return nil
}

// isNoResponders tells whether the NATS server says that nobody listens (ADR-7).
func isNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}

// take returns an inbox for the caller alone.
func (r *requester) take() (*inbox, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		in := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return in, nil
	}
	r.mu.Unlock()
	in := &inbox{
		prefix: r.nc.NewInbox() + ".", replies: make(chan *nats.Msg, maxReplies),
		timer: time.NewTimer(time.Hour),
	}
	if _, err := r.nc.ChanSubscribe(in.prefix+"*", in.replies); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	return in, nil
}

func (r *requester) give(in *inbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, in)
}

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Open is what an open loop came to: requests start when they are due, whatever became of those
// before. Latency counts from when a request was due, so that a stall counts for all whom it would
// have made wait.
type Open struct {
	Rate     float64 `json:"rate"`     // requests per second that were due
	Requests int64   `json:"requests"` // that were counted
	Latency  Latency `json:"latency"`
	// How late requests were sent through the generator's own fault: not for want of a free
	// connection.
	Late Latency `json:"late"`
}

// Pace says how an open loop asks.
type Pace struct {
	Rate        float64
	Connections int
	Warmup      time.Duration // at the same rate, not counted
	Duration    time.Duration
}

// answerTimeout ends a loop whose side has stopped answering.
const answerTimeout = 10 * time.Second

// Open runs an open loop. Any answer that isn't a right one is an error.
func (w Workload) Open(ctx context.Context, addr string, p Pace) (Open, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	o := &openLoop{
		free: make(chan *connection, p.Connections), body: w.AnswerBytes(),
		latency: newHistogram(), late: newHistogram(),
	}
	defer o.hangUp()
	for range p.Connections {
		if err := o.connect(ctx, addr, fail); err != nil {
			return Open{}, err
		}
	}
	if err := o.send(ctx, w.requests(), p); err != nil {
		return Open{}, err
	}
	for range p.Connections { // until all have their answers
		select {
		case <-o.free:
		case <-ctx.Done():
			return Open{}, context.Cause(ctx)
		}
	}
	return Open{p.Rate, o.latency.TotalCount(), latencyOf(o.latency), latencyOf(o.late)}, nil
}

type openLoop struct {
	all     []*connection
	free    chan *connection
	readers sync.WaitGroup
	body    int // bytes of a right answer's body

	counting time.Time // requests due before are not counted
	mu       sync.Mutex
	latency  *hdrhistogram.Histogram
	late     *hdrhistogram.Histogram
}

// connection carries one request at a time.
type connection struct {
	net.Conn
	sent chan time.Time // when the request on its way was due
}

// connect adds a connection and starts its reader.
func (o *openLoop) connect(ctx context.Context, addr string, fail func(error)) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	c := &connection{Conn: conn, sent: make(chan time.Time, 1)}
	o.readers.Go(func() {
		if err := o.read(c); err != nil {
			fail(err)
		}
	})
	o.all = append(o.all, c)
	o.free <- c
	return nil
}

// hangUp ends all connections and their readers.
func (o *openLoop) hangUp() {
	for _, c := range o.all {
		close(c.sent)
		_ = c.Close()
	}
	o.readers.Wait()
}

// send starts each request when it is due, or else as soon as a connection is free.
func (o *openLoop) send(ctx context.Context, next func([]byte) []byte, p Pace) error {
	release := sleepExactly()
	defer release()
	interval := time.Duration(float64(time.Second) / p.Rate)
	n := int((p.Warmup + p.Duration).Seconds() * p.Rate)
	began := time.Now()
	o.counting = began.Add(p.Warmup)
	var request []byte
	behind := false // because connections weren't free; until a request is early again
	for i := range n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		due := began.Add(time.Duration(i) * interval)
		if early := time.Until(due); early > 0 {
			behind = false
			sleep(early)
		}
		var c *connection
		select {
		case c = <-o.free:
		default:
			behind = true
			select {
			case c = <-o.free:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if !behind {
			o.record(o.late, due, time.Since(due))
		}
		request = next(request[:0])
		c.sent <- due
		if _, err := c.Write(request); err != nil {
			return err
		}
	}
	return nil
}

// read takes the answers of one connection until it is closed.
func (o *openLoop) read(c *connection) error {
	r := bufio.NewReader(c)
	for due := range c.sent {
		_ = c.SetReadDeadline(time.Now().Add(answerTimeout))
		if err := readAnswer(r, o.body); err != nil {
			return err
		}
		o.record(o.latency, due, time.Since(due))
		o.free <- c
	}
	return nil
}

func (o *openLoop) record(h *hdrhistogram.Histogram, due time.Time, took time.Duration) {
	if due.Before(o.counting) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = h.RecordValue(min(max(took.Microseconds(), 0), h.HighestTrackableValue()))
}

var (
	errStatus = errors.New("the answer is no 2xx")
	errSize   = errors.New("the answer's body has the wrong size")
)

// readAnswer reads one answer and returns an error unless it is a 2xx whose body has that size.
func readAnswer(r *bufio.Reader, size int) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(status) < len("HTTP/1.1 200") || status[9] != '2' {
		return fmt.Errorf("%w: %s", errStatus, status)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		const name = "content-length: "
		if len(line) > len(name) && (line[0]|0x20) == 'c' && (line[8]|0x20) == 'l' {
			_, _ = fmt.Sscanf(string(line[len(name):]), "%d", &length)
		}
	}
	if length != size {
		return fmt.Errorf("%w: %d, not %d", errSize, length, size)
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}

// newHistogram counts microseconds up to answerTimeout, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, 2*answerTimeout.Microseconds(), 3)
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max())}
}

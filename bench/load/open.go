package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
)

// Open is the result of an open loop. Requests are due at a fixed rate, whatever became of those
// before. Latency counts from when a request was due, so that a stall delays every request that was
// due meanwhile (no coordinated omission).
type Open struct {
	Requests int64 // answered as they should be, without those of the warm-up
	Latency  Latency
	Late     Latency // of the generator itself: from when a request was due until it was handed over

	Refused        int64   // with 429 or 503
	RefusalLatency Latency // from when the request was sent
	Unknown        int64   // answered with 504

	Elapsed time.Duration // to the last answer; longer than asked for if connections were short
}

// Pace is the rate of an open loop, and how long it lasts.
type Pace struct {
	Rate        float64 // requests per second
	Connections int
	Warmup      time.Duration // at the same rate, not counted
	Duration    time.Duration
	// Refusals: those of an overloaded server are counted. Otherwise they are wrong answers.
	Refusals bool
}

// answerTimeout ends a loop whose server has stopped answering.
const answerTimeout = time.Minute

// Open runs an open loop against an address. The first wrong answer ends it with an error.
func (w Workload) Open(ctx context.Context, addr string, p Pace) (Open, error) {
	client := &fasthttp.HostClient{
		Addr: addr, MaxConns: p.Connections, MaxIdemponentCallAttempts: 1,
		ReadTimeout: answerTimeout,
	}
	defer client.CloseIdleConnections()
	n := int((p.Warmup + p.Duration).Seconds() * p.Rate)
	due := make(chan time.Time, n) // never full
	began := time.Now()
	latency, late := newHistogram(began.Add(p.Warmup)), newHistogram(began.Add(p.Warmup))
	o := outcomes{pace: p, answered: latency, refused: newHistogram(began.Add(p.Warmup))}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(due)
		release := sleepExactly()
		defer release()
		for i := 0; i < n && ctx.Err() == nil; i++ {
			next := began.Add(time.Duration(float64(i) / p.Rate * float64(time.Second)))
			if early := time.Until(next); early > 0 {
				sleep(early)
			}
			late.record(next)
			due <- next
		}
		return ctx.Err()
	})
	for i := range p.Connections {
		draw := rand.New(rand.NewPCG(w.Seed, uint64(i)))
		g.Go(func() error { return w.answer(ctx, client, addr, draw, due, &o) })
	}
	err := g.Wait()
	return Open{
		Requests: latency.counts.TotalCount(), Latency: latency.summary(), Late: late.summary(),
		Refused: o.refused.counts.TotalCount(), RefusalLatency: o.refused.summary(),
		Unknown: o.unknown.Load(), Elapsed: time.Since(began.Add(p.Warmup)),
	}, err
}

// outcomes are what has become of the requests of an open loop.
type outcomes struct {
	pace              Pace
	answered, refused *histogram
	unknown           atomic.Int64
}

// answer makes requests as they are due, one at a time.
func (w Workload) answer(ctx context.Context, client *fasthttp.HostClient, host string,
	draw *rand.Rand, due <-chan time.Time, o *outcomes,
) error {
	var request fasthttp.Request
	var response fasthttp.Response
	for since := range due {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		body, mediaType := w.Body(draw.IntN(1e8))
		request.Header.SetMethod(w.Method)
		request.Header.SetContentType(mediaType)
		request.SetRequestURI("http://" + host + Path(draw.IntN(w.Users)))
		request.SetBodyString(body)
		sent := time.Now()
		if err := client.Do(&request, &response); err != nil {
			return err
		}
		switch status := response.StatusCode(); {
		case status/100 == 2 && len(response.Body()) == w.AnswerBytes():
			o.answered.record(since)
		case o.pace.Refusals && (status == http.StatusServiceUnavailable ||
			status == http.StatusTooManyRequests):
			o.refused.record(sent)
		case o.pace.Refusals && status == http.StatusGatewayTimeout:
			o.unknown.Add(1)
		default:
			return fmt.Errorf("wrong answer: status %d, %.100s", status, response.Body())
		}
	}
	return nil
}

// histogram counts durations, in microseconds to three significant digits.
type histogram struct {
	from   time.Time // what was due before does not count
	mu     sync.Mutex
	counts *hdrhistogram.Histogram
}

func newHistogram(from time.Time) *histogram {
	counts := hdrhistogram.New(1, answerTimeout.Microseconds(), 3)
	return &histogram{from: from, counts: counts}
}

func (h *histogram) record(due time.Time) {
	if due.Before(h.from) {
		return
	}
	took := max(time.Since(due).Microseconds(), 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.counts.RecordValue(min(took, h.counts.HighestTrackableValue()))
}

func (h *histogram) summary() Latency {
	at := func(p float64) float64 { return float64(h.counts.ValueAtPercentile(p)) }
	return Latency{P50: at(50), P99: at(99), P999: at(99.9)}
}

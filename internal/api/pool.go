package api

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// poolFor is how long the figures of the workers are kept, however many ask for them.
	poolFor = 500 * time.Millisecond
	// poolWait is how long workers have to tell theirs, if not all that are known have before.
	poolWait = 300 * time.Millisecond
)

// poolJSON is the answer of getPool.
type poolJSON struct {
	Time    time.Time      `json:"time"` // by the API's clock
	API     poolAPIJSON    `json:"api"`
	Workers []poolWorkJSON `json:"workers"`
}

// poolAPIJSON has the figures of the API that answers. Each API counts for itself.
type poolAPIJSON struct {
	ID       string               `json:"id"`
	Started  time.Time            `json:"started"`
	Requests float64              `json:"requests"`
	Problems map[string]float64   `json:"problems"` // by kind, those that there were
	Queues   map[string]queueJSON `json:"queues"`
}

// poolWorkJSON has the figures of a worker.
type poolWorkJSON struct {
	ID      string                  `json:"id"`
	Host    string                  `json:"host"`
	PID     string                  `json:"pid"`
	Version string                  `json:"version"`
	Started time.Time               `json:"started"` // by the worker's clock
	State   pool.State              `json:"state"`
	Queues  map[string]endpointJSON `json:"queues"`
}

// queueJSON has the figures of a queue, as [pool.Queue] has them.
type queueJSON struct {
	Lanes          int     `json:"lanes"`
	BusySeconds    float64 `json:"busySeconds"`
	Waiting        int     `json:"waiting"`
	OldestSeconds  float64 `json:"oldestSeconds"`
	Refused        uint64  `json:"refused"`
	Batches        uint64  `json:"batches"`
	Operations     uint64  `json:"operations"`
	WaitedSeconds  float64 `json:"waitedSeconds"`
	CarriedSeconds float64 `json:"carriedSeconds"`
}

// endpointJSON has the figures of one queue of a worker.
type endpointJSON struct {
	queueJSON

	InFlight          int64   `json:"inFlight"`
	Errors            int     `json:"errors"`
	ProcessingSeconds float64 `json:"processingSeconds"`
}

func queueFor(q pool.Queue) queueJSON {
	return queueJSON{
		Lanes: q.Lanes, BusySeconds: q.Busy.Seconds(), Waiting: q.Waiting,
		OldestSeconds: q.Oldest.Seconds(), Refused: q.Refused, Batches: q.Batches,
		Operations: q.Operations, WaitedSeconds: q.Waited.Seconds(),
		CarriedSeconds: q.Carried.Seconds(),
	}
}

// getPool answers with the figures of this API and of all workers.
func (s *Server) getPool(c *fiber.Ctx) error {
	workers, err := s.pool.Get()
	if err != nil {
		return problem{kind: messages.KindUnavailable, detail: "the workers can't be asked"}
	}
	answer := poolJSON{
		Time: time.Now().UTC(),
		API: poolAPIJSON{
			ID: s.id, Started: s.started, Requests: metrics.Sum(s.metrics.requests),
			Problems: make(map[string]float64), Queues: make(map[string]queueJSON),
		},
		Workers: make([]poolWorkJSON, len(workers)),
	}
	for kind, counter := range s.metrics.problems {
		if n := metrics.Sum(counter); n > 0 {
			answer.API.Problems[string(kind)] = n
		}
	}
	for name, q := range s.queue.Figures() {
		answer.API.Queues[name] = queueFor(q)
	}
	for i := range workers {
		answer.Workers[i] = poolWorkerFor(&workers[i])
	}
	return c.JSON(answer)
}

func poolWorkerFor(w *pool.Worker) poolWorkJSON {
	shown := poolWorkJSON{
		ID: w.ID, Host: w.Host, PID: w.PID, Version: w.Version, Started: w.Started.UTC(),
		State: w.State, Queues: make(map[string]endpointJSON),
	}
	for _, e := range w.Endpoints {
		shown.Queues[e.Name] = endpointJSON{
			queueJSON: queueFor(e.Queue), InFlight: e.InFlight, Errors: e.Errors,
			ProcessingSeconds: e.Processing.Seconds(),
		}
	}
	return shown
}

// askPool asks the workers. However many clients want the figures, it is called for one at a time.
func (s *Server) askPool() ([]pool.Worker, error) {
	return pool.Ask(context.Background(), s.nc.Requests, poolWait, s.queue.Workers())
}

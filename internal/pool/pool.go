// Package pool has the figures that the workers tell of themselves, and asks all of them.
package pool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/pkg/messages"
)

// What is taken of whoever claims to be a worker. All beyond it is dropped, so that no flood of
// answers costs more than this.
const (
	MaxWorkers = 1024
	maxAnswer  = 8 << 10 // bytes; a worker's has about 1,500
	maxText    = 128     // bytes of a name that it gives
)

// Subject is where every worker answers with its figures (NATS micro protocol, ADR-32).
const Subject = "$SRV.STATS." + messages.ServiceName

// State is what a worker does.
type State string

// The states of workers that answer.
const (
	Serving    State = "serving"
	NoDatabase State = "no_database" // it can't reach its database, and so takes no requests
	Draining   State = "draining"    // it was told to stop, and answers what it has taken
)

// Worker is one live worker, as it describes itself. Started is by its own clock.
type Worker struct {
	ID, Host, PID, Version string
	Started                time.Time
	State                  State
	Endpoints              []Endpoint
}

// Endpoint has the figures of one endpoint of a worker, "read" or "write". All but those of its
// queue that don't, and InFlight, grow.
type Endpoint struct {
	Name       string
	Requests   int           // operations that were answered
	Errors     int           // those of them that failed through no fault of the client
	Processing time.Duration // from an operation's arrival to its answer, summed up
	EndpointData
}

// EndpointData is what a worker adds to the standard figures of each endpoint.
type EndpointData struct {
	InFlight int64 `json:"in_flight"` // operations taken and not yet answered
	Queue
	Latencies Latencies `json:"latencies"` // from an operation's arrival to its answer
	// Up is how long the worker had run when it told this, by a clock that nobody sets. So the time
	// between two answers is known exactly, however long each was under way.
	Up time.Duration `json:"up_ns"`
}

// Ask returns the workers that answer in time, the oldest first. It returns as soon as so many have
// answered; 0: all that do. That there is none is no error.
func Ask(ctx context.Context, nc *nats.Conn, wait time.Duration, most int) ([]Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(Subject, inbox, nil); err != nil {
		return nil, err
	}
	if most <= 0 || most > MaxWorkers {
		most = MaxWorkers
	}
	found := make(map[string]Worker)
	for range 2 * MaxWorkers {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) {
			break
		}
		if err != nil {
			return nil, err
		}
		if w, err := decode(m.Data); err == nil {
			found[w.ID] = w
		}
		if len(found) >= most {
			break
		}
	}
	all := make([]Worker, 0, len(found))
	for _, w := range found {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b Worker) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// decode reads what claims to be a worker's answer.
func decode(data []byte) (w Worker, err error) {
	if len(data) > maxAnswer {
		return w, fmt.Errorf("the answer is over %d bytes", maxAnswer)
	}
	var s micro.Stats
	if err := json.Unmarshal(data, &s); err != nil {
		return w, err
	}
	if s.Name != messages.ServiceName {
		return w, errors.New("the answer is another service's")
	}
	if err := messages.CheckWorker(s.ID); err != nil {
		return w, err
	}
	w = Worker{
		ID: s.ID, Host: short(s.Metadata["host"]), PID: short(s.Metadata["pid"]),
		Version: short(s.Version), Started: s.Started,
		State: stateIn(s.Metadata),
	}
	for _, e := range s.Endpoints {
		if e == nil {
			continue
		}
		endpoint := Endpoint{
			Name: short(e.Name), Requests: e.NumRequests, Errors: e.NumErrors,
			Processing: e.ProcessingTime,
		}
		if err := json.Unmarshal(e.Data, &endpoint.EndpointData); err != nil {
			return w, fmt.Errorf("endpoint %q: %w", endpoint.Name, err)
		}
		w.Endpoints = append(w.Endpoints, endpoint)
	}
	return w, nil
}

func stateIn(metadata map[string]string) State {
	switch {
	case metadata[messages.StoppingKey] != "":
		return Draining
	case metadata[messages.DatabaseKey] == messages.DatabaseLost:
		return NoDatabase
	}
	return Serving
}

func short(text string) string { return text[:min(len(text), maxText)] }

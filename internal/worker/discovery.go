package worker

import (
	"encoding/json"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

// What the service discovery may cost. It is asked by every API once a second, and by people; a
// flood of it must not hold up requests. So it has the connection on which nobody waits for
// anything, little memory, and a bounded rate. What exceeds that gets no answer.
const (
	maxDiscovery      = 256      // questions on each subject that wait
	maxDiscoveryBytes = 64 << 10 // of them
	discoveryRate     = 1000     // answers in a second
	discoveryBurst    = 200
)

// answerDiscovery makes the worker visible as a NATS micro service (`nats micro ls`, `info`,
// `stats`). It doesn't use micro.AddService, whose figures are right only for handlers that answer
// before they return, and which stops a service for good at the first slow consumer.
func (w *Worker) answerDiscovery() ([]*nats.Subscription, error) {
	var subscriptions []*nats.Subscription
	for verb, answer := range map[micro.Verb]func() any{
		micro.PingVerb:  w.ping,
		micro.InfoVerb:  w.info,
		micro.StatsVerb: w.stats,
	} {
		// for all services, for all workers, and for this one
		for _, scope := range [][2]string{
			{"", ""},
			{messages.ServiceName, ""},
			{messages.ServiceName, w.id},
		} {
			subject, err := micro.ControlSubject(verb, scope[0], scope[1])
			if err != nil {
				return nil, err
			}
			s, err := w.changesConn.Subscribe(subject, func(m *nats.Msg) { w.tell(m, answer) })
			if err == nil {
				err = s.SetPendingLimits(maxDiscovery, maxDiscoveryBytes)
			}
			if err != nil {
				return nil, err
			}
			subscriptions = append(subscriptions, s)
		}
	}
	return subscriptions, nil
}

// tell answers a question of the service discovery. While no request can reach the worker it is
// silent: an API counts whoever answers, and is ready as long as it finds one.
func (w *Worker) tell(m *nats.Msg, answer func() any) {
	if messages.CheckReplyTo(m.Reply) != nil || !w.nc.IsConnected() || !w.discovery.Allow() {
		return
	}
	data, err := json.Marshal(answer())
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		w.unsent.Do(func() {
			w.log.Warn("service discovery not answered", "subject", m.Subject, "error", err)
		})
	}
}

func (w *Worker) identity() micro.ServiceIdentity {
	metadata := map[string]string{
		"host": w.host, "pid": strconv.Itoa(os.Getpid()),
		messages.ActionsKey: strconv.Itoa(int(w.config.lastAction())),
	}
	if w.databaseLost.Load() != nil {
		metadata[messages.DatabaseKey] = messages.DatabaseLost
	} else if c := w.store.Clock(); c.Known() {
		metadata[messages.TimeKey] = strconv.FormatInt(c.Now().UnixMicro(), 10)
	}
	if reason := w.notReadyReason.Load(); reason != nil && *reason == stopping {
		metadata[messages.StoppingKey] = "true"
	}
	return micro.ServiceIdentity{
		Name: messages.ServiceName, ID: w.id, Version: w.version, Metadata: metadata,
	}
}

func (w *Worker) ping() any {
	return micro.Ping{ServiceIdentity: w.identity(), Type: micro.PingResponseType}
}

func (w *Worker) info() any {
	info := micro.Info{
		ServiceIdentity: w.identity(), Type: micro.InfoResponseType,
		Description: "Outset: a worker that keeps users' settings",
	}
	for _, e := range w.endpoints() {
		info.Endpoints = append(info.Endpoints, micro.EndpointInfo{
			Name: e.name, Subject: e.subject, QueueGroup: messages.QueueGroup,
		})
	}
	return info
}

func (w *Worker) stats() any {
	stats := micro.Stats{
		ServiceIdentity: w.identity(), Type: micro.StatsResponseType, Started: w.started.UTC(),
	}
	for _, e := range w.endpoints() {
		stats.Endpoints = append(stats.Endpoints, e.stats())
	}
	return stats
}

func (e *endpoint) stats() *micro.EndpointStats {
	s := &micro.EndpointStats{
		Name: e.name, Subject: e.subject, QueueGroup: messages.QueueGroup,
		NumRequests:    int(e.requests.Load()),
		NumErrors:      int(e.errors.Load()),
		ProcessingTime: time.Duration(e.time.Load()),
	}
	if last := e.lastError.Load(); last != nil {
		s.LastError = *last
	}
	if s.NumRequests > 0 {
		s.AverageProcessingTime = s.ProcessingTime / time.Duration(s.NumRequests)
	}
	s.Data, _ = json.Marshal(pool.EndpointData{ // numbers always encode
		InFlight: e.inFlight.Load(), Queue: pool.QueueOf(e.batcher.Stats()),
		Latencies: e.latencies.Load(), Up: time.Since(e.worker.started),
	})
	return s
}

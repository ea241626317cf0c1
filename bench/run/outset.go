package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/outset-settings/outset/bench/process"
)

// deploy/Dockerfile and compose.yaml set these for Go programs. The peers in Go get wakeful, too,
// so that the ratios show what the queue does: direct gains a tenth by it.
const (
	wakeful      = "GODEBUG=schedtrace=2147483647"
	oneProcessor = "GOMAXPROCS=1" // NATS alone
)

// startOutset starts NATS, workers and the API, each as a process of its own with the settings of
// compose.yaml, and returns when the API knows all the workers.
func (l *lab) startOutset(ctx context.Context, what spec, database string) (*side, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	s := newSide(what, database, ports[0])
	s.monitor = "http://" + local(ports[2]) + "/connz?subs=1"
	s.workers = cmp.Or(what.number, l.Workers)
	return s.started(s.startAll(ctx, l, what, ports))
}

func (s *side) startAll(ctx context.Context, l *lab, what spec, ports []int) error {
	natsEnv := append([]string{oneProcessor}, what.env...)
	p, err := s.run(ctx, l, "nats", what.label()+"-nats", natsEnv, l.program("helper"), "nats",
		"-port", strconv.Itoa(ports[1]), "-monitor", strconv.Itoa(ports[2]))
	if err != nil {
		return err
	}
	if err := p.Until(ctx, process.Serves(s.monitor)); err != nil {
		return err
	}
	folder := cmp.Or(what.folder, l.bin)
	tokens, err := l.requireTokens(s)
	if err != nil {
		return err
	}
	env := append([]string{
		"NATS_URL=nats://" + local(ports[1]), "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn",
		"DATABASE_URL=" + s.database, "HTTP_ADDR=" + local(ports[0]),
	}, append(tokens, what.env...)...)
	for i := range s.workers {
		log := fmt.Sprintf("%s-worker-%d", what.label(), i)
		if p, err = s.run(ctx, l, "worker", log, env, filepath.Join(folder, "worker")); err != nil {
			return err
		}
	}
	if err := p.Until(ctx, s.haveWorkers); err != nil {
		return err
	}
	p, err = s.run(ctx, l, "api", what.label()+"-api", env, filepath.Join(folder, "api"))
	if err != nil {
		return err
	}
	if err := p.Until(ctx, process.Serves(s.base+"/readyz")); err != nil {
		return err
	}
	select {
	case <-time.After(2 * time.Second): // the API counts its workers every second
	case <-ctx.Done():
	}
	return ctx.Err()
}

// client is a client of the NATS server, as /connz describes it.
type client struct {
	Name          string
	InMessages    int64 `json:"in_msgs"`
	Subscriptions int
}

func (s *side) clients(ctx context.Context) ([]client, error) {
	text, err := process.Get(ctx, s.monitor)
	if err != nil {
		return nil, err
	}
	var all struct{ Connections []client }
	err = json.Unmarshal(text, &all)
	return all.Connections, err
}

// haveWorkers returns an error until all workers have subscribed, which they do once they can work.
func (s *side) haveWorkers(ctx context.Context) error {
	all, err := s.clients(ctx)
	ready := 0
	for _, c := range all {
		if c.Name == "outset worker" && c.Subscriptions > 0 {
			ready++
		}
	}
	if err == nil && ready < s.workers {
		err = fmt.Errorf("%d of %d workers are ready", ready, s.workers)
	}
	return err
}

// messages returns how many messages the API has sent: one for each batch, and one a second to
// count the workers.
func (s *side) messages(ctx context.Context) (int64, error) {
	all, err := s.clients(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range all {
		if c.Name == "outset api" {
			return c.InMessages, nil
		}
	}
	return 0, errors.New("the API is not connected to NATS")
}

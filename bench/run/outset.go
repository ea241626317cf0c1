package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/bench/process"
	"github.com/outset-settings/outset/pkg/messages"
)

// What deploy/Dockerfile and compose.yaml set for programs in Go. So that the ratios are of the
// queue, the peers in Go get it as well: direct gains a tenth by it.
const (
	wakeful      = "GODEBUG=schedtrace=2147483647"
	oneProcessor = "GOMAXPROCS=1" // NATS alone
)

// startOutset starts NATS, the API and workers, each as a process of its own with the settings of
// compose.yaml.
func (l *lab) startOutset(ctx context.Context, what spec, database string) (*side, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	s := &side{
		name: what.name, kind: what.kind, base: "http://" + local(ports[0]), database: database,
		methods: allMethods,
		workers: what.number, monitor: "http://" + local(ports[2]) + "/connz",
	}
	queue := "nats://" + local(ports[1])
	err = s.startAll(ctx, l, what, queue, ports)
	return s.started(err, func() error { return countWorkers(ctx, queue, s.workers) })
}

func (s *side) startAll(ctx context.Context, l *lab, what spec, queue string, ports []int) error {
	p, err := s.run(ctx, l, "nats", what.file()+"-nats",
		append([]string{oneProcessor}, what.env...), l.program("queue"), "-port",
		strconv.Itoa(ports[1]), "-monitor", strconv.Itoa(ports[2]))
	if err != nil {
		return err
	}
	if err := p.Until(ctx, process.Serves(s.monitor)); err != nil {
		return err
	}
	folder := cmp.Or(what.folder, l.bin)
	common := append([]string{"NATS_URL=" + queue, "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn"},
		what.env...)
	for i := range s.workers {
		env := append([]string{"DATABASE_URL=" + s.database}, common...)
		if _, err := s.run(ctx, l, "worker", fmt.Sprintf("%s-worker-%d", what.file(), i), env,
			filepath.Join(folder, "worker")); err != nil {
			return err
		}
	}
	env := append([]string{"HTTP_ADDR=" + local(ports[0])}, common...)
	if p, err = s.run(ctx, l, "api", what.file()+"-api", env,
		filepath.Join(folder, "api")); err != nil {
		return err
	}
	return s.serves(ctx, p)
}

// countWorkers returns when that many workers have answered, and the API has had the time to count
// them, too.
func countWorkers(ctx context.Context, queue string, workers int) error {
	nc, err := nats.Connect(queue)
	if err != nil {
		return err
	}
	defer nc.Close()
	inbox := nc.NewInbox()
	pongs, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	subject, err := micro.ControlSubject(micro.PingVerb, messages.ServiceName, "")
	if err != nil {
		return err
	}
	for range 100 {
		if err := nc.PublishRequest(subject, inbox, nil); err != nil {
			return err
		}
		found := make(map[string]bool)
		for {
			m, err := pongs.NextMsg(300 * time.Millisecond)
			if err != nil {
				break // that is all of them
			}
			var pong micro.Ping
			if err := json.Unmarshal(m.Data, &pong); err != nil {
				return err
			}
			found[pong.ID] = true
		}
		if len(found) == workers {
			select {
			case <-time.After(2 * time.Second):
			case <-ctx.Done():
			}
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d workers don't come up", workers)
}

// requests returns how many messages the side's NATS server has taken from its API: one for each
// batch, and one a second to count the workers. What workers send isn't looked at: they tell of
// each change, too.
func (s *side) requests(ctx context.Context) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.monitor, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	var clients server.Connz
	if err := json.NewDecoder(answer.Body).Decode(&clients); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(clients.Conns, func(c *server.ConnInfo) bool {
		return c.Name == "outset api"
	})
	if i < 0 {
		return 0, errors.New("the NATS server has no client with the API's name")
	}
	return clients.Conns[i].InMsgs, nil
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/pkg/messages"
)

// workers lists the live workers with their statistics, which it asks for over NATS.
type workers struct {
	program.NATS
	Data  string        `env:"OUTSET_DATA" placeholder:"DIR" help:"data directory of outset up on this machine, whose key is used without NATS_NKEY and NATS_CREDS (default: as for outset up)"`
	JSON  bool          `name:"json" help:"print JSON"`
	Wait  time.Duration `default:"500ms" placeholder:"DURATION" help:"how long to wait for answers"`
	Count int           `placeholder:"N" help:"don't wait longer once N workers have answered"`
}

// maxWorkers is how many workers are listed at most. Whoever reaches NATS may claim to be one.
const maxWorkers = 1024

// workerRow is one live worker. Started is by its own clock.
type workerRow struct {
	ID       string    `json:"id"`
	Host     string    `json:"host"`
	PID      string    `json:"pid"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Uptime   int64     `json:"uptime_seconds"`
	Requests int       `json:"requests"`  // answered operations
	Errors   int       `json:"errors"`    // those of them that failed through no fault of the client
	InFlight int64     `json:"in_flight"` // operations not yet answered
	Database string    `json:"database"`  // reachable, or messages.DatabaseLost
}

// Run prints a line for each worker. It fails if there is none.
func (w workers) Run(ctx context.Context, stdout io.Writer) error {
	if err := w.Check(); err != nil {
		return program.Usage(err)
	}
	nc, err := w.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	rows, err := w.ask(ctx, nc)
	if err != nil {
		return err
	}
	if w.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(rows)
	} else if len(rows) > 0 {
		err = printWorkers(stdout, rows)
	}
	if err == nil && len(rows) == 0 {
		err = errors.New("no worker answers")
	}
	return err
}

// connect connects as what the settings say, or else as an operator of the `outset up` that runs at
// this address, if its key is there. A key that was left behind is no reason to fail.
func (w workers) connect() (*nats.Conn, error) {
	if key := w.savedKey(); key != "" {
		saved := w
		saved.NKey = key
		if nc, err := saved.connectAs(); err == nil {
			return nc, nil
		}
	}
	return w.connectAs()
}

func (w workers) savedKey() string {
	if w.NKey != "" || w.Creds != "" || strings.Contains(w.URL, "@") {
		return ""
	}
	data, err := dataDir(w.Data)
	if err != nil {
		return ""
	}
	return localnats.SavedKey(data, localnats.Operator, w.URL)
}

func (w workers) connectAs() (*nats.Conn, error) {
	options, err := w.Options()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(w.URL, append(options, nats.Name("outset workers"),
		nats.CustomInboxPrefix(messages.OperatorInbox))...)
	if err != nil {
		return nil, fmt.Errorf("NATS at %s: %w", w.NATS, err)
	}
	return nc, nil
}

// ask returns the workers that answer in time, the oldest first.
func (w workers) ask(ctx context.Context, nc *nats.Conn) ([]workerRow, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	if err := nc.PublishRequest("$SRV.STATS."+messages.ServiceName, inbox, nil); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.Wait)
	defer cancel()
	rows := []workerRow{} // in JSON [] and not null
	for len(rows) < maxWorkers && (w.Count <= 0 || len(rows) < w.Count) {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) {
			break
		}
		if err != nil {
			return nil, err
		}
		var stats micro.Stats
		if json.Unmarshal(m.Data, &stats) == nil && messages.CheckWorker(stats.ID) == nil {
			rows = append(rows, rowOf(stats))
		}
	}
	slices.SortFunc(rows, func(a, b workerRow) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return rows, nil
}

func rowOf(s micro.Stats) workerRow {
	r := workerRow{
		ID: s.ID, Host: s.Metadata["host"], PID: s.Metadata["pid"], Version: s.Version,
		Started: s.Started, Uptime: int64(time.Since(s.Started).Seconds()),
		Database: cmp.Or(s.Metadata[messages.DatabaseKey], "reachable"),
	}
	for _, e := range s.Endpoints {
		r.Requests += e.NumRequests
		r.Errors += e.NumErrors
		var data pool.EndpointData
		if err := json.Unmarshal(e.Data, &data); err == nil {
			r.InFlight += data.InFlight
		}
	}
	return r
}

func printWorkers(w io.Writer, rows []workerRow) error {
	t := newTable(w, "ID\tHOST\tPID\tVERSION\tUPTIME\tREQUESTS\tERRORS\tIN FLIGHT\tDATABASE")
	for _, r := range rows {
		uptime := time.Duration(r.Uptime) * time.Second
		if err := t.row("%s\t%s\t%s\t%s\t%v\t%d\t%d\t%d\t%s", r.ID, r.Host, r.PID, r.Version,
			uptime, r.Requests, r.Errors, r.InFlight, r.Database); err != nil {
			return err
		}
	}
	return t.end("no workers")
}

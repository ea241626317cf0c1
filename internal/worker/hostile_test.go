package worker_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestNowhereToReply: a request whose reply can go nowhere, or to the subjects of others, is
// dropped, and a flood of them fills no log.
func TestNowhereToReply(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	var log testlog.Buffer
	startLogging(t, nc, open(t), config, log.Logger())
	changes, err := nc.SubscribeSync("settings.v1.changed.*")
	if err != nil {
		t.Fatal(err)
	}
	data := encode(t, replace("ann", "1", `{}`))
	for range 2000 {
		for _, reply := range []string{
			"", messages.ChangedSubject("bob"), messages.WriteSubject, "$SRV.PING.outset",
			strings.Repeat("r", messages.MaxReplyTo+1),
		} {
			m := &nats.Msg{Subject: messages.WriteSubject, Reply: reply, Data: data}
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := do(t, nc, replace("cid", "1", `{}`)); r.Version != 1 { // comes after them
		t.Errorf("%+v", r)
	}
	if r := do(t, nc, read("ann")); r.Version != 0 {
		t.Errorf("a request without a reply was done: %+v", r)
	}
	m, err := changes.NextMsg(deadline)
	if err != nil || m.Subject != messages.ChangedSubject("cid") {
		t.Errorf("the first change: %+v, %v", m, err)
	}
	if n := strings.Count(log.String(), "request dropped"); n == 0 || n > 100 {
		t.Errorf("%d lines in the log", n)
	}
}

// TestImpossibleTimes: a time that would wrap around on the way to Postgres fails its own operation
// and no other of the batch.
func TestImpossibleTimes(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	var operations []messages.Operation
	for i := range 64 {
		operations = append(operations, replace(strings.Repeat("u", i+1), "1", `{}`))
	}
	operations[7].Deadline = math.MaxInt64
	operations[8].Issued = math.MaxInt64
	operations[9].Deadline = math.MinInt64
	operations[10].If = &messages.Condition{UnmodifiedSince: math.MaxInt64}
	for i, r := range ask(t, nc, messages.WriteSubject, operations...).Results {
		if i >= 7 && i <= 10 {
			if r.Kind != messages.KindMalformed {
				t.Errorf("write %d: %+v", i, r)
			}
		} else if r.Kind != "" || r.Version != 1 {
			t.Errorf("write %d: %+v", i, r)
		}
	}
}

// TestFloodOfDiscovery: whatever asks for statistics does not hold up requests, and is answered
// again when it is less.
func TestFloodOfDiscovery(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	w, _ := start(t, nc, open(t), config)
	attacker := dial(t, nc.ConnectedUrl())
	answers := make(chan *nats.Msg, 100_000)
	inbox := attacker.NewInbox()
	if _, err := attacker.ChanSubscribe(inbox, answers); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	const flood = 30_000
	for range flood {
		if err := attacker.PublishRequest("$SRV.STATS.outset", inbox, nil); err != nil {
			t.Fatal(err)
		}
	}
	if r := do(t, nc, replace("ann", "1", `{}`)); r.Version != 1 {
		t.Errorf("%+v", r)
	}
	eventually(t, "it is answered again", func() bool {
		m, err := nc.Request("$SRV.PING.outset."+w.ID(), nil, time.Second)
		return err == nil && len(m.Data) > 0
	})
	// 1,000 a second, and 200 at once; a slow machine has taken longer
	if n, most := len(answers), 200+1000*(int(time.Since(began).Seconds())+1); n > most {
		t.Errorf("%d answers, want %d at most", n, most)
	}
}

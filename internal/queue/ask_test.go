package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/pkg/messages"
)

var (
	silence     *messages.Reply
	applied     = one(messages.Result{Version: 1})
	replayed    = one(messages.Result{Version: 1, Replayed: true})
	refused     = one(messages.Result{Kind: messages.KindPrecondition, Version: 7})
	fenced      = one(messages.Result{Kind: messages.KindPrecondition, Version: 7, Fenced: true})
	unknown     = one(messages.Result{Kind: messages.KindOutcomeUnknown})
	unreadable  = &messages.Reply{Kind: messages.KindMalformed}
	busy        = one(messages.Result{Kind: messages.KindUnavailable, Busy: true})
	unavailable = one(messages.Result{Kind: messages.KindUnavailable})
	overloaded  = &messages.Reply{Kind: messages.KindOverloaded}
)

// TestRetries: what the queue answers to a write, and how often it asks, by what workers reply.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replies []*messages.Reply
		kind    messages.Kind
		asked   int32
	}{
		"applied":        {[]*messages.Reply{applied}, "", 1},
		"refused":        {[]*messages.Reply{refused}, messages.KindPrecondition, 1},
		"unavailable":    {[]*messages.Reply{unavailable}, messages.KindUnavailable, 1},
		"full once":      {[]*messages.Reply{overloaded, applied}, "", 2},
		"full":           {[]*messages.Reply{overloaded}, messages.KindOverloaded, 2},
		"busy document":  {[]*messages.Reply{busy, busy, busy, busy, applied}, "", 5},
		"unreadable":     {[]*messages.Reply{unreadable}, messages.KindInternal, 1},
		"silence, twice": {[]*messages.Reply{silence, silence, replayed}, "", 3},
		// The first attempt may still be under way and hold the rows.
		"silence, then not now": {[]*messages.Reply{
			silence, unavailable, overloaded, overloaded, replayed,
		}, "", 5},
		"silence, then busy":    {[]*messages.Reply{silence, busy, replayed}, "", 3},
		"busy, then silence":    {[]*messages.Reply{busy, silence, replayed}, "", 3},
		"silence, then refused": {[]*messages.Reply{silence, refused, replayed}, "", 3},
		"silence, then fenced":  {[]*messages.Reply{silence, fenced}, messages.KindPrecondition, 2},
		"unknown, then known":   {[]*messages.Reply{unknown, replayed}, "", 2},
		"unknown, then fenced":  {[]*messages.Reply{unknown, fenced}, messages.KindPrecondition, 2},
		"silence, then the id is another's": {[]*messages.Reply{
			silence, one(messages.Result{Kind: messages.KindIDReused}),
		}, messages.KindIDReused, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attempt, silent := timeout, slices.Contains(c.replies, silence)
			if silent {
				attempt = shortTimeout
			}
			s := newSystem(t, attempt)
			var asked atomic.Int32
			var ids sync.Map
			var unsure atomic.Bool
			reply := answers(&asked, c.replies...)
			s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
				o := r.Operations[0]
				ids.Store(o.ID, true)
				if o.Again != unsure.Load() && !silent {
					t.Errorf("request %d: sent again is %v", asked.Load()+1, o.Again)
				}
				if unsure.Load() && !o.Again {
					t.Errorf("request %d doesn't tell that it is sent again", asked.Load()+1)
				}
				answer := reply(r)
				if answer == silence || answer.Kind == "" &&
					answer.Results[0].Kind == messages.KindOutcomeUnknown {
					unsure.Store(true)
				}
				return answer
			})
			o := write(timeout)
			want(t, s.Write(o), c.kind)
			if n := asked.Load(); n < c.asked || n > c.asked && !silent {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
			ids.Range(func(id, _ any) bool {
				if id != o.ID {
					t.Errorf("asked with the id %q, want %q", id, o.ID)
				}
				return true
			})
		})
	}
}

// TestDeadlineAfterSilence: an attempt without an answer may have been applied, or may yet be.
// Until the deadline no refusal is an answer to a write, and afterwards its outcome is unknown. A
// read has no outcome.
func TestDeadlineAfterSilence(t *testing.T) {
	t.Parallel()
	for name, replies := range map[string][]*messages.Reply{
		"silence":               {silence},
		"silence, then refused": {silence, refused},
		"silence, then not now": {silence, unavailable},
		"silence, then busy":    {silence, busy},
		"busy, then silence":    {busy, silence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, shortTimeout)
			var asked atomic.Int32
			s.answer(messages.WriteSubject, answers(&asked, replies...))
			for timeout := time.Second; ; timeout *= 2 { // until it was long enough
				asked.Store(0)
				r := s.Write(write(timeout))
				if n := asked.Load(); n >= int32(len(replies)) {
					want(t, r, messages.KindOutcomeUnknown)
					return
				}
			}
		})
	}
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t, shortTimeout)
		var asked atomic.Int32
		s.answer(messages.ReadSubject, answers(&asked, silence))
		for timeout := time.Second; asked.Load() == 0; timeout *= 2 {
			if r := s.Read(read(timeout)); asked.Load() > 0 {
				want(t, r, messages.KindUnavailable)
			}
		}
	})
}

// TestBusyToTheEnd: the request waits for a busy document, until its deadline.
func TestBusyToTheEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	var asked atomic.Int32
	s.answer(messages.WriteSubject, answers(&asked, busy))
	for timeout := time.Second; ; timeout *= 2 {
		asked.Store(0)
		r := s.Write(write(timeout))
		// An attempt that began in time and took too long is rightly of unknown outcome.
		if asked.Load() >= 5 && r.Kind != messages.KindOutcomeUnknown {
			want(t, r, messages.KindUnavailable)
			return
		}
	}
}

// TestSilentWorker: workers that take requests and never answer, as frozen ones do, cost time and
// nothing else, however long they stay in the queue group.
func TestSilentWorker(t *testing.T) {
	t.Parallel()
	s := newSystem(t, shortTimeout)
	var asked, swallowed atomic.Int32
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		asked.Add(1)
		return &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
	})
	eventually(t, "the worker is counted", func() bool { return s.Ready() == nil })
	for i := range 3 { // so that drawing again would fail more often than not
		s.startWorker(messages.WriteSubject, worker{
			id: fmt.Sprint("silent", i), frozen: true, answer: answers(&swallowed, silence),
		})
	}
	const writers, writes = 16, 3
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range writes {
				want(t, s.Write(write(timeout)), "")
			}
		})
	}
	all.Wait()
	if swallowed.Load() == 0 {
		t.Error("the silent workers were never drawn")
	}
	// After one silence each batch was sent to the worker that gives signs of life.
	if swallowed.Load() > writers*writes {
		t.Errorf("%d requests met silence, %d were answered", swallowed.Load(), asked.Load())
	}
}

// TestOlderWorkers: an older generation is a worker that announces fewer actions. What it does not
// know is sent to one that does, and refused for now where there is none.
func TestOlderWorkers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	const knows = messages.ActionReplace
	older := func(r messages.Request) *messages.Reply {
		reply := &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
		for i, o := range r.Operations {
			if o.Action > knows {
				reply.Results[i].Kind = messages.KindUnknownAction
			}
		}
		return reply
	}
	for i := range 3 {
		s.startWorker(messages.WriteSubject, worker{
			id: fmt.Sprint("old", i), knows: knows, answer: older,
		})
	}
	patch := func() *messages.Operation {
		o := write(timeout)
		o.Action = messages.ActionMergePatch
		return o
	}
	want(t, s.Write(patch()), messages.KindUnavailable)
	want(t, s.Write(write(timeout)), "")
	eventually(t, "the older workers are counted", func() bool {
		return !s.AllKnow(messages.ActionMergePatch)
	})
	if !s.AllKnow(knows) {
		t.Error("the workers are taken for older than they are")
	}
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "upgrade them first") {
		t.Errorf("ready with older workers: %v", err)
	}

	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		return &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
	})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() { want(t, s.Write(patch()), "") })
	}
	all.Wait()
	eventually(t, "the new worker is counted", func() bool { return s.Ready() == nil })
}

// TestWorkersComeAndGo: what is known of the workers follows them, and a request is held while one
// may be coming back.
func TestWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	if r := s.Write(write(timeout)); r.Kind != messages.KindUnavailable { // nobody to wait for
		t.Errorf("where no worker ever was: %+v", r)
	}
	var asked atomic.Int32
	w := worker{id: "w", answer: answers(&asked, applied)}
	stop := s.startWorker(messages.WriteSubject, w)
	eventually(t, "the worker is counted", func() bool { return s.Ready() == nil })
	stop()
	eventually(t, "it is missed", func() bool { return s.Ready() != nil })
	held := make(chan messages.Result)
	go func() { held <- s.Write(write(timeout)) }()
	s.startWorker(messages.WriteSubject, w)
	want(t, <-held, "")
}

// TestQueueFull: what exceeds the queue is refused at once, and the rest is served.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	gate := make(chan struct{})
	s.answer(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		<-gate
		return &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
	})
	var served, refused atomic.Int32
	var all sync.WaitGroup
	taken := int32(0)
	for ; refused.Load() == 0; taken++ { // far more than can wait and be under way
		all.Add(1)
		s.Go(read(timeout), func(r messages.Result) {
			switch r.Kind {
			case "":
				served.Add(1)
			case messages.KindOverloaded:
				refused.Add(1)
			default:
				t.Errorf("%+v", r)
			}
			all.Done()
		})
	}
	other := read(timeout)
	other.Principal = 1
	all.Go(func() { want(t, s.Read(other), "") })
	close(gate)
	all.Wait()
	if n, no := served.Load(), refused.Load(); n+no != taken || n < 4096 {
		t.Errorf("%d reads were served and %d refused of %d", n, no, taken)
	}
}

// TestOwnRepetition: what we have sent before and find applied is a repetition for the client only
// if it was applied before its request came.
func TestOwnRepetition(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keyed, silent bool
		applied       int64 // this long after the request came
		want          bool
	}{
		"by another request before":   {keyed: true, silent: true, applied: -1000, want: true},
		"by our own attempt":          {keyed: true, silent: true, applied: 1000},
		"with an id of our own":       {silent: true, applied: -1000}, // by a clock that is behind
		"by another at the same time": {keyed: true, applied: 1000, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, shortTimeout)
			o := write(timeout)
			o.Keyed, o.Issued = c.keyed, time.Now().UnixMicro()
			replies := []*messages.Reply{one(messages.Result{
				Version: 1, Modified: o.Issued + c.applied, Replayed: true,
			})}
			if c.silent {
				replies = append([]*messages.Reply{silence}, replies...)
			}
			var asked atomic.Int32
			s.answer(messages.WriteSubject, answers(&asked, replies...))
			if r := s.Write(o); r.Kind != "" || r.Replayed != c.want {
				t.Errorf("%+v, want it replayed: %v", r, c.want)
			}
		})
	}
}

// TestPartialReplies: a result is passed on as soon as its reply comes, whatever the others of the
// request do. A worker that says that it is at the rest is not asked again, and one that falls
// silent is.
func TestPartialReplies(t *testing.T) {
	t.Parallel()
	const silent = 2 * time.Second // a slow machine may take as long as that between two signs
	s := newSystem(t, silent)
	var (
		mu       sync.Mutex
		requests []*nats.Msg
	)
	s.startRaw(messages.WriteSubject, "w", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, m)
	})
	eventually(t, "the worker is counted", func() bool { return s.Ready() == nil })
	received := func(n int) (m *nats.Msg) {
		t.Helper()
		eventually(t, "the request comes", func() bool {
			mu.Lock()
			defer mu.Unlock()
			if len(requests) < n {
				return false
			}
			m = requests[n-1]
			return true
		})
		return m
	}
	results := make(chan messages.Result, 3)
	var o [3]*messages.Operation
	for i := range o {
		o[i] = write(timeout)
	}
	s.WriteTogether(o[:], func(r messages.Result) { results <- r })
	first := received(1)
	respond(t, first, messages.Reply{Of: []int{1}, Results: []messages.Result{{Version: 7}}})
	if r := <-results; r.Version != 7 {
		t.Errorf("the first result: %+v", r)
	}
	for began := time.Now(); time.Since(began) < 3*silent/2; time.Sleep(silent / 50) {
		respond(t, first, messages.Reply{Working: true})
	}
	mu.Lock()
	if n := len(requests); n != 1 {
		t.Errorf("%d requests while the worker was at it", n)
	}
	mu.Unlock()
	respond(t, first, messages.Reply{Of: []int{2}, Results: []messages.Result{{Version: 8}}})
	if r := <-results; r.Version != 8 {
		t.Errorf("the second result: %+v", r)
	}
	again := received(2) // it fell silent
	if r, err := messages.DecodeRequest(again.Data); err != nil || len(r.Operations) != 1 ||
		r.Operations[0].ID != o[0].ID {
		t.Errorf("asked again: %+v, %v", r, err)
	}
	respond(t, again, *applied)
	if r := <-results; r.Version != 1 || r.Kind != "" {
		t.Errorf("the last result: %+v", r)
	}
}

// TestRetryBudget: what is asked again is a bounded part of what is asked for the first time, so
// that an overload doesn't feed itself.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	var first, again atomic.Int64
	var seen sync.Map
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		for _, o := range r.Operations {
			if _, known := seen.LoadOrStore(o.ID, true); known {
				again.Add(1)
			} else {
				first.Add(1)
			}
		}
		return overloaded
	})
	const writers, writes = 64, 300
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range writes {
				want(t, s.Write(write(timeout)), messages.KindOverloaded)
			}
		})
	}
	all.Wait()
	t.Logf("%d operations were asked again, and %d first", again.Load(), first.Load())
	if n, most := again.Load(), first.Load()/10+queue.RetryReserve; n > most || n == 0 {
		t.Errorf("asked again were %d, want 1 to %d", n, most)
	}
	testmetrics.Of(t, s.Metrics()).Want(t, testmetrics.Values{
		`outset_api_operations_asked_again_total{after="refusal"}`:     float64(again.Load()),
		`outset_api_retry_budget_refused_total{after="refusal"}`:       float64(writers*writes - again.Load()),
		`outset_api_operations_total{kind="overloaded",queue="write"}`: writers * writes,
	})
}

// TestReplayed: a repetition by the client is told as one.
func TestReplayed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		return &messages.Reply{
			Results: slices.Repeat([]messages.Result{{Version: 1, Replayed: true}},
				len(r.Operations)),
		}
	})
	if r := s.Write(write(timeout)); r.Kind != "" || !r.Replayed {
		t.Errorf("%+v", r)
	}
}

// TestWriteAll: writes that could not be done, or may have been, are repeated with the same ids. A
// refusal after an outcome that is unknown is none.
func TestWriteAll(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	var (
		mu    sync.Mutex
		asked = make(map[string]int)
	)
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		mu.Lock()
		defer mu.Unlock()
		reply := &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
		for i, o := range r.Operations {
			asked[o.User]++
			switch {
			case o.User == "refused":
				reply.Results[i].Kind = messages.KindInvalid
			case asked[o.User] == 1 && o.User == "later":
				reply.Results[i].Kind = messages.KindUnavailable
			case asked[o.User] == 1 && o.User == "unknown":
				reply.Results[i].Kind = messages.KindOutcomeUnknown
			case asked[o.User] == 2 && o.User == "unknown":
				reply.Results[i].Kind = messages.KindInvalid
			}
		}
		return reply
	})
	all := []*messages.Operation{write(0), nil, write(0), write(0), write(0)}
	for i, user := range []string{"done", "", "refused", "later", "unknown"} {
		if all[i] != nil {
			all[i].User = user
		}
	}
	results := s.WriteAll(all, timeout, func() bool { return true })
	for i, kind := range []messages.Kind{"", "", messages.KindInvalid, "", ""} {
		want(t, results[i], kind)
	}
	if asked["done"] != 1 || asked["refused"] != 1 || asked["later"] != 2 || asked["unknown"] != 3 {
		t.Errorf("asked %v", asked)
	}
}

// TestFrozenOnTheWay: of a worker that has said that it is at a request, and nothing since, no more
// is asked while there is another.
func TestFrozenOnTheWay(t *testing.T) {
	t.Parallel()
	s := newSystem(t, shortTimeout)
	s.answer(messages.WriteSubject, answers(new(atomic.Int32), applied))
	eventually(t, "the worker is counted", func() bool { return s.Ready() == nil })
	var swallowed atomic.Int32
	s.startWorker(messages.WriteSubject, worker{id: "frozen", frozen: true, receive: func(m *nats.Msg) {
		swallowed.Add(1)
		respond(t, m, messages.Reply{Worker: "frozen", Working: true})
	}})
	drawn := int32(0)
	for drawn < 6 {
		before := swallowed.Load()
		want(t, s.Write(write(timeout)), "")
		if swallowed.Load() > before {
			drawn++
		}
	}
	// Where the other is late to say that it lives any may be drawn.
	if n := swallowed.Load(); n > drawn*3/2 {
		t.Errorf("%d requests were sent to the one that is frozen for %d writes", n, drawn)
	}
}

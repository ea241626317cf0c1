package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

var (
	silence     *messages.Reply
	applied     = one(messages.Result{Version: 1})
	replayed    = one(messages.Result{Version: 1, Replayed: true})
	refused     = one(messages.Result{Kind: messages.KindPrecondition, Version: 7})
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
			reply := answers(&asked, c.replies...)
			s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
				ids.Store(r.Operations[0].ID, true)
				return reply(r)
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
	var served atomic.Int32
	var all sync.WaitGroup
	taken := int32(0)
	for range 1_000_000 { // far more than can wait and be under way
		all.Add(1)
		if s.Go(read(timeout), func(r messages.Result, err error) {
			if err == nil && r.Kind == "" {
				served.Add(1)
			}
			all.Done()
		}) != nil {
			all.Done()
			break
		}
		taken++
	}
	want(t, s.Read(read(timeout)), messages.KindOverloaded)
	close(gate)
	all.Wait()
	if n := served.Load(); n != taken || n < 4096 {
		t.Errorf("%d reads were served of the %d that were taken", n, taken)
	}
}

// sideBySide has writes done at once, again and again until some of them have shared a request, and
// hands each result to check.
func (s *system) sideBySide(n int, shared func() bool, check func(messages.Result)) {
	s.t.Helper()
	eventually(s.t, "operations shared a request", func() bool {
		var all sync.WaitGroup
		for range n {
			all.Go(func() { check(s.Write(write(timeout))) })
		}
		all.Wait()
		return shared()
	})
}

// TestResultTooLarge: a write whose result did not fit beside the others is done. Whatever a worker
// answers when it is asked again, the result never says that nothing was changed.
func TestResultTooLarge(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]messages.Reply{
		"overloaded":  {Kind: messages.KindOverloaded},
		"unavailable": {Results: []messages.Result{{Kind: messages.KindUnavailable}}},
		"refused":     {Results: []messages.Result{{Kind: messages.KindNotFound}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, timeout)
			var (
				mu      sync.Mutex
				unfit   = make(map[string]int) // how often asked for again, by the id of the done
				refused int
			)
			s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
				mu.Lock()
				defer mu.Unlock()
				if again, known := unfit[r.Operations[0].ID]; known && again < 2 {
					for _, o := range r.Operations {
						unfit[o.ID]++
					}
					refused++
					reply := trouble
					if reply.Kind == "" {
						reply.Results = slices.Repeat(trouble.Results, len(r.Operations))
					}
					return &reply
				}
				reply := &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
				for i, o := range r.Operations {
					_, known := unfit[o.ID]
					reply.Results[i] = messages.Result{Version: 1, Replayed: known}
					if i > 0 && !known {
						unfit[o.ID] = 0
						reply.Results[i] = messages.Result{Kind: messages.KindAskAgain}
					}
				}
				return reply
			})
			s.sideBySide(50, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return refused > 0
			}, func(r messages.Result) {
				// For the client it is no repetition, though it is one for the worker.
				if r.Kind != "" || r.Replayed {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// TestFewResultsFit: where replies have capacity for few results, each is asked for a few times,
// and not as often as there are others.
func TestFewResultsFit(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	const capacity, writes = 5, 300
	var operations, most atomic.Int64
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		n := len(r.Operations)
		operations.Add(int64(n))
		most.Store(max(most.Load(), int64(n)))
		reply := &messages.Reply{
			Results: slices.Repeat([]messages.Result{{Kind: messages.KindAskAgain}}, n),
		}
		for i := range min(n, capacity) {
			reply.Results[i] = messages.Result{Version: 1}
		}
		return reply
	})
	rounds := int64(0)
	s.sideBySide(writes, func() bool {
		rounds++
		return most.Load() > capacity
	}, func(r messages.Result) { want(t, r, "") })
	if n := operations.Load(); n > 6*writes*rounds {
		t.Errorf("%d operations were asked for %d writes", n, writes*rounds)
	}
}

// TestReplayed: a repetition by the client is told as one, also if its result did not fit at first.
func TestReplayed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	var shared atomic.Bool
	s.answer(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		reply := &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
		for i := range r.Operations {
			reply.Results[i] = messages.Result{Version: 1, Replayed: true}
			if i > 0 {
				reply.Results[i] = messages.Result{Kind: messages.KindAskAgain, Replayed: true}
				shared.Store(true)
			}
		}
		return reply
	})
	s.sideBySide(50, shared.Load, func(r messages.Result) {
		if r.Kind != "" || !r.Replayed {
			t.Errorf("%+v", r)
		}
	})
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

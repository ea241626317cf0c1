package e2e

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// chaosCall is what a client asked for. Each write that replaces has a number of its own.
type chaosCall struct {
	user   string
	op     string // read, replace, compare-and-set, delete
	number int    // of the document that it writes
	expect int64  // the version that it demands
	key    string // the Idempotency-Key, or "" for an id that the API makes
}

func (c chaosCall) writes() bool { return c.op != "read" }

// chaosResult is what the client was told.
type chaosResult struct {
	unknown bool // it may take effect at any later time, or never
	refused bool // 412: the version was another one
	version int64
	number  int // of the document that was read; 0: none
}

// register is one user's state: a version, and the number of its document.
type register struct {
	version int64
	number  int
}

// registers is what porcupine checks a history against: a register for each user.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := make(map[string][]porcupine.Operation)
		for _, o := range history {
			c, _ := asked(o)
			by[c.user] = append(by[c.user], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		now, _ := state.(register)
		c, r := asked(porcupine.Operation{Input: input, Output: output})
		return step(now, c, r)
	},
}

// asked is what an operation of a history asked for, and what came of it.
func asked(o porcupine.Operation) (c chaosCall, r chaosResult) {
	c, _ = o.Input.(chaosCall)
	r, _ = o.Output.(chaosResult)
	return c, r
}

func step(s register, c chaosCall, r chaosResult) (bool, register) {
	if c.op == "read" {
		return r.version == s.version && r.number == s.number, s
	}
	conditional := c.op != "replace"
	if r.refused {
		return conditional && c.expect != s.version, s
	}
	if conditional && c.expect != s.version {
		return r.unknown, s // an unknown one was refused
	}
	next := register{version: s.version + 1, number: c.number}
	if c.op == "delete" {
		next.number = 0 // there is no document
	}
	return r.unknown || r.version == next.version, next
}

// history is what all clients asked for and were told.
type history struct {
	start time.Time

	mu         sync.Mutex
	operations []porcupine.Operation
	refused    map[int]bool // numbers of writes that surely were not applied
	success    time.Time    // when something last succeeded
	longest    time.Duration
	unknown    int
	turnedAway int // 503
}

func newHistory() *history {
	return &history{start: time.Now(), refused: make(map[int]bool)}
}

// add records a call, but for a read without an answer.
func (h *history) add(client int, began time.Time, c chaosCall, r chaosResult) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	o := porcupine.Operation{
		ClientId: client, Input: c, Output: r,
		Call: began.Sub(h.start).Nanoseconds(), Return: now.Sub(h.start).Nanoseconds(),
	}
	if r.unknown {
		h.unknown++
		o.Return = 1 << 62
		if !c.writes() {
			return
		}
	} else {
		if !h.success.IsZero() {
			h.longest = max(h.longest, now.Sub(h.success))
		}
		h.success = now
	}
	if r.refused {
		h.refused[c.number] = true
	}
	h.operations = append(h.operations, o)
}

// turnAway records a write that surely was not applied.
func (h *history) turnAway(c chaosCall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turnedAway++
	h.refused[c.number] = true
}

func (h *history) answered() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.operations)
}

// judge returns what is wrong: with the log, and with the order of the answers.
func (h *history) judge(log []chaosRow) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	applied, err := h.compare(log)
	// An unknown write that the log does not have was never applied: leaving it out keeps the
	// search short. What the log has stays unknown, and may take effect at any time.
	var known []porcupine.Operation
	for _, o := range h.operations {
		if c, r := asked(o); r.unknown && applied[c.number] == 0 {
			continue
		}
		known = append(known, o)
	}
	switch porcupine.CheckOperationsTimeout(registers, known, 20*time.Second) {
	case porcupine.Illegal:
		err = errors.Join(err, errors.New("porcupine: the history is not linearizable"))
	case porcupine.Unknown:
		err = errors.Join(err, errors.New("porcupine: not decided within 20 s"))
	}
	return err
}

// chaosRow is a row of the log. number is that of the document, or of a deletion's key.
type chaosRow struct {
	user    string
	version int64
	number  int
}

// compare returns the version of each number that the log has. It returns an error unless the log
// has each acknowledged write once, each refused one never, each unknown one at most once, and no
// gap between versions.
func (h *history) compare(log []chaosRow) (applied map[int]int64, err error) {
	applied = make(map[int]int64)
	newest := make(map[string]int64)
	fail := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	for _, r := range log {
		if r.version != newest[r.user]+1 {
			fail("%s: the log goes from version %d to %d", r.user, newest[r.user], r.version)
		}
		newest[r.user] = r.version
		if before := applied[r.number]; before != 0 {
			fail("%s: write %d is applied twice, as versions %d and %d", r.user, r.number, before,
				r.version)
		}
		if h.refused[r.number] {
			fail("%s: write %d was refused, and is version %d", r.user, r.number, r.version)
		}
		applied[r.number] = r.version
	}
	sent := make(map[int]bool)
	for _, o := range h.operations {
		c, r := asked(o)
		if !c.writes() {
			continue
		}
		sent[c.number] = true
		if !r.unknown && !r.refused && applied[c.number] != r.version {
			fail("%s: write %d was acknowledged as version %d; the log has %d (0: nothing)", c.user,
				c.number, r.version, applied[c.number])
		}
	}
	for _, r := range log {
		if !sent[r.number] && !h.refused[r.number] {
			fail("%s: version %d is write %d, which nobody sent", r.user, r.version, r.number)
		}
	}
	return applied, err
}

// TestChaosOracle: what is wrong with a history or its log is found.
func TestChaosOracle(t *testing.T) {
	t.Parallel()
	write := func(number int, expect int64) chaosCall {
		op := "compare-and-set"
		if expect < 0 {
			op = "replace"
		}
		return chaosCall{user: "ann", op: op, number: number, expect: expect}
	}
	read := chaosCall{user: "ann", op: "read"}
	one := chaosRow{"ann", 1, 1}
	for name, test := range map[string]struct {
		call   chaosCall // after an acknowledged replacement, number 1
		result chaosResult
		log    []chaosRow
		right  bool
	}{
		"read":                {read, chaosResult{version: 1, number: 1}, []chaosRow{one}, true},
		"stale read":          {read, chaosResult{}, []chaosRow{one}, false},
		"nothing in the log":  {read, chaosResult{version: 1, number: 1}, nil, false},
		"gap":                 {write(2, -1), chaosResult{version: 3}, []chaosRow{one, {"ann", 3, 2}}, false},
		"twice":               {write(2, -1), chaosResult{version: 2}, []chaosRow{one, {"ann", 2, 2}, {"ann", 3, 2}}, false},
		"unknown and applied": {write(2, 1), chaosResult{unknown: true}, []chaosRow{one, {"ann", 2, 2}}, true},
		"unknown, never":      {write(2, 1), chaosResult{unknown: true}, []chaosRow{one}, true},
		"refused":             {write(2, 0), chaosResult{refused: true}, []chaosRow{one}, true},
		"refused in vain":     {write(2, 1), chaosResult{refused: true}, []chaosRow{one}, false},
		"refused and applied": {write(2, 0), chaosResult{refused: true}, []chaosRow{one, {"ann", 2, 2}}, false},
		"deleted":             {chaosCall{user: "ann", op: "delete", number: 2, expect: 1}, chaosResult{version: 2}, []chaosRow{one, {"ann", 2, 2}}, true},
		"never sent":          {read, chaosResult{version: 1, number: 1}, []chaosRow{one, {"ann", 2, 9}}, false},
	} {
		h := newHistory()
		h.add(0, time.Now(), write(1, -1), chaosResult{version: 1})
		h.add(0, time.Now(), test.call, test.result)
		if err := h.judge(test.log); (err == nil) != test.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package batch

import "time"

// What waits is shared between principals by deficit round robin (Shreedhar and Varghese,
// "Efficient Fair Queueing using Deficit Round Robin", 1995): they take turns, and each turn is
// worth the same computing time. Who asks for much waits for themselves, and not for others.
const (
	// turn is what a principal may use each time it is their turn. Most calls cost less.
	turn = 250 * time.Microsecond
	// maxDebt bounds what a principal may owe. Who was alone for long, and so took all there was,
	// has no more than this to make up for when others come.
	maxDebt = 50 * time.Millisecond
	// leastExcess is the first guess of what calls cost beyond what was expected.
	leastExcess = 20 * time.Microsecond
)

// flow is what waits of one principal, and the account that is kept of them.
type flow[C, R any] struct {
	principal uint64
	calls     []*call[C, R] // in order of arrival
	held      int           // calls that wait for others of their key, and are not among these
	size      Size          // of what waits
	underWay  int           // calls that were taken and have not ended
	inTurns   bool          // it is among waiting.turns
	begun     bool          // it has got what its present turn is worth
	bulk      int           // batches that hold a lane and are mostly theirs (bulk.go)
	dear      int           // those of them that are dear
	credit    time.Duration // what it may use; negative: what it owes
	// excess is by how much its calls cost more than Options.Of said, lately and in the median.
	excess time.Duration
}

// charge settles a call that has ended.
func (f *flow[C, R]) charge(p *fare[C, R]) {
	f.underWay--
	took := p.took
	if took == 0 {
		took = p.expected
	}
	f.credit = max(f.credit-(took-p.paid), -maxDebt)
	f.learn(took - p.expected)
}

// learn moves the excess a step towards what a call cost. Of an average a single call whose thread
// had to wait for a processor would make hundreds of others seem dear.
func (f *flow[C, R]) learn(excess time.Duration) {
	if excess > f.excess {
		f.excess = min(max(f.excess+f.excess/4, leastExcess), maxDebt)
	} else if f.excess -= f.excess / 5; f.excess < leastExcess/2 {
		f.excess = 0
	}
}

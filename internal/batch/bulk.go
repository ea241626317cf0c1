package batch

import (
	"slices"
	"time"
)

// A batch is bulk if it is mostly one principal's and costs more than their turn is worth. Others
// who have something to carry meanwhile are guests. They do not wait until bulk has ended: they may
// open a spare lane beside it, and their batches have nothing of whose bulk is under way. So a few
// cheap calls neither wait behind many dear ones nor travel with them. With nobody else there is no
// guest, and one principal has all lanes.
//
// Bulk is dear if its calls cost more than a turn each, in the mean. One principal's may have fewer
// lanes while others are there, whose batches share the processors with all that runs beside them.
// What consists of cheap calls has all lanes, since it mostly waits for the disk and the network.
const (
	bulkCost = turn
	// companyLasts is for how long a principal is not alone after somebody else has come. One who
	// asks for little is seldom seen waiting, and still waits for the batch before.
	companyLasts = time.Second
)

// bulkOf returns the principal whose a batch mostly is, or nil, and whether it is dear. Whoever has
// more than half of it is the one who is left where everybody's cost is weighed against that of
// others (Boyer and Moore, "MJRTY", 1981).
func bulkOf[C, R any](seats []seat[C, R]) (most *flow[C, R], dear bool) {
	var weight, own, all time.Duration
	for i := range seats {
		switch s := &seats[i].fare; {
		case s.flow == most:
			weight += s.paid
		case s.paid > weight:
			most, weight = s.flow, s.paid-weight
		default:
			weight -= s.paid
		}
	}
	calls := 0
	for i := range seats {
		s := &seats[i].fare
		if all += s.paid; s.flow == most {
			own += s.paid
			calls++
		}
	}
	if own <= bulkCost || own <= all/2 {
		return nil, false
	}
	return most, own > time.Duration(calls)*turn
}

// alone tells whether nobody has come lately but one principal.
func (w *waiting[C, R]) alone(now time.Time) bool { return now.Sub(w.company) > companyLasts }

// guests is how many calls wait of principals who have no bulk under way, while others have.
func (w *waiting[C, R]) guests() int {
	if len(w.bulky) == 0 {
		return 0
	}
	calls := w.calls
	for _, f := range w.bulky {
		calls -= len(f.calls)
	}
	return calls
}

// beginBulk notes that a batch takes a lane which is mostly this principal's, if any's.
func (w *waiting[C, R]) beginBulk(f *flow[C, R], dear bool) {
	if f == nil {
		return
	}
	if dear {
		f.dear++
	}
	if f.bulk++; f.bulk == 1 {
		w.bulky = append(w.bulky, f)
	}
}

// endBulk notes that it holds its lane no more.
func (w *waiting[C, R]) endBulk(f *flow[C, R], dear bool) {
	if f == nil {
		return
	}
	if dear {
		f.dear--
	}
	if f.bulk--; f.bulk == 0 {
		w.bulky = slices.DeleteFunc(w.bulky, func(g *flow[C, R]) bool { return g == f })
	}
}

// full tells whether a principal's dear bulk has all lanes that it may have while others are there.
func (w *waiting[C, R]) full(f *flow[C, R], now time.Time) bool {
	return w.mostDear > 0 && f.dear >= w.mostDear && !w.alone(now)
}

// blocked tells whether all that waits is of principals who have all lanes that they may have.
func (w *waiting[C, R]) blocked() bool {
	if w.mostDear == 0 || len(w.bulky) == 0 {
		return false // without asking for the time: each call comes by here
	}
	now, calls := time.Now(), w.calls
	for _, f := range w.bulky {
		if w.full(f, now) {
			calls -= len(f.calls)
		}
	}
	return calls == 0
}

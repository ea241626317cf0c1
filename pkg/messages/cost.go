package messages

import "time"

// What operations cost, roughly: processor time of API and worker together, measured on two cores
// of an AMD EPYC with documents of 400 bytes and of 64 KB. It is for sharing: who asks for what
// turns out to cost more pays for that with [Result.Cost].
const (
	tripCost  = 20 * time.Microsecond // of any operation, in a batch of dozens
	byteCost  = 10 * time.Nanosecond  // of a document's bytes: checked, stored, sent
	patchCost = 50 * time.Nanosecond  // of the bytes of a change that is computed
	// tellsCost is from when on an operation's own computing time is told: a patch of a usual
	// document takes less, also on a busy machine.
	tellsCost = 200 * time.Microsecond
)

// FetchCost is about how much it takes to fetch a document of so many bytes, of which the result may
// have little.
func FetchCost(bytes int) time.Duration { return time.Duration(bytes) * byteCost }

// Cost is about how much processor time the operation will take.
func (o *Operation) Cost() time.Duration {
	perByte := byteCost
	switch o.Action {
	case ActionMergePatch, ActionJSONPatch, ActionSetValue:
		perByte = patchCost
	}
	return tripCost + time.Duration(len(o.Document))*perByte
}

// Cost is how much processor time the operation has taken as far as can be told, and zero where it
// can't be: then it was about as much as [Operation.Cost] says.
func (r *Result) Cost() time.Duration {
	size := len(r.Document)
	for i := range r.Users {
		size += len(r.Users[i].Document)
	}
	cost := time.Duration(r.Took)*time.Microsecond + time.Duration(size)*byteCost
	if cost < tellsCost {
		return 0
	}
	return tripCost + cost
}

// SetTook notes how long a worker has computed for the operation.
func (r *Result) SetTook(d time.Duration) {
	if d >= tellsCost {
		r.Took = d.Microseconds()
	}
}

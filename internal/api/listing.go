package api

import (
	"github.com/outset-settings/outset/pkg/messages"
)

// A listing goes through all users in parts. Each part is a read of its own with its own deadline,
// so the whole may take any time, and no worker is occupied for long.

// nextPart has one part of a listing done, and moves o.List on to the next part. The part has the
// time of a whole request, however long this one has been going on already. The error is a problem;
// o is as it was then.
func (s *Server) nextPart(o *messages.Operation) (messages.Result, error) {
	part := *o
	part.Deadline = s.queue.Deadline(s.config.RequestTimeout)
	r := s.queue.Part(&part)
	if r.Kind != "" {
		return r, problem{kind: r.Kind, detail: r.Detail}
	}
	list := *o.List // a worker may still read what was sent
	list.After = r.Next
	o.List = &list
	return r, nil
}

// eachPart has one part of a listing done after the other, from o.List.After on, and hands each to
// use. It ends with the last part, with an error of use, with a part that fails, or before the next
// part when the API stops. After a part that failed it can be called again with the same o.
func (s *Server) eachPart(o *messages.Operation, use func(*messages.Result) error) error {
	for {
		after := o.List.After
		r, err := s.nextPart(o)
		if err != nil {
			return err
		}
		if err := use(&r); err != nil || r.Next == "" {
			return err
		}
		switch {
		case r.Next <= after: // or it would never end
			return problem{kind: messages.KindInternal, detail: "a listing doesn't advance"}
		case s.stopping.Load():
			return problem{kind: messages.KindUnavailable, detail: "the API is stopping"}
		}
	}
}

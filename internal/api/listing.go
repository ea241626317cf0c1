package api

import (
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// A listing goes through all users in parts: each is a read of its own, with its own deadline, so
// that the whole may take as long as it takes and no worker is kept for long.

// part has one part of a listing done, however long the request has been going on already. Its
// error is a problem.
func (s *Server) part(o messages.Operation) (messages.Result, error) {
	o.Deadline = time.Now().Add(s.config.RequestTimeout).UnixMilli()
	r := s.queue.Part(&o)
	if r.Kind != "" {
		return r, problem{kind: r.Kind, detail: r.Detail}
	}
	return r, nil
}

// eachPart has one part after the other done, from o.List.After on, and hands each to use. It ends
// with the last part, with an error of use, with a part that fails, or before the next part when
// the API stops.
func (s *Server) eachPart(o messages.Operation, use func(*messages.Result) error) error {
	for {
		r, err := s.part(o)
		if err != nil {
			return err
		}
		if err := use(&r); err != nil || r.Next == "" {
			return err
		}
		switch {
		case r.Next <= o.List.After: // or it would never end
			return problem{kind: messages.KindInternal, detail: "a listing doesn't get on"}
		case s.stopping.Load():
			return problem{kind: messages.KindUnavailable, detail: "the API is stopping"}
		}
		list := *o.List // what was sent stays as it was
		list.After = r.Next
		o.List = &list
	}
}

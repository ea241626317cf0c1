package api

import (
	"errors"
	"net"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

const (
	mimeEvents        = "text/event-stream" // HTML, section 9.2
	headerLastEventID = "Last-Event-ID"
)

// getEvents sends the user's changes until the client leaves. The state is read here, so that a
// failure is an ordinary answer. Then internal/watch takes the connection over.
func (s *Server) getEvents(c *fiber.Ctx) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	documents, err := includesSettings(c)
	if err != nil {
		return err
	}
	if s.stopping.Load() {
		return watchProblem(watch.ErrClosed)
	}
	leave, err := s.takePlace(c, s.watching, "streams")
	if err == nil {
		leave, err = s.watch(c, leave)
	}
	if err != nil {
		return err
	}
	// When Join returns NATS has the subscription, so no change is missed after the state is read.
	w, err := s.hub.Join(c.Context().Conn(), user, documents)
	if err != nil {
		leave()
		return watchProblem(err)
	}
	s.bound(c, w, leave)
	o := messages.Operation{Action: messages.ActionReadNumber, User: user}
	if documents {
		o.Action = messages.ActionRead
	}
	r, err := s.fetch(c, o)
	if err != nil {
		w.Leave()
		return err
	}
	lastEventID := c.Get(headerLastEventID)
	handOver(c, w.Leave, func(head []byte) { w.Start(head, &r, lastEventID) })
	return nil
}

// handOver has start take over the connection, with the head of the response; or leave, if only the
// head is wanted.
func handOver(c *fiber.Ctx, leave func(), start func(head []byte)) {
	c.Context().SetContentType(mimeEvents)
	dontBuffer(c)
	if c.Method() == fiber.MethodHead {
		leave()
		return
	}
	head := headUntilEnd(c)
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(net.Conn) { start(head) })
}

// watchProblem returns the problem for an error of internal/watch.
func watchProblem(err error) error {
	if p, ok := readProblem(err); ok {
		return p
	}
	kind := messages.KindUnavailable
	if errors.Is(err, watch.ErrTooMany) {
		kind = messages.KindOverloaded
	}
	return problem{kind: kind, detail: err.Error()}
}

// watch takes one of the MAX_WATCHERS places. leave gives back what the sender has taken before;
// the function returned gives back both. The error is a problem.
func (s *Server) watch(c *fiber.Ctx, leave func()) (func(), error) {
	r := room{of: s.watchers, who: s.sharer(c)}
	if !r.take(1) {
		leave()
		return nil, watchProblem(watch.ErrTooMany)
	}
	return func() {
		leave()
		r.release()
	}, nil
}

// bound has a stream give its place back when it ends, and end when its token does.
func (s *Server) bound(c *fiber.Ctx, stream interface {
	OnLeave(func())
	While(func() bool)
}, leave func(),
) {
	stream.OnLeave(leave)
	if s.auth != nil {
		valid := s.validity(c)
		stream.While(func() bool { return valid() == nil })
	}
}

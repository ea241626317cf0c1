package api

import (
	"errors"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

const (
	afterParameter = "after"
	afterNow       = "now" // from now on
)

// getUsersEvents sends the changes of all users until the client leaves: first those since the
// position that it has, or all users. The first part is read here, so that a failure is an ordinary
// answer. Then internal/watch takes the connection over.
func (s *Server) getUsersEvents(c *fiber.Ctx) error {
	options, err := followOptions(c)
	if err != nil {
		return err
	}
	if s.stopping.Load() {
		return watchProblem(watch.ErrClosed)
	}
	leave, ok := s.following.TakeToken(identityOf(c))
	if leave, err = s.placeTaken(c, leave, ok, "streams",
		"the token has as many streams as one may"); err == nil {
		leave, err = s.watch(c, leave)
	}
	if err != nil {
		return err
	}
	w, err := s.feed.Join(c.Context().Conn(), options)
	if err != nil {
		leave()
		return watchProblem(err)
	}
	s.bound(c, w, leave)
	handOver(c, w.Leave, w.Start)
	return nil
}

// followOptions returns what the client asks for. The last event that it has had counts more than
// the address, which a browser's EventSource uses again.
func followOptions(c *fiber.Ctx) (options watch.FollowOptions, err error) {
	if options.Documents, err = includesSettings(c); err != nil {
		return options, err
	}
	after := c.Get(headerLastEventID, c.Query(afterParameter))
	switch after {
	case "":
	case afterNow:
		options.Now = true
	default:
		at, err := messages.ParsePosition(after)
		if err != nil {
			return options, problem{
				kind: messages.KindMalformed, // whether the header or the parameter has it
				detail: fmt.Sprintf("%.40q is neither the id of an event of this stream nor now",
					after),
			}
		}
		options.After = &at
	}
	return options, nil
}

// readProblem returns the problem for a read of internal/watch that failed.
func readProblem(err error) (p problem, ok bool) {
	var failed watch.ReadError
	if !errors.As(err, &failed) {
		return problem{}, false
	}
	return problem{kind: failed.Kind, detail: failed.Detail}, true
}

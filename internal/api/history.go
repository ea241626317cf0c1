package api

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// How many versions one answer has, by default and at most.
const (
	pageSize    = 20
	maxPageSize = 100
)

// historyVersion is a version in the answer of getHistory.
type historyVersion struct {
	Version   int64      `json:"version"`
	ETag      string     `json:"etag"`
	Time      time.Time  `json:"time"`
	Operation string     `json:"operation"`
	Restored  int64      `json:"restored,omitempty"`
	Size      int64      `json:"size"` // bytes of the document; 0: it was deleted
	By        *actorJSON `json:"by,omitempty"`
	Dropped   bool       `json:"dropped,omitempty"` // the document can't be read any more
}

// getHistory lists the versions of the user's document, the newest first.
func (s *Server) getHistory(c *fiber.Ctx) error {
	limit, err := numberOf("limit", c.Query("limit"), pageSize, maxPageSize)
	if err != nil {
		return err
	}
	before, err := numberOf("before", c.Query("before"), 0, math.MaxInt64)
	if err != nil {
		return err
	}
	user, err := userOf(c)
	if err != nil {
		return err
	}
	// One more than wanted shows whether there are more.
	r, err := s.fetch(c, messages.Operation{
		Action: messages.ActionHistory, User: user, Version: before, Limit: int(limit) + 1,
	})
	if err != nil {
		return err
	}
	answer := struct {
		Versions []historyVersion `json:"versions"`
		Next     string           `json:"next,omitempty"`
	}{Versions: []historyVersion{}}
	for i, e := range r.Entries {
		if i == int(limit) {
			answer.Next = fmt.Sprintf("?before=%d&limit=%d", r.Entries[i-1].Version, limit)
			linkNext(c, answer.Next)
			break
		}
		answer.Versions = append(answer.Versions, historyVersion{
			e.Version, quoted(messages.Tag{Version: e.Version, Modified: e.Time}),
			time.UnixMicro(e.Time).UTC(), e.Action, e.Restored, e.Size,
			actorFor(identityOf(c), e.Actor), e.Dropped,
		})
	}
	return c.JSON(answer)
}

// getVersion answers with the user's document as it was at a version.
func (s *Server) getVersion(c *fiber.Ctx) error {
	version, err := numberOf("the version", c.Params("version"), 0, math.MaxInt64)
	if err != nil {
		return err
	}
	return s.read(c, messages.Operation{Action: messages.ActionReadVersion, Version: version})
}

// restoreVersion writes the document of an earlier version as a new one.
func (s *Server) restoreVersion(c *fiber.Ctx) error {
	version, err := numberOf("the version", c.Params("version"), 0, math.MaxInt64)
	if err != nil {
		return err
	}
	// The request has no body, so a browser sends it for any page without a preflight request.
	if err := s.sameOrigin(c); err != nil {
		return err
	}
	if err := takeNothing(c); err != nil {
		return err
	}
	return s.write(c, messages.Operation{Action: messages.ActionRestore, Version: version},
		sendDocument)
}

// numberOf parses a number from 1 to most. It returns ifNone for an empty text.
func numberOf(name, text string, ifNone, most int64) (int64, error) {
	if text == "" {
		return ifNone, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, problem{
			kind:   messages.KindMalformed,
			detail: fmt.Sprintf("%s must be a whole number from 1 to %d", name, most),
		}
	}
	return n, nil
}

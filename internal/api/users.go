package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// usersPage is how many users one answer has by default. At most it has messages.MaxUsers.
const usersPage = 100

// The parameters of a listing.
const (
	includeParameter = "include"
	sinceParameter   = "updated_since"
	withSettings     = "settings"
)

// getUsers lists the users who have a document, in the order of their ids; with updated_since also
// those who have none any more.
func (s *Server) getUsers(c *fiber.Ctx) error {
	list, err := listingOf(c)
	if err != nil {
		return err
	}
	p, err := s.readPage(messages.Operation{
		Action: messages.ActionListUsers, RequestID: requestID(c), Principal: s.share(c),
		Trace: s.trace(c), List: &list,
	}, s.config.RequestTimeout/2)
	if err != nil {
		return err
	}
	body := []byte(`{"users":[`)
	for i := range p.users {
		if i > 0 {
			body = append(body, ',')
		}
		if body, err = appendUser(body, &p.users[i], list.Documents); err != nil {
			return err
		}
	}
	body = append(body, ']')
	if p.next != "" {
		next := nextUsers(c, p.next, list.Limit)
		linkNext(c, next)
		body = append(append(append(body, `,"next":"`...), next...), '"')
	}
	if p.partial != "" {
		body = append(append(append(body, `,"partial":"`...), p.partial...), '"')
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(append(body, '}'))
	return nil
}

// listingOf returns the listing that the parameters ask for.
func listingOf(c *fiber.Ctx) (list messages.Listing, err error) {
	limit, err := numberOf("limit", c.Query("limit"), usersPage, messages.MaxUsers)
	if err != nil {
		return list, err
	}
	list.Limit = int(limit)
	if list.After, err = cursorID(c.Query("after")); err != nil {
		return list, err
	}
	if list.Since, err = sinceOf(c); err != nil {
		return list, err
	}
	list.Documents, err = includesSettings(c)
	return list, err
}

// includesSettings tells whether the client asks for documents.
func includesSettings(c *fiber.Ctx) (bool, error) {
	switch c.Query(includeParameter) {
	case "":
		return false, nil
	case withSettings:
		return true, nil
	default:
		return false, problem{kind: messages.KindMalformed, detail: `include must be "settings"`}
	}
}

// sinceOf returns the time of the earliest change that the client asks for, in microseconds since
// 1970, or zero for all.
func sinceOf(c *fiber.Ctx) (int64, error) {
	text := c.Query(sinceParameter)
	if text == "" {
		return 0, nil
	}
	t, err := timeIn(sinceParameter, text)
	if err != nil {
		return 0, problem{
			kind:   messages.KindMalformed,
			detail: err.Error() + "; a + in it must be percent-encoded",
		}
	}
	return max(t.UnixMicro(), 0), nil
}

// timeIn reads the time that a client has sent as the parameter or member of this name.
func timeIn(name, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s must be a time (RFC 3339) like 2026-11-23T15:04:05Z", name)
	}
	return t, nil
}

// cursorVersion is the first byte of a cursor. Cursors are opaque to clients, so their format may
// change, and then so does this.
const cursorVersion = 1

// cursorOf returns the cursor that continues after a user.
func cursorOf(id string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{cursorVersion}, id...))
}

// cursorID returns the user after whom a cursor continues; "" is before all users.
func cursorID(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(data) == 0 || cursorOf(string(data[1:])) != cursor ||
		messages.CheckUser(string(data[1:])) != nil {
		return "", problem{
			kind:   messages.KindMalformed,
			detail: "after is not a valid cursor; use the whole address in next",
		}
	}
	return string(data[1:]), nil
}

// nextUsers returns the query of the next page: the same parameters, but after this user.
func nextUsers(c *fiber.Ctx, after string, limit int) string {
	next := fmt.Sprintf("?after=%s&limit=%d", cursorOf(after), limit)
	for _, name := range []string{includeParameter, sinceParameter} {
		if value := c.Query(name); value != "" {
			next += "&" + name + "=" + url.QueryEscape(value)
		}
	}
	return next
}

// appendUser appends a user as JSON. If whole is true, the last member is the document, byte for
// byte, unless there is none any more.
func appendUser(b []byte, u *messages.User, whole bool) ([]byte, error) {
	b, err := jsontext.AppendQuote(append(b, `{"user":`...), u.ID)
	if err != nil {
		return nil, fmt.Errorf("quoting the user id: %w", err)
	}
	b = strconv.AppendInt(append(b, `,"version":`...), u.Version, 10)
	tag := messages.Tag{Version: u.Version, Modified: u.Modified}
	b = tag.Append(append(b, `,"etag":"\"`...))
	b = time.UnixMicro(u.Modified).UTC().AppendFormat(append(b, `\"","time":"`...), time.RFC3339Nano)
	b = append(b, '"')
	if u.Absent {
		b = append(b, `,"deleted":true`...)
	}
	if u.Erased != 0 {
		b = strconv.AppendInt(append(b, `,"erasedVersion":`...), u.Erased, 10)
	}
	if whole && !u.Absent {
		b = append(append(b, `,"settings":`...), u.Document...)
	}
	return append(b, '}'), nil
}

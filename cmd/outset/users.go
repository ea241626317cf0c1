package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/outset-settings/outset/client"
)

// users lists users.
type users struct {
	remote
	Include bool   `help:"print the settings as well"`
	Since   moment `name:"updated-since" placeholder:"TIME" help:"only users whose settings have changed since then, also by a deletion: 2026-11-24T18:00:00Z, 2026-11-24, or 24h for a day ago"`
	Limit   int    `placeholder:"N" help:"list only the first N users; 0 lists all"`
}

// Help has examples.
func (users) Help() string {
	return `Users are listed in the order of their ids. With --updated-since those whose settings were deleted,
or who were erased, are listed as well.

	outset users
	outset users --updated-since 24h --include --json
`
}

// userRow is a user as JSON.
type userRow struct {
	User     string          `json:"user"`
	Version  int64           `json:"version"`
	ETag     string          `json:"etag"`
	Time     time.Time       `json:"time"`
	Deleted  bool            `json:"deleted,omitempty"`
	Erased   int64           `json:"erasedVersion,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// Run prints the users in the order of their ids, as a table or as one line of JSON each.
func (u users) Run(ctx context.Context, stdout io.Writer) error {
	heading, row := "USER\tVERSION\tTIME", "%s\t%d\t%s%.0s"
	if u.Include {
		heading, row = heading+"\tSETTINGS", "%s\t%d\t%s\t%s"
	}
	return u.with(func(c *client.Client) error {
		t := newTable(stdout, heading)
		all := c.Users(ctx, &client.UsersOptions{Include: u.Include, UpdatedSince: u.Since.Time})
		for s, err := range first(u.Limit, all) {
			if err == nil && u.json(stdout) {
				err = printJSON(stdout, userRow{
					s.User, s.Version, s.ETag, s.Modified, s.Deleted, s.Erased, s.Document,
				})
			} else if err == nil {
				err = t.row(row, s.User, s.Version, timeOf(s), oneLine(s.Document))
			}
			if err != nil {
				return err
			}
		}
		if u.json(stdout) {
			return nil
		}
		return t.end("no users")
	})
}

// timeOf is when a user's settings were changed, for people.
func timeOf(s client.Settings) string {
	text := clock(s.Modified)
	if s.Deleted {
		text += ", deleted"
	}
	return text
}

// oneLine returns a document without white space between its values.
func oneLine(document json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, document) != nil { // none is there
		return ""
	}
	return b.String()
}

// moment is a time as people write it.
type moment struct{ time.Time }

// UnmarshalText reads a time, a day in the local time zone, or how long ago it was.
func (m *moment) UnmarshalText(text []byte) error {
	var err error
	if m.Time, err = time.Parse(time.RFC3339, string(text)); err == nil {
		return nil
	}
	if m.Time, err = time.ParseInLocation(time.DateOnly, string(text), time.Local); err == nil {
		return nil
	}
	ago, err := time.ParseDuration(string(text))
	if err != nil || ago < 0 {
		return fmt.Errorf("%q is not a time like 2026-11-24T18:00:00Z, 2026-11-24 or 24h", text)
	}
	m.Time = time.Now().Add(-ago)
	return nil
}

package clienttest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// save saves a document of each of n users, "u000" and so on. Every seventh has line breaks and
// white space around it.
func save(t *testing.T, c *client.Client, n int) map[string]string {
	t.Helper()
	documents := make(map[string]string)
	var operations []client.Operation
	for i := range n {
		user := fmt.Sprintf("u%03d", i)
		documents[user] = fmt.Sprintf(`{"n":%d}`, i)
		if i%7 == 3 {
			documents[user] = fmt.Sprintf(" {\r\n\"n\" : %d.0}\t", i)
			if _, err := c.Put(t.Context(), user, raw(documents[user])); err != nil {
				t.Fatal(err)
			}
			continue // a Batch takes the white space off
		}
		operations = append(operations, client.OpPut(user, raw(documents[user])))
	}
	if _, err := c.Batch(t.Context(), operations...); err != nil {
		t.Fatal(err)
	}
	return documents
}

// form is how a document comes with its user.
type form int

const (
	absent  form = iota
	trimmed      // without white space around it
	exact
)

// check compares a user with what was saved.
func check(t *testing.T, want map[string]string, f form, got client.Settings, err error) {
	t.Helper()
	document := want[got.User]
	switch f {
	case absent:
		document = ""
	case trimmed:
		document = strings.TrimSpace(document)
	}
	if err != nil || string(got.Document) != document || got.Version != 1 || !strings.HasPrefix(got.ETag, `"1-`) ||
		time.Since(got.Modified) > time.Hour {
		t.Fatalf("%+v (%s), %v; want %q", got, got.Document, err, document)
	}
}

// TestAllUsers reads all users of a system that no other test uses: by Users and by Export.
func TestAllUsers(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSystem(t).base)
	for s, err := range c.Users(t.Context(), nil) {
		t.Error("there is a user", s, err)
	}
	var empty bytes.Buffer
	if users, err := c.ExportTo(t.Context(), &empty); users != 0 || err != nil ||
		empty.String() != `{"end":true,"users":0}`+"\n" {
		t.Errorf("%d users, %v: %s", users, err, &empty)
	}
	want := save(t, c, 40)
	if _, err := c.Put(t.Context(), "deleted", raw(`{}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	t.Run("Users", func(t *testing.T) { testUsers(t, c, want) })
	t.Run("Export", func(t *testing.T) { testExport(t, c, want) })
}

// testUsers: pages of every size give all users in order, with and without their documents.
func testUsers(t *testing.T, c *client.Client, want map[string]string) {
	for _, options := range []*client.UsersOptions{
		nil,
		{Include: true},
		{PageSize: 7},
		{PageSize: 40, Include: true},
		{UpdatedSince: time.Now().Add(-time.Hour), PageSize: 11},
	} {
		var users []string
		f := absent
		if options != nil && options.Include {
			f = trimmed
		}
		for s, err := range c.Users(t.Context(), options) {
			if s.Deleted && s.User == "deleted" && !options.UpdatedSince.IsZero() {
				continue
			}
			check(t, want, f, s, err)
			users = append(users, s.User)
		}
		if len(users) != len(want) || !slices.IsSorted(users) {
			t.Errorf("%+v: %q", options, users)
		}
	}
	for s, err := range c.Users(
		t.Context(), &client.UsersOptions{UpdatedSince: time.Now().Add(time.Hour)},
	) {
		t.Error("of the future:", s, err)
	}
	n := 0
	for _, err := range c.Users(t.Context(), &client.UsersOptions{PageSize: 5}) {
		if n++; n == 7 || err != nil {
			break
		}
	}
	if n != 7 {
		t.Errorf("it ended after %d", n)
	}
	if err := lastError(c.Users(t.Context(), &client.UsersOptions{PageSize: 501})); err == nil ||
		!strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lastError(c.Users(ctx, nil)); err == nil {
		t.Error("it went on")
	}
}

// TestUsersGone: users who are gone since a time are listed with it, and marked.
func TestUsersGone(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSystem(t).base)
	save(t, c, 3)
	if _, err := c.Delete(t.Context(), "u001"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Erase(t.Context(), "u002"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for s, err := range c.Users(t.Context(), &client.UsersOptions{
		Include: true, UpdatedSince: time.Now().Add(-time.Hour),
	}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d %t %d %s", s.User, s.Version, s.Deleted, s.Erased,
			s.Document))
	}
	want := []string{`u000 1 false 0 {"n":0}`, "u001 2 true 0 ", "u002 2 true 2 "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// testExport: both ways give all users, byte for byte.
func testExport(t *testing.T, c *client.Client, want map[string]string) {
	n := 0
	for s, err := range c.Export(t.Context()) {
		check(t, want, exact, s, err)
		n++
	}
	if n != len(want) {
		t.Errorf("%d users", n)
	}
	var b bytes.Buffer
	users, err := c.ExportTo(t.Context(), &b)
	if users != int64(len(want)) || err != nil ||
		!strings.HasSuffix(b.String(), "\n"+`{"end":true,"users":40}`+"\n") {
		t.Errorf("%d users, %v: %s", users, err, &b)
	}
}

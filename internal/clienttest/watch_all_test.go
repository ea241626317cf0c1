package clienttest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestWatchAll: a copy becomes equal whichever connections are lost meanwhile, and learns who is
// gone.
func TestWatchAll(t *testing.T) {
	t.Parallel()
	system := newSystem(t)
	base, _ := startProxyTo(t, system.base, 1000, func(w http.ResponseWriter,
		r *http.Request, forward http.Handler,
	) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		forward.ServeHTTP(&shortLived{ResponseWriter: w, left: 8, cut: cancel}, r.WithContext(ctx))
	})
	c, direct := newClient(t, base, quick), newClient(t, system.base)
	want := save(t, direct, 30)
	users := make(map[string]string)
	const last = "u029"
	begun := false
	for change, err := range c.WatchAll(t.Context(), &client.WatchAllOptions{Include: true}) {
		if err != nil {
			t.Fatal(err)
		}
		switch change.Kind {
		case client.Reset:
			clear(users)
		case client.CaughtUp:
			if begun {
				continue
			}
			begun = true
			for _, write := range []func() (client.Settings, error){
				func() (client.Settings, error) { return direct.Delete(t.Context(), "u001") },
				func() (client.Settings, error) { return direct.Erase(t.Context(), "u002") },
				func() (client.Settings, error) { return direct.Put(t.Context(), "new", raw(`{"n":1}`)) },
				func() (client.Settings, error) { return direct.Put(t.Context(), last, raw(`{"l":1}`)) },
			} {
				if _, err := write(); err != nil {
					t.Fatal(err)
				}
			}
		case client.Changed:
			if change.Cursor == "" || change.Time.IsZero() {
				t.Errorf("%+v", change)
			}
			if users[change.User] = string(change.Settings); change.Deleted {
				delete(users, change.User)
			}
		}
		if users[last] == `{"l":1}` {
			break
		}
	}
	delete(want, "u001")
	delete(want, "u002")
	want["new"], want[last] = `{"n":1}`, `{"l":1}`
	for user, document := range want {
		flat := strings.NewReplacer("\r\n", "\n")
		if strings.TrimSpace(flat.Replace(users[user])) != strings.TrimSpace(flat.Replace(document)) {
			t.Errorf("%s has %q, want %q", user, users[user], document)
		}
		delete(users, user)
	}
	if len(users) != 0 {
		t.Errorf("and there are %v", users)
	}
}

// TestWatchAllResumes: it goes on after the last event that it was told of, and after "resume" it
// connects again.
func TestWatchAllResumes(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		var lastIDs []string
		changed := func(id, user string) string {
			return fmt.Sprintf("event: changed\nid: %s\ndata: {\"user\":%q,\"version\":1}\n\n", id, user)
		}
		c := eventServer(t, func(n int, lastID string, say func(string)) (stay bool) {
			lastIDs = append(lastIDs, lastID)
			switch n {
			case 1:
				say("event: reset\ndata: {}\n\n" + changed("x1", "a"))
			case 2:
				say(changed("x2", "b") + "event: resume\nid: x2\ndata: {}\n\n" + changed("no", "no"))
				return true
			case 3:
				say("event: reset\ndata: {}\n\n")
			case 4:
				say("event: caught-up\nid: x4\ndata: {}\n\n")
				return true
			}
			return false
		}, quick)
		var got []string
		options := &client.WatchAllOptions{After: "x0"}
		for change, err := range c.WatchAll(t.Context(), options) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(change.Kind)+" "+change.User+" "+change.Cursor)
			if change.Kind == client.CaughtUp {
				break
			}
		}
		if fmt.Sprintf("%q", got) !=
			`["reset  " "changed a x1" "changed b x2" "reset  " "caught-up  x4"]` ||
			fmt.Sprintf("%q", lastIDs) != `["x0" "x1" "x2" ""]` {
			t.Errorf("got %q, asked for those after %q", got, lastIDs)
		}
	})
}

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// TestStreamsOfOneUser: a user who has all their streams gets no more, and others don't notice.
func TestStreamsOfOneUser(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.EventsHeartbeat = 100 * time.Millisecond })
	s.startSource()
	ann := s.user("ann")
	var streams []*stream
	for range 256 {
		streams = append(streams, s.watch(t, "/user/ann/events", ann))
	}
	for _, st := range streams {
		if st.answer.status != http.StatusOK {
			t.Fatalf("%+v", st.answer)
		}
	}
	a := s.do("GET", "/user/ann/events", "", ann)
	failed(t, a, http.StatusTooManyRequests, "rate-limited")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := s.do("HEAD", "/user/bob/events", "", s.user("bob")); a.status != http.StatusOK {
		t.Errorf("another user: %d", a.status)
	}
	if a := s.do("HEAD", "/user/ann/events", "", s.service("settings:read")); a.status != http.StatusOK {
		t.Errorf("a service: %d", a.status)
	}
	streams[0].stop()
	eventually(t, "one may be opened again", func() bool {
		return s.do("HEAD", "/user/ann/events", "", ann).status == http.StatusOK
	})
}

// TestBatchesOfOneUser: a user whose batches take long can't send more at a time, and others can. A
// place is given back in every case.
func TestBatchesOfOneUser(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startSource()
	ann := s.user("ann")
	batch := func(header string) answer {
		return s.do("POST", "/batch", `{"operations":[`+aGet+`]}`, isJSON, header)
	}
	begun := strings.Repeat(" ", 8<<10) // as much as is read before the handler is called
	var slow []interface{ Close() error }
	eventually(t, "all places are taken", func() bool {
		conn := s.dialRaw(t) // one more, since one that meets a batch is refused
		if _, err := fmt.Fprintf(conn, "POST /batch HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\nContent-Length: 1000000\r\n\r\n%s", isJSON, ann, begun); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
		a := batch(ann)
		if a.status == http.StatusTooManyRequests {
			failed(t, a, http.StatusTooManyRequests, "rate-limited")
		}
		return a.status == http.StatusTooManyRequests
	})
	if len(slow) < 4 {
		t.Errorf("%d batches took all places", len(slow))
	}
	for who, header := range map[string]string{
		"another user": s.user("bob"), "a service": s.service("settings:read"),
	} {
		if a := batch(header); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", who, a.status, a.body)
		}
	}
	for _, conn := range slow {
		_ = conn.Close()
	}
	eventually(t, "there are places again", func() bool { return batch(ann).status == http.StatusOK })
	for range 8 { // which would take all of them, if they gave nothing back
		for _, body := range []string{`{"operations":[` + aGet + `]}`, `{}`} {
			// the answer may come a moment before the place is free
			eventually(t, "it is taken", func() bool {
				return s.do("POST", "/batch", body, isJSON, ann).status != http.StatusTooManyRequests
			})
		}
	}
}

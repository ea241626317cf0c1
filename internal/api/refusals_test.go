package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRefusalsHaveAPace: what a client is refused beyond a second's worth is answered later, also
// where the request came with a large body; nobody else's answer is, and none that tells of the
// settings.
func TestRefusalsHaveAPace(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	config, still := apiConfig, timing
	config.TrustedProxies = []string{"127.0.0.1"}
	start := time.Now()
	var later, moved atomic.Int64
	still.Now = func() time.Time { return start.Add(time.Duration(moved.Load())) }
	still.Sleep = func(time.Duration) { later.Add(1) }
	_, s.base, _ = s.startWith(config, still, 0)
	s.startWorker()
	body := strings.Repeat(" ", 64<<10)
	refused := func(client, n int) {
		t.Helper()
		for range n {
			a := s.do("PUT", "/nothing", body, isJSON, from(client))
			if a.status != http.StatusNotFound {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
	}
	until := func(client int) (answers int) {
		t.Helper()
		for later.Store(0); later.Load() == 0; answers++ {
			refused(client, 1)
		}
		return answers
	}
	large := until(1)
	if most := later.Load(); most != 1 {
		t.Errorf("%d answers were later", most)
	}
	later.Store(0)
	refused(1, 10)
	if got := later.Load(); got != 10 {
		t.Errorf("%d of 10 refusals beyond the pace were later", got)
	}
	later.Store(0)
	refused(2, 10)
	for _, client := range []int{1, 2} {
		at := fmt.Sprintf("/user/%d/settings", client)
		for _, a := range []struct {
			answer
			want int
		}{
			{s.do("PUT", at, `{"a":1}`, isJSON, from(client)), http.StatusOK},
			{s.do("PUT", at, `{}`, isJSON, from(client), `If-Match: "7"`), http.StatusPreconditionFailed},
			{s.do("PUT", at, `[]`, isJSON, from(client)), http.StatusUnprocessableEntity},
			{s.do("GET", at+"/b", "", from(client)), http.StatusNotFound},
			{s.do("GET", at+"/a", "", from(client)), http.StatusOK},
		} {
			if a.status != a.want {
				t.Errorf("%d %s, not %d", a.status, a.body, a.want)
			}
		}
	}
	if got := later.Load(); got != 0 {
		t.Errorf("%d answers of others, or of workers, were later", got)
	}
	moved.Add(int64(2 * time.Second))
	if again := until(1); again < large-1 || again > large+1 {
		t.Errorf("%d refusals were answered at once, and %d two seconds later", large, again)
	}
}

//go:build browser

package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// window is a tab whose page has the client, as `settings`, for one user. `seen` are the documents
// that it has watched, `refused` the changes that were refused, `state` is what it says of itself.
type window struct {
	*browser
	base string // of the API
	user string
}

const clientPage = `(async () => {
	const {outset} = await import(%q + "/client.js");
	window.settings = outset({url: %q, user: %q, ...(%s)});
	window.seen = [];
	window.refused = [];
	settings.addEventListener("refused", e => refused.push(e.detail));
	(async () => { for await (const s of settings.watch()) seen.push(s); })();
	return true;
})()`

// use has the tab show a page of the API, with the client in it. options is an object in JavaScript.
func (b *browser) use(base, user, options string) *window {
	b.t.Helper()
	b.do(chromedp.Navigate(base + "/docs"))
	w := &window{b, base, user}
	w.start(options)
	return w
}

func (w *window) start(options string) {
	w.t.Helper()
	value[bool](w.browser, fmt.Sprintf(clientPage, w.base, w.base, w.user, options))
}

// another opens a tab in the same browser: of the same profile, or with options of another one.
func (b *browser) another(options ...chromedp.ContextOption) *browser {
	b.t.Helper()
	other := &browser{t: b.t}
	ctx, cancel := chromedp.NewContext(b.ctx, append(options, chromedp.WithListener(other.note))...)
	b.t.Cleanup(cancel)
	other.ctx = ctx
	return other
}

// twoWindows opens two profiles, which share nothing but the server.
func twoWindows(t *testing.T, base, user string) (a, b *window) {
	t.Helper()
	first := openBrowser(t)
	return first.use(base, user, `{}`),
		first.another(chromedp.WithNewBrowserContext()).use(base, user, `{}`)
}

// run runs statements with await.
func (w *window) run(statements string) {
	w.t.Helper()
	value[bool](w.browser, `(async () => {`+statements+`; return true })()`)
}

// until waits until an expression, which may have await in it, is true.
func (w *window) until(expression string) {
	w.t.Helper()
	const within = 5 * time.Minute // less than the browser has, so that it can say what there is
	for deadline := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		if value[bool](w.browser, `(async () => Boolean(`+expression+`))()`) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("in vain waited until %s; the page has %s", expression,
				value[string](w.browser, `settings.get().then(has => JSON.stringify(
					{has, ...settings.state, error: String(settings.state.error), refused}))`))
		}
	}
}

// offline takes the tab's network away, or gives it back, and waits until the page knows.
func (w *window) offline(offline bool) {
	w.t.Helper()
	w.network(!offline)
	w.until(fmt.Sprint("settings.state.online == ", !offline))
}

// network takes the tab's network away, or gives it back.
func (b *browser) network(on bool) {
	b.t.Helper()
	const unlimited = -1
	if _, err := chromedp.Call(b.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: !on, DownloadThroughput: unlimited, UploadThroughput: unlimited,
	}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, network.EmulateNetworkConditionsByRule,
		network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{
				Offline: !on, DownloadThroughput: unlimited, UploadThroughput: unlimited,
			}},
		}); err != nil {
		b.t.Fatal(err)
	}
}

// wrongClock sets the page's clock wrong by so many days.
func (w *window) wrongClock(days int) {
	w.t.Helper()
	w.run(fmt.Sprintf(`
		const Real = Date, now = () => Real.now() + %d * 86400e3;
		window.Date = class extends Real {
			constructor(...given) { super(...(given.length ? given : [now()])); }
			static now() { return now(); }
		}`, days))
}

// back goes back to the page that was left. The browser may have kept it, or loads it anew. One that
// was kept doesn't load, which is what chromedp.NavigateBack would wait for, for ever.
func (w *window) back() {
	w.t.Helper()
	value[int](w.browser, `(setTimeout(() => history.back()), 1)`)
	eventually(w.t, "the page that was left", func() bool {
		there, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](
			`location.href != "about:blank" && document.readyState == "complete"`))
		return err == nil && there // there is no page while it changes
	})
	if kept := value[bool](w.browser, `typeof settings != "undefined"`); !kept {
		w.start(`{}`)
	} else {
		w.t.Log("the page was kept")
	}
}

// shows waits until the page shows a document, whatever the order of its members, with nothing left
// to send.
func (w *window) shows(document string) {
	w.t.Helper()
	w.until(`await settings.get().then(is => {
		const sorted = v => v && typeof v == "object" && !Array.isArray(v) ?
			Object.keys(v).sort().map(k => [k, sorted(v[k])]) : v;
		return JSON.stringify(sorted(is)) == JSON.stringify(sorted(` + document + `));
	}) && settings.pending == 0`)
}

// versions is how many the user's history has.
func (s *system) versions(user string) int {
	s.t.Helper()
	a := s.do(http.MethodGet, "/user/"+user+"/history?limit=100", "")
	var h struct{ Versions []struct{ Version int } }
	if err := json.Unmarshal([]byte(a.body), &h); err != nil || a.status != http.StatusOK {
		s.t.Fatalf("%+v: %v", a, err)
	}
	return len(h.Versions)
}

// streams is how many streams of changes the tab has asked for.
func (b *browser) streams() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.requests {
		if strings.Contains(r, "/events") {
			n++
		}
	}
	return n
}

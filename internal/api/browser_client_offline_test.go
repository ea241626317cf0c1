//go:build browser

package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// TestBrowserClientOffline: of two windows one has no connection, both make changes, the worker
// stops meanwhile, and both clocks are wrong. Then both have what each changed, and where both
// changed the same value, what came later; and each change was made once.
func TestBrowserClientOffline(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	stop := s.startWorker()
	a, b := twoWindows(t, s.base, "42")
	a.wrongClock(+3)
	b.wrongClock(-3)
	a.run(`await settings.patch({theme: "dark", font: {size: 12}, language: "en"})`)
	b.shows(`{theme: "dark", font: {size: 12}, language: "en"}`)
	b.offline(true)
	a.run(`
		await settings.set("theme", "light");
		await settings.set("font/size", 13);
		await settings.synced()`)
	b.run(`
		await settings.set("theme", "solarized");
		await settings.set("font/family", "mono");
		await settings.set("language", undefined)`)
	b.until(`settings.pending == 3 && seen.at(-1).theme == "solarized"`)
	stop()
	b.network(true)
	a.run(`await settings.set("last", null)`)
	b.until(`settings.pending == 3`)
	s.startWorker()
	back := time.Now()
	const document = `{theme: "solarized", font: {size: 13, family: "mono"}, last: null}`
	b.until(`settings.pending == 0`)
	a.shows(document)
	b.shows(document)
	t.Logf("both show all changes %v after the worker is back", time.Since(back))
	if n := s.versions("42"); n != 1+2+3+1 {
		t.Errorf("7 changes made %d versions", n)
	}
}

// TestBrowserClientKept: what was there at the last visit is there at once, without the service, and
// so are changes that it has not acknowledged. They are made once it can be.
func TestBrowserClientKept(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	stop := s.startWorker()
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.run(`await settings.set("a", 1); await settings.synced()`)
	stop()
	w.run(`await settings.set("b", 2); await settings.set("c", {d: null})`)
	w.leave()
	w = w.use(s.base, "42", `{}`)
	w.run(`
		const is = JSON.stringify([await settings.get(), settings.pending, settings.state.persistent]);
		if (is != '[{"a":1,"b":2,"c":{"d":null}},2,true]') throw is`)
	s.startWorker()
	w.shows(`{a: 1, b: 2, c: {d: null}}`)
	s.has("42", 3, `{"a":1,"b":2,"c":{"d":null}}`)
	w.run(`await settings.forget()`)
	if kept := value[int](w.browser, databases); kept != 0 {
		t.Error("what was to be forgotten is kept")
	}
}

// TestBrowserClientStorageFull: where nothing can be kept it goes on in memory, and says so.
func TestBrowserClientStorageFull(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	stop := s.startWorker()
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base + "/docs"))
	quota := func(size *float64) {
		if _, err := chromedp.Call(b.ctx, storage.OverrideQuotaForOrigin,
			storage.OverrideQuotaForOriginParams{Origin: s.base, QuotaSize: size}); err != nil {
			t.Fatal(err)
		}
	}
	size := 400e3
	quota(&size)
	w := b.use(s.base, "42", `{}`)
	second := b.another().use(s.base, "42", `{}`)
	w.run(`await settings.set("a", 1); await settings.synced()`)
	stop()
	changes := 1
	for i, tab := range []*window{w, second} {
		changes += value[int](tab.browser, fmt.Sprintf(`(async () => {
			let n = 0;
			do {
				await settings.patch({b%[1]d: "x".repeat(20_000) + n, [%[1]d]: {[n++]: 1}}); // none makes another void
			} while (settings.state.persistent && n < 100);
			return n;
		})()`, i))
		tab.until(`!settings.state.persistent`)
	}
	s.startWorker()
	back := time.Now()
	for _, tab := range []*window{w, second} {
		tab.until(`settings.pending == 0 && (({a, b0, b1}) => a && b0 && b1)(await settings.get())`)
	}
	t.Logf("%d changes are made %v after the worker is back", changes, time.Since(back))
	quota(nil)
	w.run(`await settings.set("c", 1); await settings.synced()`)
	w.until(`settings.state.persistent`)
	if n := s.versions("42"); n != changes+1 {
		t.Errorf("%d changes made %d versions", changes+1, n)
	}
}

// TestBrowserClientConverges: whatever two windows do, and whenever they have no connection, in the
// end both have what the service has, and the last that each made of its own values.
func TestBrowserClientConverges(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	a, b := twoWindows(t, s.base, "42")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	windows := []*window{a, b}
	offline := make([]bool, len(windows))
	last := make([]int, len(windows))
	const steps = 60
	for i := range steps {
		n := random.IntN(len(windows))
		w := windows[n]
		switch random.IntN(6) {
		case 0:
			offline[n] = !offline[n]
			w.network(!offline[n])
		case 1:
			last[n] = i
			w.run(fmt.Sprintf(`await settings.set("own/%d", %d)`, n, i))
		case 2:
			w.run(fmt.Sprintf(`await settings.patch({own: {all: {"%d": %d}}})`, i, n))
		case 3:
			w.run(fmt.Sprintf(`await settings.set("shared/%d", undefined)`, random.IntN(3)))
		case 4:
			w.run(fmt.Sprintf(`await settings.set("shared/%d", {"%d": null})`, random.IntN(3), i))
		case 5:
			w.run(fmt.Sprintf(`await settings.set("shared", {x: [%d]})`, i))
		}
	}
	for n, w := range windows {
		last[n] = steps + n
		w.run(fmt.Sprintf(`await settings.set("own/%d", %d)`, n, last[n]))
		w.network(true)
	}
	back := time.Now()
	for _, w := range windows {
		w.until(`settings.pending == 0 && settings.state.online`)
	}
	t.Logf("after %d steps all changes are made %v after both have a network", steps,
		time.Since(back))
	document := s.do(http.MethodGet, "/user/42/settings", "").body
	for n, w := range windows {
		w.shows(document)
		w.until(fmt.Sprintf(`(await settings.get("own/%d")) == %d`, n, last[n]))
	}
}

//go:build browser

package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// kept is the number of changes in the only database of the client.
const kept = `new Promise((done) => {
	indexedDB.databases().then(([{name}]) => {
		const open = indexedDB.open(name);
		open.onsuccess = () => {
			const count = open.result.transaction("queue").objectStore("queue").count();
			count.onsuccess = () => { open.result.close(); done(count.result); };
		};
	});
})`

// TestBrowserClientMerges: what a slider makes without a connection is one version, beside other
// changes and in two tabs, and no more is kept of it. A change that was sent is left as it is, and
// made once.
func TestBrowserClientMerges(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	l := s.startLossy(t, &lossy{applies: true})
	w := openBrowser(t).use(l.URL, "42", `{}`)
	w.until(`settings.state.online`)
	second := w.another().use(l.URL, "42", `{}`)
	second.until(`settings.state.online`)
	l.losing.Store(true)
	w.run(`await settings.set("size", "sent")`)
	eventually(t, "the answer is lost", func() bool { return l.lost.Load() > 0 })
	const moves = `for (let n = 1; n <= 25; n++) {
		await settings.set("size", n);
		await settings.set("font/%[1]s", n);
		await settings.set("font/%[1]s", undefined);
		await settings.patch({list: [n], wide: {%[1]s: n}});
	}`
	w.run(fmt.Sprintf(moves, "a"))
	second.run(fmt.Sprintf(moves, "b"))
	// What was sent, size, and of each tab a value, its removal and its last patch.
	const document = `{size: 25, font: {}, list: [25], wide: {a: 25, b: 25}}`
	for _, tab := range []*window{w, second} {
		tab.until(`settings.pending == 1 + 1 + 2 * 3`)
		tab.until(`JSON.stringify(Object.entries(await settings.get()).sort()) ==
			JSON.stringify(Object.entries(` + document + `).sort())`)
	}
	w.until(`await ` + kept + ` == settings.pending`)
	w.leave()
	second.leave()
	l.losing.Store(false)
	w = w.use(l.URL, "42", `{}`)
	w.shows(document)
	if n := s.versions("42"); n != 8 {
		t.Errorf("they made %d versions", n)
	}
}

// TestBrowserClientQueueFull: what can't be kept for the service is refused to who makes it, and
// what takes the place of another change is not.
func TestBrowserClientQueueFull(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	for name, test := range map[string]struct {
		value string
		want  int
	}{
		"many changes": {`n`, 1000},
		"long changes": {`"x".repeat(99_900) + n`, 10},
	} {
		w := b.use(s.base, name, `{keep: false}`)
		w.run(`
			window.n = 0;
			window.made = name => settings.set(name, ` + test.value + `).then(() => "made", e => e.name);
			while ((window.last = await made("setting" + n)) == "made" && n < 2000) n++;
			window.again = [await made("setting0"), await settings.get("setting" + n) ?? "none"]`)
		if is, want := value[string](b, `[n, settings.pending, last, ...again].join()`),
			fmt.Sprintf("%d,%[1]d,QuotaExceededError,made,none", test.want); is != want {
			t.Errorf("%s: %s instead of %s", name, is, want)
		}
		w.run(`settings.close()`)
	}
}

// TestBrowserClientBurst: many changes that are made together are applied, told to other tabs and
// deleted from the database a few times each, however many there are.
func TestBrowserClientBurst(t *testing.T) {
	t.Parallel()
	const changes, each = 500, 30 // an attempt to reach the service shows and tells all of them
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	for _, values := range []int{1, changes} {
		w := b.use(s.base, strconv.Itoa(values), `{}`)
		w.until(`settings.state.error`) // so this tab leads
		w.run(`
			window.applied = window.told = window.deleted = 0;
			const {defineProperty} = Object, {postMessage} = BroadcastChannel.prototype;
			const remove = IDBObjectStore.prototype.delete;
			IDBObjectStore.prototype.delete = function (key) {
				deleted++;
				return remove.call(this, key);
			};
			Object.defineProperty = (...all) => { applied++; return defineProperty(...all); };
			BroadcastChannel.prototype.postMessage = function (message) {
				told += message.queue?.length ?? 0;
				return postMessage.call(this, message);
			};
			await Promise.all(Array.from({length: ` + strconv.Itoa(changes) + `}, (_, n) =>
				settings.set("setting" + n % ` + strconv.Itoa(values) + `, n)))`)
		for _, count := range []string{"applied", "told", "deleted"} {
			if n := value[int](b, count); n > changes*each {
				t.Errorf("of %d changes of %d values %d were %s", changes, values, n, count)
			}
		}
		w.until(`settings.pending == ` + strconv.Itoa(values))
		w.until(`Object.values(await settings.get()).includes(` + strconv.Itoa(changes-1) + `)`)
	}
}

// soon has the page's times of these lengths (ms) be short, until an expression isn't true any more.
func (b *browser) soon(while string, times ...string) {
	b.t.Helper()
	value[bool](b, `(() => {
		const timer = setTimeout, signal = AbortSignal.timeout.bind(AbortSignal);
		const ms = is => [`+strings.Join(times, ",")+`].includes(is) && `+while+` ? 50 : is;
		window.setTimeout = (what, is) => timer(what, ms(is));
		AbortSignal.timeout = is => signal(ms(is));
		return true;
	})()`)
}

// TestBrowserClientUndecided: a function conflict that never returns holds up nothing for ever: the
// change made here wins.
func TestBrowserClientUndecided(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{"theme":"dark","size":1}`)
	w := openBrowser(t).use(s.base, "42", `{conflict: ({path}) => {
		window.asked = path;
		return new Promise(() => {});
	}}`)
	w.shows(`{theme: "dark", size: 1}`)
	w.soon(`true`, "300_000")
	w.run(`window.reportError = e => { window.reported = e.message; }`)
	w.offline(true)
	w.run(`await settings.patch({theme: "mine", size: 2})`)
	s.do(http.MethodPatch, "/user/42/settings", `{"theme":"theirs","size":3,"more":true}`, isJSON)
	w.network(true)
	w.shows(`{theme: "mine", size: 2, more: true}`)
	if why := value[string](w.browser, `asked + ": " + reported`); why != "theme: The function conflict took too long" {
		t.Errorf("it reported %s", why)
	}
}

// TestBrowserClientNoToken: a function token that never returns makes an attempt fail, and is called
// for the next.
func TestBrowserClientNoToken(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base + "/docs"))
	value[int](b, `(window.calls = 0)`)
	b.soon(`calls < 2`, "30_000", "15_000")
	w := &window{b, s.base, "ann"}
	token := strings.TrimPrefix(s.user("ann"), "Authorization: Bearer ")
	w.start(`{token: () => ++calls <= 2 ? new Promise(() => {}) : "` + token + `"}`)
	w.run(`
		window.errors = [];
		settings.addEventListener("state", e => errors.push(e.detail.error?.message));
		await settings.set("a", 1);
		await settings.synced()`)
	w.shows(`{a: 1}`)
	if errors := value[string](b, `errors.join()`); !strings.Contains(errors, "The function token took too long") {
		t.Errorf("the errors were %s", errors)
	}
}

// TestBrowserClientHeldBack: where a proxy holds back the stream of changes, they show all the same.
func TestBrowserClientHeldBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	to, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			<-r.Context().Done() // the stream has no end before
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	b := openBrowser(t)
	b.do(chromedp.Navigate(proxy.URL + "/docs"))
	b.soon(`true`, "15_000")
	w := &window{b, proxy.URL, "42"}
	w.start(`{}`)
	w.shows(`{}`)
	for _, theme := range []string{"dark", "light"} {
		if a := s.do(http.MethodPut, "/user/42/settings/theme", `"`+theme+`"`, isJSON); a.status >= 300 {
			t.Fatalf("%+v", a)
		}
		w.shows(`{theme: "` + theme + `"}`)
	}
	if value[bool](b, `settings.state.online`) {
		t.Error("it takes that for a connection")
	}
	w.run(`await settings.forget()`)
}

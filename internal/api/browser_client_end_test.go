//go:build browser

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserClientClosed: nothing waits for ever for settings that are closed, and no change is
// taken that would never be sent.
func TestBrowserClientClosed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.run(`
		await settings.set("a", 1);
		const watching = (async () => { for await (const _ of settings.watch("a")); })();
		const synced = settings.synced().then(() => "synced", e => e.message);
		settings.close();
		await watching;
		window.was = [await synced, await settings.set("a", 2).then(() => "set", e => e.message),
			await settings.get("a"), settings.pending];
		const {outset} = await import("/client.js");
		const another = outset({user: "43"});
		another.close();
		was.push(await another.get("a"))`)
	if was := value[string](w.browser, `JSON.stringify(was)`); was !=
		`["The settings are closed","The settings are closed",1,1,null]` {
		t.Errorf("after it was closed: %s", was)
	}
}

// TestBrowserClientKeepsNothing: with keep: false nothing is left in the browser, and no other tab
// is concerned.
func TestBrowserClientKeepsNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	w := openBrowser(t).use(s.base, "42", `{keep: false}`)
	w.run(`await settings.set("a", 1); await settings.synced()`)
	w.until(`!settings.state.persistent`)
	if n := value[int](w.browser, databases); n != 0 {
		t.Errorf("%d databases are kept", n)
	}
	second := w.another().use(s.base, "42", `{}`)
	second.shows(`{a: 1}`)
	w.run(`await settings.forget()`)
	second.run(`await settings.set("b", 2)`)
	second.shows(`{a: 1, b: 2}`)
}

// databases is how many databases a page has.
const databases = `indexedDB.databases().then(all => all.length)`

// TestBrowserClientForgets: what one tab forgets no other one keeps, not even its name.
func TestBrowserClientForgets(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	first := openBrowser(t).use(s.base, "42", `{}`)
	first.run(`await settings.set("a", 1); await settings.synced()`)
	second := first.another().use(s.base, "42", `{}`)
	second.shows(`{a: 1}`)
	second.run(`await settings.forget()`)
	first.until(`(await settings.set("b", 2).then(() => "", e => e.message)) != ""`)
	first.until(`await ` + databases + ` == 0`)
	s.has("42", 1, `{"a":1}`)
}

// TestBrowserClientUnheard: a tab that leads after one whose messages it never had doesn't send
// again what that had sent.
func TestBrowserClientUnheard(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	first := openBrowser(t).use(s.base, "42", `{}`)
	first.until(`settings.state.online`)
	second := first.another().use(s.base, "42", `{}`)
	// It hears nothing, and the service doesn't know its keys any more, as after 24 hours.
	second.run(`
		settings.close();
		const real = window.fetch;
		window.fetch = (address, {headers, ...init}) => real(address, {...init, headers: {...headers,
			...(headers["Idempotency-Key"] ? {"Idempotency-Key": "another"} : {})}});
		Object.defineProperty(BroadcastChannel.prototype, "onmessage", {set() {}})`)
	second.start(`{}`)
	second.run(`await settings.set("theme", "mine")`)
	first.shows(`{theme: "mine"}`)
	if a := s.do(http.MethodPut, "/user/42/settings/theme", `"theirs"`, isJSON); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	first.leave()
	second.shows(`{theme: "theirs"}`)
	s.has("42", 2, `{"theme":"theirs"}`)
}

// TestBrowserClientWatchesForLong: a loop that waits for a thousand values leaves nothing behind for
// each of them.
func TestBrowserClientWatchesForLong(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.run(`
		const then = Promise.prototype.then, of = new WeakMap();
		window.most = 0;
		Promise.prototype.then = function (...given) {
			of.set(this, (of.get(this) ?? 0) + 1);
			most = Math.max(most, of.get(this));
			return then.apply(this, given);
		};
		const loop = settings.watch("n");
		for (let n = 0; n < 1000; n++) {
			const next = loop.next();
			await settings.set("n", n);
			await next;
		}
		await loop.return();
		Promise.prototype.then = then`)
	if most := value[int](w.browser, `most`); most > 100 {
		t.Errorf("%d reactions wait for one promise", most)
	}
}

// TestBrowserClientPauses: however long it is told to stay away, it doesn't come back at once, as it
// would with a time that is too long for a timer.
func TestBrowserClientPauses(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	b.use(s.base, "43", `{}`).run(`
		settings.close();
		const real = window.setTimeout;
		window.pauses = [];
		window.setTimeout = (what, ms) => { pauses.push(ms); return real(what, ms); };
		window.fetch = async () => new Response("{}", {status: 503, headers: {"Retry-After": "9999999999"}})`)
	w := &window{b, s.base, "42"}
	w.start(`{}`)
	w.until(`pauses.some(ms => ms > 1e6)`)
	if odd := value[string](b, `pauses.filter(ms => ms >= 2 ** 31).join()`); odd != "" {
		t.Errorf("it waits for %s ms", odd)
	}
}

// TestBrowserClientErrorInTabs: each tab knows why the one that leads has no success.
func TestBrowserClientErrorInTabs(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	first := openBrowser(t).use(s.base, "42", `{}`)
	first.run(`window.fetch = async () => new Response(
		'{"title":"no","kind":"unauthorized"}', {status: 401})`)
	second := &window{first.another(), s.base, "42"}
	second.do(chromedp.Navigate(s.base + "/docs"))
	// It gets no answer of its own, also when it leads later.
	second.run(`window.fetch = () => new Promise(() => {})`)
	second.start(`{}`)
	const known = `(({name, message, status, kind}) => [name, message, status, kind].join())(settings.state.error ?? {}) ==
		"OutsetError,no,401,unauthorized"`
	first.until(known)
	second.until(known)
}

// TestBrowserClientMany: a change of many values is sent if the document is small enough for the
// service.
func TestBrowserClientMany(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.run(`
		await settings.patch({gone: 1, here: {a: 1}});
		await settings.synced();
		window.many = {here: {b: [null]}};
		for (let i = 0; i < 3000; i++) many["setting" + i] = i;
		await settings.set("", many);
		await settings.synced()`)
	w.shows(`many`)
	w.run(`if (refused.length) throw refused[0].kind`)
	if a := s.get("42"); !strings.Contains(a.body, `"setting2999":2999`) {
		t.Errorf("%+v", a)
	}
}

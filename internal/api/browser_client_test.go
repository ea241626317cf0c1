//go:build browser

package api_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestBrowserClientLive: what one window changes shows in the other one, exactly.
func TestBrowserClientLive(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	a, b := twoWindows(t, s.base, "4/2")
	a.shows(`{}`)
	a.run(`await settings.set("theme", "dark")`)
	b.shows(`{"theme": "dark"}`)
	b.run(`await settings.patch({theme: null, editor: {size: 12, "a/b~c": 1}, no: {thing: null}})`)
	a.shows(`{"editor": {"size": 12, "a/b~c": 1}, "no": {}}`)
	a.run(`
		await settings.set("no", null);
		await settings.set(["editor", "a/b~c"], {});
		await settings.set("editor/size", undefined);
		await settings.set("list", [null, {"😀": 1e3}]);
		await settings.set("__proto__/x", 1);
		await settings.synced()`)
	const document = `JSON.parse('{"editor": {"a/b~c": {}}, "no": null, "list": [null, {"😀": 1000}], "__proto__": {"x": 1}}')`
	b.shows(document)
	a.shows(document)
	b.run(`
		const fails = async (path, value) => settings.set(path, value).then(() => { throw path }, () => {});
		await fails("list/0", 1);
		await fails("", 1);
		await fails("x", 1n);
		await settings.set("", {})`)
	a.shows(`{}`)
	if n := s.versions("4%2F2"); n != 8 {
		t.Errorf("8 changes made %d versions", n)
	}
	for i, path := range []string{"/user/4%2F2/settings", "/user/4%2F2"} {
		a.run(fmt.Sprintf(`await settings.set("x", %d)`, i))
		b.shows(fmt.Sprintf(`{x: %d}`, i))
		a.shows(fmt.Sprintf(`{x: %d}`, i))
		s.do(http.MethodDelete, path, "")
		a.shows(`{}`)
		b.shows(`{}`)
	}
	b.run(`await settings.set("x", 2)`)
	a.shows(`{x: 2}`)
	a.quiet(s.base)
	b.quiet(s.base)
}

// TestBrowserClientWatch: a loop gets the value at its path, each new one, and ends when it is left
// or aborted.
func TestBrowserClientWatch(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{"font":{"size":12},"theme":"dark"}`)
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.run(`
		const stop = new AbortController(), sizes = [];
		const watching = (async () => {
			for await (const size of settings.watch("font/size", {signal: stop.signal})) {
				sizes.push(size);
				if (size == 12) await settings.set("theme", "light");
				if (size == 12) await settings.set("font/size", 13);
				if (size == 13) await settings.set("font/size", undefined);
				if (size === undefined) stop.abort();
			}
		})();
		await watching;
		if (String(sizes) != "12,13,") throw sizes;
		const values = settings.watch("theme");
		if ((await values.next()).value != "light") throw "next";
		const next = values.next();
		await values.return();
		if (!(await next).done) throw "return"`)
	w.shows(`{"font": {}, "theme": "light"}`)
	if a := s.get("42"); a.status != http.StatusOK || a.body != `{"font":{},"theme":"light"}` {
		t.Errorf("%+v", a)
	}
}

// TestBrowserClientLatency logs how long it takes from a change in one window until another one
// shows it.
func TestBrowserClientLatency(t *testing.T) {
	s := newSystem(t, apiConfig)
	s.startWorker()
	a, b := twoWindows(t, s.base, "42")
	tab := b.another().use(s.base, "42", `{}`)
	const changes = 200
	for _, w := range []*window{a, b, tab} {
		w.run(`
			window.now = () => performance.timeOrigin + performance.now();
			window.delays = [];
			(async () => {
				for await (const sent of settings.watch("sent")) {
					if (sent !== undefined) delays.push(now() - sent);
				}
			})()`)
		w.until(`settings.state.online`)
	}
	b.run(fmt.Sprintf(`
		for (let i = 0; i < %d; i++) {
			await settings.set("sent", now());
			await settings.synced();
			await new Promise(r => setTimeout(r, 10));
		}`, changes))
	last := value[string](b.browser, `settings.get("sent").then(String)`)
	for name, w := range map[string]*window{"the same page": b, "a tab": tab, "another profile": a} {
		w.until(fmt.Sprintf(`(await settings.get("sent")) == %s`, last))
		t.Log(name, value[string](w.browser, `(() => {
			const sorted = delays.toSorted((x, y) => x - y);
			const at = share => sorted[Math.floor(share * sorted.length)].toFixed(1) + " ms";
			return "median " + at(0.5) + ", 95% within " + at(0.95);
		})()`))
	}
}

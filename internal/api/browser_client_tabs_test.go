//go:build browser

package api_test

import (
	"net/http"
	"strings"
	"testing"

	lifecycle "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestBrowserClientTabs: the tabs of a browser share one connection. When the one that has it goes,
// another one takes over.
func TestBrowserClientTabs(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	first := openBrowser(t).use(s.base, "42", `{}`)
	first.until(`settings.state.online`)
	second := first.another().use(s.base, "42", `{}`)
	third := first.another().use(s.base, "42", `{}`)
	second.run(`await settings.set("a", 1)`)
	third.run(`await settings.set("b", 2)`)
	first.run(`await settings.set("c", 3)`)
	for _, w := range []*window{first, second, third} {
		w.shows(`{a: 1, b: 2, c: 3}`)
		w.until(`settings.state.online && settings.state.persistent`)
	}
	if n := first.streams() + second.streams() + third.streams(); n != 1 {
		t.Errorf("three tabs have %d streams", n)
	}
	first.offline(true)
	second.run(`await settings.set("d", 4)`)
	second.until(`!settings.state.online && settings.pending == 1`)
	third.until(`!settings.state.online && settings.pending == 1`)
	first.leave()
	third.shows(`{a: 1, b: 2, c: 3, d: 4}`)
	second.shows(`{a: 1, b: 2, c: 3, d: 4}`)
	if a := s.do(http.MethodPut, "/user/42/settings/d", "5", isJSON); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	second.shows(`{a: 1, b: 2, c: 3, d: 5}`)

	first.network(true)
	first.back()
	first.shows(`{a: 1, b: 2, c: 3, d: 5}`)
	first.until(`settings.state.online`)
	if n := s.versions("42"); n != 5 {
		t.Errorf("5 changes made %d versions", n)
	}
}

// TestBrowserClientBack: a page that the browser has kept for the way back goes on, also after changes
// of which it hasn't heard.
func TestBrowserClientBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	w := openBrowser(t).use(s.base, "42", `{}`)
	w.until(`settings.state.online`)
	w.run(`await settings.set("a", 1); await settings.synced()`)
	w.leave()
	if a := s.do(http.MethodPut, "/user/42/settings/b", "2", isJSON); a.status != http.StatusCreated {
		t.Errorf("%+v", a)
	}
	w.back()
	w.shows(`{a: 1, b: 2}`)
	w.until(`settings.state.online`)
	w.run(`await settings.set("c", 3)`)
	w.shows(`{a: 1, b: 2, c: 3}`)
	s.has("42", 3, `{"a":1,"b":2,"c":3}`)
}

// TestBrowserClientFrozen: a tab that the browser freezes lets another one lead, and goes on later.
func TestBrowserClientFrozen(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	first := openBrowser(t).use(s.base, "42", `{}`)
	first.until(`settings.state.online`)
	second := first.another().use(s.base, "42", `{}`)
	second.until(`settings.state.online`)
	become := func(state lifecycle.SetWebLifecycleStateState) {
		t.Helper()
		if _, err := chromedp.Call(first.ctx, lifecycle.SetWebLifecycleState,
			lifecycle.SetWebLifecycleStateParams{State: state}); err != nil {
			t.Fatal(err)
		}
	}
	become("frozen")
	second.run(`await settings.set("a", 1)`)
	second.shows(`{a: 1}`)
	become("active")
	first.shows(`{a: 1}`)
	first.run(`await settings.set("b", 2)`)
	second.shows(`{a: 1, b: 2}`)
}

// TestBrowserClientTokens: where the token of the tab that leads doesn't count, another tab leads.
func TestBrowserClientTokens(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	first := openBrowser(t).use(s.base, "ann", `{token: "expired"}`)
	first.until(`settings.state.error?.status == 401`)
	first.run(`await settings.set("a", 1)`)
	token := strings.TrimPrefix(s.user("ann"), "Authorization: Bearer ")
	second := first.another().use(s.base, "ann", `{token: "`+token+`"}`)
	second.shows(`{a: 1}`)
	first.shows(`{a: 1}`)
}

// TestBrowserClientConflict: the page decides where two changed the same value, and only there.
func TestBrowserClientConflict(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{"theme":"dark","size":1,"list":[1],"font":{"x":1},"same":0}`)
	const decide = `{conflict: async c => {
		(window.asked ??= []).push([c.path.join("/"), c.base, c.mine, c.theirs]);
		switch (c.path[0]) {
			case "size": return c.mine + c.theirs;
			case "list": return [...c.theirs, ...c.mine];
			case "font": return c.theirs;
			default: return c.mine;
		}
	}}`
	w := openBrowser(t).use(s.base, "42", decide)
	w.shows(`{theme: "dark", size: 1, list: [1], font: {x: 1}, same: 0}`)
	w.offline(true)
	w.run(`
		await settings.patch({size: 3, theme: "light", same: 1});
		await settings.set("list", [2]);
		await settings.set("font/x", 2);
		await settings.set("mine", true)`)
	s.do(http.MethodPatch, "/user/42/settings",
		`{"theme":"solarized","size":2,"list":[3],"font":null,"same":1,"theirs":true}`, isJSON)
	w.network(true)
	w.shows(`{theme: "light", size: 5, list: [3, 2], same: 1, mine: true, theirs: true}`)
	if asked := value[string](w.browser, `JSON.stringify(asked.sort())`); asked !=
		`[["font",{"x":1},{"x":2},null],["list",[1],[2],[3]],["size",1,3,2],["theme","dark","light","solarized"]]` {
		t.Errorf("it was asked about %s", asked)
	}
}

// TestBrowserClientRefused: a change that the service refuses is taken back and told of, and holds
// up no other.
func TestBrowserClientRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.do(http.MethodPut, "/schema", `{"properties":{"size":{"type":"integer"}}}`, isJSON)
	w := openBrowser(t).use(s.base, "42", `{}`)
	second := w.another().use(s.base, "42", `{}`)
	w.run(`
		await settings.set("a", 1);
		await settings.set("size", "large");
		await settings.set("half", "\ud83d");
		await settings.set("long", "x".repeat(70_000));
		await settings.set("b", 2)`)
	for _, tab := range []*window{w, second} {
		tab.shows(`{a: 1, b: 2}`)
		if kinds := value[string](tab.browser, `refused.map(r => [r.kind, r.edits[0].path]).join(" ")`); kinds !=
			"schema-violation,size malformed,half too-large,long" {
			t.Errorf("what was refused: %s", kinds)
		}
	}
	if why := value[string](w.browser, `refused[0].violations[0].pointer`); why != "/size" {
		t.Errorf("the violation is at %s", why)
	}
}

//go:build browser

package api_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/outset-settings/outset/internal/api"
)

// openAnn opens the console at a user's settings, with hold and release for its requests.
func openAnn(t *testing.T) (*system, *browser) {
	t.Helper()
	s, b := openConsole(t, "users")
	s.startWorker()
	s.put("ann", `{"theme":"light"}`)
	b.showAnn(s)
	return s, b
}

func (b *browser) showAnn(s *system) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.base+"/console#users/ann"))
	b.waitFor("the document", `document.querySelector("textarea")?.value.includes("theme")`)
	b.waitFor("the history", in("main")+`.includes("Versions, the latest first")`)
	// hold has the next request of this method for the document wait for release, which has it fail
	// where there is an error.
	value[int](b, `(() => {
		const real = window.fetch;
		window.hold = method => {
			window.held = 0;
			let release;
			const released = new Promise(done => { release = done; });
			window.release = error => release(error);
			window.fetch = async (address, init) => {
				if (init.method !== method || !String(address).endsWith("/settings")) return real(address, init);
				window.fetch = real;
				window.held = 1;
				const error = await released;
				if (error) throw new TypeError(error);
				return real(address, init);
			};
		};
		return 1;
	})()`)
}

// types has the document be another text.
func (b *browser) types(text string) {
	b.t.Helper()
	value[int](b, `(t => {
		if (t.readOnly) return 0;
		t.value = `+"`"+text+"`"+`;
		t.dispatchEvent(new Event("input"));
		return 1;
	})(document.querySelector("textarea"))`)
}

func (b *browser) text() string {
	b.t.Helper()
	return value[string](b, `document.querySelector("textarea").value`)
}

// TestBrowserConsoleSkips: the link to the content leads there, and to no other part.
func TestBrowserConsoleSkips(t *testing.T) {
	t.Parallel()
	_, b := openAnn(t)
	b.types(`{"theme":"mine"}`)
	b.do(chromedp.Focus(chromedp.CSS(".skip")), chromedp.KeyEvent(kb.Enter))
	b.waitFor("the focus on the content", `document.activeElement.id === "main"`)
	if text := value[string](b, `document.querySelector("textarea")?.value ?? location.hash`); text != `{"theme":"mine"}` {
		t.Errorf("the link leads away from what was edited, to %s", text)
	}
}

// TestBrowserConsoleTypes: what is typed while an answer is on its way isn't lost unseen.
func TestBrowserConsoleTypes(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	value[int](b, `(hold("GET"), 1)`)
	s.put("ann", `{"theme":"theirs"}`)
	b.waitFor("a request", `window.held`)
	value[int](b, `(release(), hold("GET"), 1)`)
	b.waitFor("another", `window.held`)
	b.types(`{"theme":"typed"}`)
	value[int](b, `(release(), 1)`)
	b.waitFor("what applies", in("section")+`.includes("theirs")`)
	if text := b.text(); text != `{"theme":"typed"}` {
		t.Errorf("the text is %s", text)
	}
	b.click("Undo")
	b.waitFor("the other's change", `document.querySelector("textarea").value.includes("theirs")`)
	b.types(`{"theme":"mine"}`)
	value[int](b, `(hold("PUT"), 1)`)
	b.click("Save")
	b.waitFor("a request", `window.held`)
	b.types(`{"theme":"too late"}`)
	value[int](b, `(release(), 1)`)
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	s.has("ann", 3, `{"theme":"mine"}`)
	b.types(`{"theme":"more"}`)
	if text := b.text(); text != `{"theme":"more"}` {
		t.Errorf("after it was saved the text can't be changed: %s", text)
	}
}

// TestBrowserConsoleFollows: changes show, though a request has failed, and though another window
// of the same browser has left. Nothing of the user is kept in the browser.
func TestBrowserConsoleFollows(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	other := b.another()
	other.showAnn(s)
	other.do(chromedp.Navigate(s.base + "/console#users"))
	other.waitFor("the users", in("h1")+` === "Users"`)
	value[int](b, `(hold("GET"), release("lost"), 1)`)
	s.put("ann", `{"theme":"lost"}`)
	b.waitFor("a request", `window.held`)
	s.put("ann", `{"theme":"found"}`)
	b.waitFor("the change", `document.querySelector("textarea").value.includes("found")`)
	if n := value[int](b, databases); n != 0 {
		t.Error("settings are kept in the browser")
	}
}

// TestBrowserConsoleDraft: what was being edited is still there after a look at another part.
func TestBrowserConsoleDraft(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	b.types(`{"theme":"mine"}`)
	for _, part := range []string{"schema", "users/ann"} {
		value[string](b, `location.hash = "`+part+`"`)
		b.waitFor("the part", in("h1")+`.startsWith("`+map[string]string{
			"schema": "Schema", "users/ann": "Settings of",
		}[part]+`")`)
	}
	b.waitFor("the text", `document.querySelector("textarea")?.value === '{"theme":"mine"}'`)
	b.click("Save")
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	s.has("ann", 2, `{"theme":"mine"}`)
	b.leave()
}

// TestBrowserConsoleChooses: what counts is what is chosen when it is saved, also if that had to be
// tried twice.
func TestBrowserConsoleChooses(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	b.types(`{"theme":"mine"}`)
	s.put("ann", `{"theme":"theirs","more":1}`)
	b.waitFor("that another has changed it", in("main")+`.includes("Somebody else has changed")`)
	b.click("Save")
	b.waitFor("the conflict", in(".conflict")+`.includes("theirs")`)
	value[int](b, `(hold("PUT"), release("lost"), 1)`)
	b.click("Save both changes")
	b.waitFor("that it failed", in("main")+`.includes("can't be reached")`)
	value[int](b, `(document.querySelectorAll(".conflict [type=radio]")[1].click(), 1)`)
	b.click("Save both changes")
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	s.has("ann", 3, "{\n  \"theme\": \"theirs\",\n  \"more\": 1\n}")
}

// TestBrowserConsoleReplaces: restoring and deleting tell what of the editing is lost by that, don't
// replace what somebody else has saved meanwhile, and ask no longer where the user is left.
func TestBrowserConsoleReplaces(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	s.put("ann", `{"theme":"second"}`)
	b.waitFor("two versions", `document.querySelector("[aria-label='Restore version 1']")`)
	b.types(`{"theme":"mine"}`)
	ask := func() {
		t.Helper()
		value[int](b, `(document.querySelector("[aria-label='Restore version 1']").click(), 1)`)
		b.waitFor("the question", in("dialog")+`.includes("will be lost")`)
	}
	ask()
	value[string](b, `location.hash = "schema"`)
	b.waitFor("that it isn't asked any more", in("h1")+` === "Schema" && !document.querySelector("dialog")`)
	value[string](b, `location.hash = "users/ann"`)
	b.waitFor("the text", `document.querySelector("textarea")?.value === '{"theme":"mine"}'`)
	b.waitFor("the history", `document.querySelector("[aria-label='Restore version 1']")`)
	ask()
	s.put("ann", `{"theme":"theirs"}`)
	value[int](b, `(document.querySelector("dialog [value=yes]").click(), 1)`)
	b.waitFor("that nothing was done", in("main")+`.includes("Nothing was done") && `+
		in("main")+`.includes("Somebody else has changed")`)
	s.has("ann", 3, `{"theme":"theirs"}`)
	if text := b.text(); text != `{"theme":"mine"}` {
		t.Errorf("the text is %s", text)
	}
	ask()
	value[int](b, `(document.querySelector("dialog [value=yes]").click(), 1)`)
	b.waitFor("that it is restored", in("main")+`.includes("is current again")`)
	b.waitFor("that the history tells so", in("main")+`.includes("restore of 1")`)
	s.has("ann", 4, `{"theme":"light"}`)
	if text := b.text(); text != `{"theme":"light"}` {
		t.Errorf("the text is %s", text)
	}
	b.leave()
}

// TestBrowserConsoleUnknown: a user of whom nothing was ever saved doesn't look like one whose
// settings are empty.
func TestBrowserConsoleUnknown(t *testing.T) {
	t.Parallel()
	s, b := openAnn(t)
	const unknown = `.includes("Nothing was ever saved for this user")`
	s.put("ann", `{}`)
	b.waitFor("an empty document", `document.querySelector("textarea").value === "{}"`)
	if value[bool](b, in("main")+unknown) {
		t.Error("ann is unknown")
	}
	value[string](b, `location.hash = "users/anne"`)
	b.waitFor("that nobody knows anne", in("main")+unknown)
	const removable = `[...document.querySelectorAll("h2")].some(e => e.innerText === "Remove" && e.checkVisibility())`
	b.waitFor("nothing to remove", `!`+removable)
	b.types(`{"theme":"first"}`)
	b.click("Save")
	b.waitFor("that there is something now", removable)
	if value[bool](b, in("main")+unknown) {
		t.Error("anne is still unknown")
	}
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	s.has("anne", 1, `{"theme":"first"}`)
	b.leave()
}

// TestBrowserConsoleSignsInAgain: where a token ends while it is used, another one is asked for, and
// nothing that was being edited is lost.
func TestBrowserConsoleSignsInAgain(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.Console = true })
	s.startWorker()
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base + "/console#users/ann"))
	token := strings.TrimPrefix(s.service("admin"), "Authorization: Bearer ")
	signIn := func() {
		t.Helper()
		b.do(chromedp.WaitVisible(chromedp.CSS("#token")),
			chromedp.SendKeys(chromedp.CSS("#token"), token+kb.Enter))
		b.waitFor("the user", `document.querySelector("textarea")?.value.startsWith("{")`)
	}
	signIn()
	b.types(`{"theme":"mine"}`)
	value[int](b, `(sessionStorage.setItem("outset token", "ended"), 1)`)
	b.click("Save")
	b.click("Sign in again")
	signIn()
	b.click("Save")
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	if text := b.text(); text != `{"theme":"mine"}` {
		t.Errorf("the text is %s", text)
	}
	b.leave()
}

// TestBrowserConsoleFigures: what two readings come to, if a worker has told nothing in between or
// if each is of another API; and what was done lately, also after a pause.
func TestBrowserConsoleFigures(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "schema")
	got := value[string](b, `import("`+s.base+`/console/figures.js").then(({History, together, between}) => {
		const history = new History();
		const queue = (operations, batches) => ({read: {operations, batches, waitedSeconds: operations}});
		const reading = (api, n, ...workers) => ({
			api: {id: api, problems: {overloaded: n}, queues: queue(n, n)},
			workers: workers.map(([id, n]) => ({id, queues: queue(n, n)})),
		});
		history.add(reading("A", 100, ["w", 1000], ["slow", 1e6]), 0);
		history.add(reading("B", 200, ["w", 1010]), 2);
		history.add(reading("A", 104, ["w", 1020], ["slow", 1e6 + 2]), 4);
		history.add(reading("B", 206, ["w", 1030], ["slow", 1e6 + 4]), 6);
		const sum = id => history.pairs.reduce((n, p) => n + (history.worker(id, p)?.operations ?? 0), 0);
		const batch = together([between(queue(100, 100).read, {}, 1), between(queue(100, 1).read, {}, 1)]).batch;
		const late = new History();
		const busy = n => ({api: {id: "A"}, workers: [{id: "w", queues: {read: {operations: n, waiting: 3}}}]});
		[0, 2, 4, 6, 8, 10, 12, 72, 74, 76].forEach((at, i) => late.add(busy(i * 100), at));
		const lately = until => {
			const then = Object.assign(new History(), {readings: late.readings.slice(0, until)});
			const {rate, waiting} = then.lately("w", then.of(10));
			return [then.of(10).length, rate, waiting];
		};
		return JSON.stringify({lately: [lately(1), lately(7), lately(8), lately(10)], w: sum("w"), slow: sum("slow"), problems: history.problems,
			waited: history.stations("read", history.pairs)[0].seconds, batch: Math.round(batch * 100)});
	})`)
	if want := `{"lately":[[0,null,3],[5,50,3],[0,null,3],[2,50,3]],"w":30,"slow":2,"problems":[{"kind":"overloaded","count":10}],"waited":1,"batch":198}`; got != want {
		t.Errorf("the figures are %s, not %s", got, want)
	}
}

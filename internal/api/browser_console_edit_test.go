//go:build browser

package api_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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
	b.do(chromedp.Navigate("about:blank")) // it asks for more while there is a worker
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

// TestBrowserConsoleFigures: what two readings come to, if a worker has told nothing in between or
// if each is of another API.
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
		return JSON.stringify({w: sum("w"), slow: sum("slow"), problems: history.problems,
			waited: history.stations("read", history.pairs)[0].seconds, batch: Math.round(batch * 100)});
	})`)
	if want := `{"w":30,"slow":2,"problems":[{"kind":"overloaded","count":10}],"waited":1,"batch":198}`; got != want {
		t.Errorf("the figures are %s, not %s", got, want)
	}
}

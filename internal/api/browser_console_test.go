//go:build browser

package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

// openConsole starts a system with the console, and a browser that shows a part of it.
func openConsole(t *testing.T, part string) (*system, *browser) {
	t.Helper()
	config := apiConfig
	config.Console = true
	// At its end workers stop before the browser does. A request that comes then waits for so long.
	config.RequestTimeout = 20 * time.Second
	s := newSystem(t, config)
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base+"/console#"+part), chromedp.WaitVisible(chromedp.CSS("h1")))
	return s, b
}

// waitFor waits until an expression of JavaScript is true.
func (b *browser) waitFor(what, expression string) {
	b.t.Helper()
	value[int](b, `new Promise(done => {
		const wait = () => (`+expression+`) ? done(1) : setTimeout(wait, 20);
		wait();
	})`)
	b.t.Logf("there is %s", what)
}

// in is the text of the elements of the selector.
func in(selector string) string {
	return `[...document.querySelectorAll("` + selector + `")].map(e => e.innerText).join("\n")`
}

// click clicks the button with this text.
func (b *browser) click(text string) {
	b.t.Helper()
	b.waitFor("the button "+text, `[...document.querySelectorAll("button")].some(e =>
		e.innerText === "`+text+`" && !e.disabled && e.checkVisibility() && (e.click(), true))`)
}

// pictures keeps pictures of the page: light, dark, and narrow.
func (b *browser) pictures(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.prefers(scheme)
		b.screenshot("console-" + name + "-" + scheme)
	}
	b.prefers("light")
	b.do(chromedp.EmulateViewport(360, 800))
	if wide := value[int](b, `document.documentElement.scrollWidth`); wide > 360 {
		b.t.Errorf("%s: on 360 pixels the page is %d wide", name, wide)
	}
	b.screenshot("console-" + name + "-narrow")
	b.do(chromedp.EmulateViewport(1200, 1000))
}

func (b *browser) prefers(scheme string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		b.t.Fatal(err)
	}
}

// TestBrowserConsolePool: workers appear as they are started, with what they do, and go.
func TestBrowserConsolePool(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "pool")
	b.waitFor("that there is nobody", in("main")+`.includes("No worker answers")`)
	s.startWorker()
	for range 2 {
		s.startWorker()
	}
	stop := s.startWorker()
	b.waitFor("four workers", `document.querySelectorAll("tbody th[scope=row]").length >= 4 &&
		[...document.querySelectorAll("tbody tr")].filter(r => r.innerText.includes("serving")).length === 4`)
	more := make(chan struct{})
	go func() {
		defer close(more)
		for i := range 400 {
			s.do(http.MethodPut, fmt.Sprintf("/user/u%d/settings", i%50), `{"theme":"dark"}`, isJSON)
			s.do(http.MethodGet, fmt.Sprintf("/user/u%d/settings", i%50), "")
		}
		s.do(http.MethodPut, "/user/u/settings", `[]`, isJSON)
	}()
	b.waitFor("work", `parseFloat(document.querySelectorAll(".tile dd")[1].innerText) > 0`)
	b.waitFor("where writes wait",
		`document.querySelectorAll(".parts")[1]?.innerText.includes("in Postgres")`)
	<-more
	b.waitFor("what was refused", in("main")+`.includes("invalid-document")`)
	b.pictures("pool")
	stop()
	b.waitFor("that one is gone", in("tr.gone")+`.includes("gone since")`)
	b.screenshot("console-pool-gone")
	b.quiet(s.base)
}

// TestBrowserConsoleAway: while the API is away the console says so, and goes on afterwards.
func TestBrowserConsoleAway(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "pool")
	s.startWorker()
	b.waitFor("a worker", in("tbody")+`.includes("serving")`)
	b.network(false)
	b.waitFor("that the API is away", in("main")+`.includes("can't be reached")`)
	b.screenshot("console-away")
	b.network(true)
	b.waitFor("that it is back", `!(`+in("main")+`.includes("can't be reached"))`)
	pgtest.KeepOut(t, s.database, true)
	b.waitFor("that the worker has no database", in("tr.attention td")+`.startsWith("no database") && `+
		in(".tile")+`.includes("1 without a database")`)
	pgtest.KeepOut(t, s.database, false)
	b.waitFor("that it serves again", in("tbody")+`.includes("serving")`)
}

// edit writes the document.
func edit(w *browser, text string) {
	w.t.Helper()
	w.do(chromedp.SetValue(chromedp.CSS("textarea"), text))
	value[int](w, `(document.querySelector("textarea").dispatchEvent(new Event("input")), 1)`)
}

// TestBrowserConsoleConflict: two windows edit one document. The second one to save sees both
// changes side by side, and both are kept.
func TestBrowserConsoleConflict(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "users")
	s.startWorker()
	s.put("ann", `{"theme":"light","size":1.0,"font":"a"}`)
	if a := s.do(http.MethodPut, "/schema",
		`{"properties":{"size":{"type":"number"},"beta":{"default":true}}}`, isJSON); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("tbody a")))
	b.waitFor("the user", in("tbody")+`.includes("ann")`)
	b.pictures("users")
	other := b.another()
	for _, w := range []*browser{b, other} {
		w.do(chromedp.Navigate(s.base+"/console#users/ann"), chromedp.WaitVisible(chromedp.CSS("textarea")))
		w.waitFor("the document", `document.querySelector("textarea").value.includes("1.0")`)
		w.waitFor("where values come from", in("tbody")+`.includes("the schema's default")`)
	}
	b.pictures("user")

	edit(other, `{"theme":`)
	other.waitFor("that it is no JSON", in("#valid")+`.includes("not JSON")`)
	edit(other, `{"theme":"light","size":"x"}`)
	other.waitFor("what breaks the schema", in("#valid")+`.includes("/size")`)
	edit(other, `{"theme":"solarized","size":1.0,"font":"other"}`)
	other.waitFor("that it fits", in("#valid")+`.includes("accepted")`)

	edit(b, `{"theme":"dark","size":1.0,"font":"a","mine":1}`)
	other.click("Save")
	other.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	b.waitFor("that another has changed it", in("main")+`.includes("Somebody else has changed")`)
	b.click("Save")
	b.waitFor("the conflict", in(".conflict")+`.includes("solarized")`)
	b.waitFor("what applies", in("section td code")+`.includes("solarized")`)
	b.waitFor("one way to save", `[...document.querySelectorAll("button")].filter(e =>
		e.innerText.startsWith("Save") && e.checkVisibility()).length === 1`)
	b.pictures("conflict")
	b.click("Save both changes")
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	a := s.get("ann")
	for _, want := range []string{`"theme": "dark"`, `"font": "other"`, `"mine": 1`, `"size": 1.0`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s has no %s", a.body, want)
		}
	}
	other.waitFor("the change of the other window",
		`document.querySelector("textarea").value.includes("mine")`)

	b.waitFor("the history", in("main")+`.includes("put")|| `+in("main")+`.includes("replace")`)
	b.do(chromedp.Click(chromedp.CSS(`[aria-label="Show version 1"]`)))
	b.waitFor("what has changed since", in("main")+`.includes("what has changed since")`)
	b.do(chromedp.Click(chromedp.CSS(`[aria-label="Restore version 1"]`)))
	b.waitFor("the question", `document.querySelector("dialog").open`)
	value[int](b, `(document.querySelector("dialog button[value=yes]").click(), 1)`)
	b.waitFor("that it is restored", in("main")+`.includes("is current again")`)
	s.has("ann", 4, `{"theme":"light","size":1.0,"font":"a"}`)
}

// TestBrowserConsoleSchema: a schema is tried on all documents before it can be put in force.
func TestBrowserConsoleSchema(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "schema")
	s.startWorker()
	s.put("ann", `{"theme":"light"}`)
	s.put("ben", `{"theme":7}`)
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#valid")))
	b.waitFor("that there is none", in("main")+`.includes("There is no schema")`)
	b.do(chromedp.SendKeys(chromedp.CSS("textarea"), `{"properties":{"theme":{"type":"string"}}}`))
	if !value[bool](b, `[...document.querySelectorAll("button")].find(e => e.innerText === "Put in force").disabled`) {
		t.Error("it can be put in force before it was tried")
	}
	b.click("Try it")
	b.waitFor("who would break it", in("main")+`.includes("1 of 2 documents") && `+in("tbody")+`.includes("ben")`)
	b.pictures("schema")
	b.click("Put in force")
	b.waitFor("that it is in force", in("main")+`.includes("It is in force")`)
	if a := s.do(http.MethodPut, "/user/ben/settings", `{"theme":7}`, isJSON); a.status != 422 {
		t.Errorf("%+v", a)
	}
}

// TestBrowserConsoleOnAdmin: an API whose console is not public has it on the admin address, with
// all that it asks for.
func TestBrowserConsoleOnAdmin(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	config := apiConfig
	config.Auth, config.Tokens, config.RequestTimeout = "required", s.tokens, 20*time.Second
	s.serveOnAdmin(config, "127.0.0.1:0")
	s.startWorker()
	admin := s.service("admin")
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base+"/console#pool"), chromedp.WaitVisible(chromedp.CSS("#token")),
		chromedp.SendKeys(chromedp.CSS("#token"), strings.TrimPrefix(admin, "Authorization: Bearer ")+kb.Enter))
	b.waitFor("a worker and its process", in("tbody tr")+`.includes("serving") && `+
		in("tbody tr")+fmt.Sprintf(`.includes("%d")`, os.Getpid()))
	b.do(chromedp.Navigate(s.base+"/console#users/ann"), chromedp.WaitVisible(chromedp.CSS("textarea")))
	edit(b, `{"theme":"dark"}`)
	b.click("Save")
	eventually(t, "it is saved", func() bool {
		return s.do(http.MethodGet, "/user/ann/settings", "", admin).body == `{"theme":"dark"}`
	})
}

// TestBrowserConsoleTokens: without a token it asks for one; what a token may not do isn't offered.
func TestBrowserConsoleTokens(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.Console = true })
	s.startWorker()
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base+"/console"), chromedp.WaitVisible(chromedp.CSS("#token")))
	b.screenshot("console-sign-in")
	signIn := func(token, offered string) {
		t.Helper()
		b.do(chromedp.WaitVisible(chromedp.CSS("#token")),
			chromedp.SendKeys(chromedp.CSS("#token"), token+kb.Enter))
		b.waitFor(offered, in("nav a")+`.replaceAll("\n", " ") === "`+offered+`"`)
	}
	signIn("wrong", "")
	b.waitFor("that it is wrong", in("main")+`.includes("needs a token")`)
	for scope, offered := range map[string]string{
		"pool:read": "Pool Schema", "schema:write": "Schema", "users:list": "Users Schema",
		"admin": "Pool Users Schema",
	} {
		signIn(strings.TrimPrefix(s.service(scope), "Authorization: Bearer "), offered)
		b.click("Sign out")
	}
	signIn(strings.TrimPrefix(s.user("ann"), "Authorization: Bearer "), "Settings Schema")
	b.waitFor("their own settings", `document.querySelector("textarea")?.value === "{}"`)
	if kept := value[string](b, `JSON.stringify([localStorage.length, document.cookie])`); kept != `[0,""]` {
		t.Errorf("it keeps more than it should: %s", kept)
	}
}

// TestBrowserConsoleKeyboard: all of it can be reached and used by the keyboard alone.
func TestBrowserConsoleKeyboard(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "pool")
	s.startWorker()
	s.put("ann", `{"theme":"light"}`)
	// tab presses Tab until the element with the focus is this.
	tab := func(what, is string) {
		t.Helper()
		for range 60 {
			b.do(chromedp.KeyEvent(kb.Tab))
			if value[bool](b, `(e => `+is+`)(document.activeElement)`) {
				return
			}
		}
		t.Fatalf("Tab doesn't reach %s", what)
	}
	tab("the link to the content", `e.className === "skip"`)
	tab("the part Users", `e.innerText === "Users"`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.waitFor("the users", in("h1")+` === "Users" && document.querySelector("#find")`)
	tab("the user id", `e.id === "find"`)
	b.do(chromedp.KeyEvent("ann" + kb.Enter))
	b.waitFor("the document", `document.querySelector("textarea")?.value.includes("light")`)
	tab("the document", `e.tagName === "TEXTAREA"`)
	if outline := value[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
		t.Errorf("the focus is not to be seen: %s", outline)
	}
	b.do(chromedp.KeyEvent(kb.End, chromedp.KeyModifiers(2))) // Ctrl
	value[int](b, `(document.activeElement.select(), 1)`)
	b.do(chromedp.KeyEvent(`{"theme":"dark"}`))
	tab("Save", `e.innerText === "Save"`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.waitFor("that it is saved", in("main")+`.includes("Saved.")`)
	s.has("ann", 2, `{"theme":"dark"}`)
	b.leave()
}

// faintTexts names the texts whose contrast is less than 4.5 (WCAG 2.2, 1.4.3).
const faintTexts = `(() => {
	const c = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const over = (color, below, opacity = 1) => {
		c.globalAlpha = 1; c.fillStyle = below; c.fillRect(0, 0, 1, 1);
		c.globalAlpha = opacity; c.fillStyle = color; c.fillRect(0, 0, 1, 1);
		const [r, g, b] = c.getImageData(0, 0, 1, 1).data;
		return "rgb(" + [r, g, b] + ")";
	};
	const luminance = color => {
		const [r, g, b] = color.match(/\d+/g).map(v => v / 255).map(v =>
			v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const page = matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18,18,18)" : "rgb(255,255,255)";
	const ancestors = e => e ? [...ancestors(e.parentElement), e] : [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const faint = new Set();
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement;
		if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.disabled) continue;
		const below = ancestors(e).reduce((b, a) => over(getComputedStyle(a).backgroundColor, b), page);
		const opacity = ancestors(e).reduce((o, a) => o * getComputedStyle(a).opacity, 1);
		const [a, b] = [luminance(below), luminance(over(getComputedStyle(e).color, below, opacity))];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) faint.add(walker.currentNode.data.trim() + " " + contrast.toFixed(1));
	}
	return [...faint].join(", ");
})()`

// TestBrowserConsoleAccessible: each control has a name, and each text enough contrast, in light
// and dark.
func TestBrowserConsoleAccessible(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "pool")
	s.startWorker()
	s.put("ann", `{"theme":"light"}`)
	for part, ready := range map[string]string{
		"pool": "tbody", "users": "tbody a", "users/ann": "textarea", "schema": "textarea",
	} {
		for _, scheme := range []string{"light", "dark"} {
			b.prefers(scheme)
			b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.base+"/console#"+part),
				chromedp.WaitVisible(chromedp.CSS(ready)))
			if faint := value[string](b, faintTexts); faint != "" {
				t.Errorf("%s, %s: too little contrast: %s", part, scheme, faint)
			}
			tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
			if err != nil {
				t.Fatal(err)
			}
			controls := 0
			for _, n := range tree.Nodes {
				if n.Ignored || n.Role == nil {
					continue
				}
				switch role := strings.Trim(string(n.Role.Value), `"`); role {
				case "button", "link", "textbox", "radio", "table", "region", "navigation":
					controls++
					if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
						t.Errorf("%s, %s: a %s has no name", part, scheme, role)
					}
				}
			}
			if controls < 5 {
				t.Errorf("%s: only %d controls were found", part, controls)
			}
		}
	}
}

// TestBrowserConsoleLarge: sixty-four workers with long names, of which the slow one is found, and
// a user with a long id and 50 KB of settings, on a wide page and a narrow one.
func TestBrowserConsoleLarge(t *testing.T) {
	t.Parallel()
	s, b := openConsole(t, "pool")
	s.startWorker()
	id := strings.Repeat("long-id-", 16)
	var document strings.Builder
	document.WriteString(`{"large":{`)
	for i := range 1000 {
		fmt.Fprintf(&document, `"setting %d":"%s",`, i, strings.Repeat("x", 30))
	}
	document.WriteString(`"last":true}}`)
	s.put(id, document.String())
	b.do(chromedp.Navigate(s.base+"/console#users/"+id), chromedp.WaitVisible(chromedp.CSS("textarea")))
	b.waitFor("the document", `document.querySelector("textarea").value.length > 40000`)
	b.pictures("large-user")

	const most = 64
	began := time.Now()
	crowd := s.dial()
	answer := func(m *nats.Msg, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		_ = m.Respond(data)
	}
	identity := func(i int) micro.ServiceIdentity {
		return micro.ServiceIdentity{
			Name: messages.ServiceName, ID: fmt.Sprintf("WORKER%02d%s", i, strings.Repeat("Z", 18)),
			Version: "1.2.3-rc.1+0123456789",
			Metadata: map[string]string{
				"host":              fmt.Sprint("a-host-with-a-long-name-", i),
				messages.ActionsKey: fmt.Sprint(uint8(messages.LastAction)),
			},
		}
	}
	for subject, tell := range map[string]func(i int) any{
		"$SRV.PING." + messages.ServiceName: func(i int) any {
			return micro.Ping{ServiceIdentity: identity(i), Type: micro.PingResponseType}
		},
		pool.Subject: func(i int) any {
			each := 2 * time.Millisecond
			if i == 40 {
				each = 20 * time.Millisecond
			}
			operations := uint64(time.Since(began) / each)
			data, err := json.Marshal(pool.EndpointData{Queue: pool.Queue{
				Lanes: 3, Batches: operations / 4, Operations: operations,
				Carried: time.Duration(operations) * each, Busy: time.Since(began),
			}})
			if err != nil {
				t.Error(err)
			}
			return micro.Stats{
				ServiceIdentity: identity(i), Type: micro.StatsResponseType, Started: began,
				Endpoints: []*micro.EndpointStats{{Name: "read", Data: data}},
			}
		},
	} {
		if _, err := crowd.Subscribe(subject, func(m *nats.Msg) {
			for i := range most {
				answer(m, tell(i))
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := crowd.Flush(); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.base+"/console#pool"))
	b.waitFor("all workers", `document.querySelectorAll("tr:has(th[scope=row])").length >= 64`)
	b.waitFor("the slow one", in("tr.attention th")+` === "WORKER40" && `+
		in("tr.attention td")+`.startsWith("slow")`)
	b.pictures("large-pool")
	value[int](b, `document.querySelector(".workers .scroll").scrollTop = 200`)
	b.do(chromedp.Focus(chromedp.CSS(".workers .scroll")))
	value[int](b, `(window.old = document.querySelector(".workers table"), 1)`)
	b.waitFor("the next figures", `!window.old.isConnected`)
	if !value[bool](b, `document.activeElement.scrollTop === 200`) {
		t.Error("new figures take scroll and focus away")
	}
	b.click("Pause")
	b.waitFor("that it has paused", in(".title button")+` === "Go on"`)
}

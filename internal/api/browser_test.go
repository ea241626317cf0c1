//go:build browser

package api_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/outset-settings/outset/internal/program"
)

// browser is a tab of a real one, and what went on in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	requests   []string // the addresses that were asked for
	complaints []string // of the console: errors, warnings, violations of a page's policy
}

// openBrowser starts a browser that ends with the test. It has ample time for a busy machine. It
// finds no other host than 127.0.0.1, whatever a page tries, but for those of the rules.
func openBrowser(t *testing.T, rules ...string) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.WindowSize(1200, 1000),
		chromedp.Flag("host-resolver-rules", strings.Join(append(rules,
			"MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"), " , ")))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root can't have it
	}
	// it outlives the test to be closed in peace
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("no browser: %v", err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("closing the browser: %v", err)
		}
	})
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" &&
			u.Scheme != "blob" {
			b.requests = append(b.requests, e.Request.URL)
		}
	case *browserlog.EventEntryAdded:
		b.complaints = append(b.complaints, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text,
			e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprint("exception: ", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			b.complaints = append(b.complaints, fmt.Sprintf("%s: %s", e.Type, arg.Value))
		}
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for i, step := range steps {
		if err := chromedp.Do(b.ctx, step); err != nil {
			b.t.Fatalf("step %d: %v\n%v", i, err, b.complaints)
		}
	}
}

// value is what an expression of JavaScript comes to, promises kept.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// quiet fails the test if the console has a complaint, or something was requested from elsewhere.
func (b *browser) quiet(base string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Error(c)
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen")
	}
	for _, address := range b.requests {
		if !strings.HasPrefix(address, base+"/") {
			b.t.Errorf("%s was requested", address)
		}
	}
}

// leave has the tab leave the page, which asks for more for as long as it is there.
func (b *browser) leave() {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"))
}

// screenshot keeps a picture of the page in $SCREENSHOTS, if that is set.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestBrowserDocs: the documentation shows what the API can do, and does it.
func TestBrowserDocs(t *testing.T) {
	t.Parallel()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	operations := 0
	for template := range c.paths {
		operations += len(c.operations(template))
	}
	operations-- // elsewhere

	s := newSystem(t, apiConfig)
	s.startWorker()
	if a := s.do("PUT", "/user/42/settings", `{"theme":"solarized"}`, isJSON); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base+"/docs"), chromedp.WaitVisible(chromedp.CSS("#getSettings")))
	if shown := value[int](b, `document.querySelectorAll(".operation").length`); shown != operations {
		t.Errorf("%d of %d operations are shown", shown, operations)
	}
	b.screenshot("docs")

	// All that it can show of the API, with nothing left open.
	value[int](b, `(document.querySelectorAll(".operation").forEach(e => e.open = true), 1)`)
	b.do(chromedp.WaitVisible(chromedp.CSS("#eraseUser .parameter")))
	if odd := value[string](b, `[...document.querySelectorAll(".operation")].filter(o => !o.querySelector(".answers td p")
		|| /undefined|\[object/.test(o.innerText)
		|| [...o.querySelectorAll(".parameter")].some(p => p.innerText.trim() == "")).map(o => o.id).join()`); odd != "" {
		t.Errorf("parameters or answers are missing in %s", odd)
	}
	if dead := value[string](b, `[...document.querySelectorAll("a[href^='#']")].filter(a => !document.querySelector(a.getAttribute("href"))).join()`); dead != "" {
		t.Errorf("links lead nowhere: %s", dead)
	}
	b.screenshot("docs-expanded")

	try := func(operation string) string {
		b.do(chromedp.Click(chromedp.CSS(operation + " .send")))
		return value[string](b, `new Promise(done => {
			const wait = () => {
				const live = document.querySelector("`+operation+` .live");
				/^\d/.test(live.querySelector(".status")?.innerText) && live.querySelector(".body").innerText ?
					done(live.innerText) : setTimeout(wait, 10);
			};
			wait();
		})`)
	}
	answer := try("#getSettings")
	for _, want := range []string{"200", "solarized", `etag: "1-`} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer has no %s: %s", want, answer)
		}
	}
	if answer := try("#putSettings"); !strings.Contains(answer, `etag: "2-`) {
		t.Errorf("a write: %s", answer)
	}
	b.quiet(s.base)
}

// TestBrowserDocsToken: the page sends the token that it was given, keeps it for its tab only, and
// forgets it.
func TestBrowserDocsToken(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base+"/docs"), chromedp.WaitVisible(chromedp.CSS("#getLimits")))
	sent := func() string {
		return value[string](b, `(async () => {
			const real = window.fetch;
			let sent = "";
			window.fetch = (address, options) => {
				sent = options.headers.get("Authorization") ?? "none";
				return real("healthz");
			};
			const operation = document.querySelector("#getLimits");
			operation.open = true;
			while (!operation.querySelector(".send")) await new Promise(r => setTimeout(r, 10));
			operation.querySelector(".send").click();
			while (sent == "") await new Promise(r => setTimeout(r, 10));
			window.fetch = real;
			return sent;
		})()`)
	}
	if got := sent(); got != "none" {
		t.Errorf("without a token it sends %q", got)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "hush-hush"),
		chromedp.Click(chromedp.CSS("#authorize button")))
	if got := sent(); got != "Bearer hush-hush" {
		t.Errorf("with a token it sends %q", got)
	}
	if kept := value[string](b, `JSON.stringify([localStorage.length, document.cookie, document.querySelector("#token").value])`); kept != `[0,"",""]` {
		t.Errorf("it keeps more than it should: %s", kept)
	}
	b.do(chromedp.Click(chromedp.CSS("#forget")))
	if got := sent(); got != "none" {
		t.Errorf("after it was to forget the token it sends %q", got)
	}
	b.quiet(s.base)
}

// TestBrowserRebinding: a page whose name is given our address can neither read nor write here,
// unless its name is one of ours.
func TestBrowserRebinding(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.HTTPHosts = []string{"rebinding.example"}
	open, closed := newSystem(t, config), newSystem(t, apiConfig)
	open.startWorker()
	closed.startWorker()
	admin, err := program.ListenAdmin("127.0.0.1:0", nil, closed.api.Ready, closed.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	closed.run(admin.Run)

	const put = `{method: "PUT", body: '{"theme":"dark"}', headers: {"Content-Type": "application/json"}}`
	at := func(b *browser, base, path, init string) string {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		b.do(chromedp.Navigate("http://rebinding.example:" + port + path))
		return value[string](b, `fetch("`+path+`", `+init+`).then(
			async r => [r.status, await r.text()].join(" "), e => e.name)`)
	}
	b := openBrowser(t, "MAP rebinding.example 127.0.0.1")
	if got := at(b, open.base, "/user/42/settings", put); got != `200 {"theme":"dark"}` {
		t.Errorf("a page of a name that is listed: %s", got)
	}
	for _, init := range []string{`{}`, put} {
		if got := at(b, closed.base, "/user/42/settings", init); !strings.HasPrefix(got, "421 ") ||
			strings.Contains(got, "theme") {
			t.Errorf("a page of another name: %s", got)
		}
	}
	closed.has("42", 0, `{}`)
	if got := at(b, admin.Addr(), "/readyz", `{}`); !strings.HasPrefix(got, "421 ") {
		t.Errorf("the admin address: %s", got)
	}
}

// TestBrowserPages: the landing page and those about problems, as their type leads to them.
func TestBrowserPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	b.do(chromedp.Navigate(s.base))
	b.screenshot("home")
	b.do(chromedp.Click(chromedp.CSS(`a[href="problems"]`)), chromedp.WaitVisible(chromedp.CSS(".kinds")))
	styled := func() {
		t.Helper()
		if font := value[string](b, `getComputedStyle(document.body).fontFamily`); !strings.Contains(font, "system-ui") {
			t.Errorf("the style was not applied, the font is %s", font)
		}
	}
	styled()
	b.screenshot("problems")
	b.do(chromedp.Click(chromedp.CSS(`a[href="problems/precondition-failed"]`)), chromedp.WaitVisible(chromedp.CSS("pre")))
	styled()
	if at := value[string](b, `location.pathname`); at != "/problems/precondition-failed" {
		t.Errorf("the link leads to %s", at)
	}
	b.screenshot("problem")
	for _, width := range []int{320, 1200} { // a small phone
		b.do(chromedp.EmulateViewport(int64(width), 800))
		if wide := value[int](b, `document.documentElement.scrollWidth`); wide > width {
			t.Errorf("on %d pixels the page is %d wide", width, wide)
		}
		b.screenshot(fmt.Sprint("problem-", width))
	}
	b.do(chromedp.Click(chromedp.CSS("nav a")), chromedp.WaitVisible(chromedp.CSS(".kinds")))
	b.quiet(s.base)
}

// TestBrowserDark: each page is dark for whoever prefers that.
func TestBrowserDark(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	b := openBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/docs", "/problems", "/problems/malformed"} {
			b.do(chromedp.Navigate(s.base+path), chromedp.WaitVisible(chromedp.CSS("h1")))
			b.screenshot(scheme + strings.ReplaceAll(path, "/", "-"))
			text := value[string](b, `getComputedStyle(document.body).color`)
			if want := map[string]string{"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}[scheme]; text != want {
				t.Errorf("%s: the text on %s is %s", scheme, path, text)
			}
		}
	}
}

// TestBrowserCORS: a page of another origin may use the API if that is configured, and only then.
func TestBrowserCORS(t *testing.T) {
	t.Parallel()
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!DOCTYPE html><title>An application</title><link rel="icon" href="data:,">`)
	}))
	t.Cleanup(application.Close)
	config := apiConfig
	config.CORSOrigins = []string{application.URL}
	open, closed := newSystem(t, config), newSystem(t, apiConfig)
	open.startWorker()
	closed.startWorker()

	b := openBrowser(t)
	b.do(chromedp.Navigate(application.URL))
	try := func(base, init string) string {
		return value[string](b, `fetch("`+base+`/user/42/settings", `+init+`).then(
			async r => [r.status, r.headers.get("ETag").replace(/-.*"/, '"'), r.headers.get("X-Request-ID") != null, await r.text()].join(" "),
			e => e.name)`)
	}
	const put = `{method: "PUT", body: '{"theme":"dark"}', headers: {"Content-Type": "application/json", "If-Match": '"0"', "Idempotency-Key": "k"}}`
	if got := try(open.base, `{}`); got != `200 "0" true {}` {
		t.Errorf("reading: %s", got)
	}
	if got := try(open.base, put); got != `200 "1" true {"theme":"dark"}` {
		t.Errorf("writing: %s", got)
	}
	if got := try(open.base, strings.ReplaceAll(put, `"k"`, `"l"`)); !strings.HasPrefix(got, `412 "1" true {"type":"../../problems/precondition-failed"`) {
		t.Errorf("a problem: %s", got)
	}
	for _, init := range []string{`{}`, put} {
		if got := try(closed.base, init); got != "TypeError" {
			t.Errorf("CORS is off, and the page got %s", got)
		}
	}
	closed.has("42", 0, `{}`)
}

//go:build browser

package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserExample: examples/browser, a page of another origin, shows in one window what is
// changed in the other.
func TestBrowserExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/browser/index.html")
	if err != nil {
		t.Fatal(err)
	}
	var page []byte
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(page)
	}))
	t.Cleanup(application.Close)
	config := apiConfig
	config.CORSOrigins = []string{application.URL}
	s := newSystem(t, config)
	s.startWorker()
	page = []byte(strings.ReplaceAll(string(text), "http://127.0.0.1:8080/", s.base+"/"))

	first := openBrowser(t)
	second := first.another(chromedp.WithNewBrowserContext())
	live := func(b *browser, expression string) {
		t.Helper()
		eventually(t, expression, func() bool {
			return value[bool](b, `(() => { const field = name => document.querySelector("[name='" + name + "']");
				return document.querySelector("output").value == "Live." && `+expression+` })()`)
		})
	}
	for _, b := range []*browser{first, second} {
		b.do(chromedp.Navigate(application.URL))
		live(b, `field("theme").value == ""`)
	}
	first.do(chromedp.SendKeys(chromedp.CSS("[name=theme]"), "dark"),
		chromedp.Click(chromedp.CSS("[type=checkbox]")))
	live(second, `field("theme").value == "dark" && field("notifications/email").checked`)
	live(second, `getComputedStyle(document.documentElement).colorScheme == "dark"`)
	second.screenshot("example")
	second.do(chromedp.SendKeys(chromedp.CSS("[name=name]"), "Ada\n"))
	live(first, `field("name").value == "Ada"`)
	live(second, `field("name").value == "Ada"`)
}

//go:build browser

package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// firefoxPage is what each of two tabs does. It posts each of its findings.
const firefoxPage = `<!DOCTYPE html><title>Settings</title><script type="module">
	const tell = text => fetch("/tell", {method: "POST", body: tab + ": " + text});
	const tab = location.search.slice(1);
	try {
		const {outset} = await import("/client.js");
		const settings = outset({user: "42"});
		await settings.set("from/" + tab, await settings.get("theme"));
		for await (const all of settings.watch()) {
			if (all.from?.a && all.from.b && all.theme === "dark") break;
		}
		await settings.synced();
		await tell("both are here, kept: " + settings.state.persistent);
		for await (const theme of settings.watch("theme")) if (theme === "light") break;
		await tell("live: " + settings.state.online);
	} catch (error) {
		await tell(error.message + error.stack);
	}
</script>`

// TestBrowserFirefox: the client does in another engine what it does in Chromium: two tabs read,
// change and watch settings, and share one stream.
func TestBrowserFirefox(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{"theme":"dark"}`)
	to, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	api := httputil.NewSingleHostReverseProxy(to)
	api.FlushInterval = -1                                                // at once
	api.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {} // the tab is gone
	told := make(chan string, 10)
	var streams atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/page":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, firefoxPage)
		case r.URL.Path == "/tell":
			text, _ := io.ReadAll(r.Body)
			told <- string(text)
		case strings.HasSuffix(r.URL.Path, "/events"):
			streams.Add(1)
			fallthrough
		default:
			api.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	openFirefox(t, server.URL+"/page?a", server.URL+"/page?b")
	hear := func(what string) {
		t.Helper()
		heard := map[string]bool{}
		for range 2 {
			select {
			case text := <-told:
				heard[text] = true
			case <-time.After(5 * time.Minute):
				t.Fatalf("only heard %v", heard)
			}
		}
		if !heard["a: "+what] || !heard["b: "+what] {
			t.Fatalf("heard %v", heard)
		}
	}
	hear("both are here, kept: true")
	if n := s.versions("42"); n != 3 {
		t.Errorf("there are %d versions", n)
	}
	if a := s.do(http.MethodPut, "/user/42/settings/theme", `"light"`, isJSON); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	hear("live: true")
	if n := streams.Load(); n != 1 {
		t.Errorf("two tabs have %d streams", n)
	}
}

// openFirefox opens pages in tabs of a Firefox that ends with the test and reaches this machine only.
func openFirefox(t *testing.T, pages ...string) {
	t.Helper()
	program, err := exec.LookPath("firefox-esr")
	if err != nil {
		program, err = exec.LookPath("firefox")
	}
	if err != nil {
		t.Fatal(err)
	}
	profile := t.TempDir()
	preferences := `user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
user_pref("network.proxy.no_proxies_on", "127.0.0.1");
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
`
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, append([]string{"--headless", "--no-remote", "--profile", profile}, pages...)...)
	c.Env = append(os.Environ(), "HOME="+profile)
	var output strings.Builder
	c.Stdout, c.Stderr = &output, &output
	c.WaitDelay = 10 * time.Second // for its own children
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s says %s", program, output.String())
		}
	})
}

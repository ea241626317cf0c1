//go:build browser

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/outset-settings/outset/internal/testwait"
)

// TestBrowserClientWorkerKill: while a page makes changes, of a value each so that none replaces
// another, workers are killed. Each change is made once, in its order.
func TestBrowserClientWorkerKill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	worker, base := s.newWorker(), s.newAPI()

	options := slices.Clone(chromedp.DefaultExecAllocatorOptions[:])
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root can't have it
	}
	browser, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	page, cancel := chromedp.NewContext(browser)
	defer cancel()
	s.do(chromedp.Do(page, chromedp.Navigate(base+"/docs")))
	number := func(expression string) int {
		n, err := chromedp.Run(page, chromedp.Evaluate[int](expression, chromedp.EvalAwaitPromise))
		s.do(err)
		return n
	}
	const changes, kills = 300, 3
	number(fmt.Sprintf(`(async () => {
		const {outset} = await import("/client.js");
		window.settings = outset({url: %q, user: "42"});
		window.made = (async () => {
			for (let i = 1; i <= %d; i++) {
				await settings.set("v" + i, i);
				while (settings.pending > 10) await new Promise(r => setTimeout(r, 1));
			}
			await settings.synced();
			return 1;
		})();
		return 1;
	})()`, base, changes))
	began := time.Now()
	for i := 1; i <= kills; i++ {
		testwait.Until(t, testTimeout, "some changes are made", func() bool {
			return number(`settings.get().then(all => Object.keys(all).length - settings.pending)`) >
				i*changes/(kills+1)
		})
		worker.kill()
		worker = s.newWorker()
	}
	number(`made`)
	t.Logf("%d changes beside %d killed workers took %v", changes, kills, time.Since(began))
	var values []string
	for i := int64(1); i <= changes; i++ {
		values = append(values, fmt.Sprintf(`"v%d":%[1]d`, i))
		a, err := s.want(base, call{method: http.MethodGet, path: versionOf("42", i)}, http.StatusOK, i)
		s.do(err)
		if want := "{" + strings.Join(values, ",") + "}"; a.body != want {
			t.Errorf("version %d is %s", i, a.body)
		}
	}
	s.do(s.has(base, "42", changes, "{"+strings.Join(values, ",")+"}"))
}

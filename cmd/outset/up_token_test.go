//go:build unix

package main

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// TestUpWithTokens: tokens are asked for by default. The first start makes one and prints it, no
// later one does, and the printed commands work as they stand.
func TestUpWithTokens(t *testing.T) {
	t.Parallel()
	data := filepath.Join(pgtest.TempDir(t), "data")
	args := append([]string{"up", "--data", data}, anyPorts...)
	p := start(t, env(), args...)
	at := p.ready(t)
	export := regexp.MustCompile(`export OUTSET_TOKEN=(outset_[0-9a-f]{16}_[0-9a-f]{64})\n`)
	found := export.FindStringSubmatch(p.stdout.String())
	if found == nil {
		t.Fatalf("no token is printed: %s", &p.stdout)
	}
	token := found[1]
	if got := call(t, at.http+"/user/42/settings", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %+v", got)
	}
	shell := newShell(t, at.http)
	for _, line := range strings.Split(p.stdout.String(), "\n") {
		if command := strings.TrimSpace(line); strings.HasPrefix(command, "curl ") {
			got := shell.run(t, "export OUTSET_TOKEN="+token+"; "+command+" 2>/dev/null")
			if !strings.Contains(got, "200 OK") || !strings.Contains(got, `"theme":"dark"`) {
				t.Errorf("%s\n%s", command, got)
			}
		}
		if command := strings.TrimSpace(line); strings.HasPrefix(command, "outset ") {
			got := shell.run(t, "export OUTSET_TOKEN="+token+"; "+command)
			if !strings.Contains(got, `"name":"my-program"`) {
				t.Errorf("%s\n%s", command, got)
			}
		}
	}
	if strings.Contains(p.stderr.String(), token) {
		t.Error("the token is in the log")
	}
	p.stop(t)

	p = start(t, env("OUTSET_TOKEN="+token), args...)
	at = p.ready(t)
	if printed := p.stdout.String(); strings.Contains(printed, "export OUTSET_TOKEN=outset") ||
		!strings.Contains(printed, "ADMIN_TOKEN") {
		t.Errorf("the second start: %s", printed)
	}
	if got := newShell(t, at.http).run(t, "OUTSET_TOKEN="+token+" outset get me theme"); got !=
		"\"dark\"[no line break]\n" {
		t.Errorf("with the token of the first start: %s", got)
	}
	p.stop(t)
}

package browser_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"github.com/outset-settings/outset/clients/browser"
)

// TestClientIsSmall, as the API sends it: at the fastest level.
func TestClientIsSmall(t *testing.T) {
	t.Parallel()
	const limit = 15_000
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(browser.Client); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("client.js has %d bytes, %d as gzip", len(browser.Client), b.Len())
	if b.Len() >= limit {
		t.Errorf("it has %d bytes as gzip, and should have less than %d", b.Len(), limit)
	}
}

// TestPackage: package.json names files that are there, and no dependency.
func TestPackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Types        string
		Files        []string
		Dependencies map[string]string
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(p.Files, p.Types) {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if len(p.Files) == 0 || len(p.Dependencies) > 0 {
		t.Errorf("%+v", p)
	}
}

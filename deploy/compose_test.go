package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/secrets"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestPinnedImages: each image is one exact version: that of go.mod, where it has one.
func TestPinnedImages(t *testing.T) {
	t.Parallel()
	module := read(t, "../go.mod")
	text := read(t, "../compose.yaml") + read(t, "Dockerfile")
	images := regexp.MustCompile(`(?m)(?:_IMAGE:-|_IMAGE=)([a-z/]+):([^}\s]+)\}?`).
		FindAllStringSubmatch(text, -1)
	if len(images) < 6 {
		t.Errorf("found only %q", images)
	}
	for _, image := range images {
		name, tag := image[1], image[2]
		version, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
		if !regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`).MatchString(version) || strings.Count(version,
			".") < map[string]int{"postgres": 1, "nats": 2, "golang": 2, "prom/prometheus": 2, "grafana/grafana": 2}[name] {
			t.Errorf("%s:%s is not one version", name, tag)
		}
		for of, want := range map[string]string{
			"nats": "github.com/nats-io/nats-server/v2 v" + version, "golang": "\ngo " + version + "\n",
			// The module's version of 3.13.5 is 0.313.5. Its parser is what the queries are checked by.
			"prom/prometheus": "github.com/prometheus/prometheus v0." + strings.Replace(version, ".", "", 1),
		} {
			if of == name && !strings.Contains(module, want) {
				t.Errorf("%s:%s is not the version of go.mod", name, tag)
			}
		}
	}
}

// TestPublishedOnLoopback: no port is published beyond this machine, unless somebody says so.
func TestPublishedOnLoopback(t *testing.T) {
	t.Parallel()
	ports := found(`(?m)^ +- "(\S+:\d+)"$`, read(t, "../compose.yaml"))
	if len(ports) != 4 {
		t.Errorf("the ports %q", ports)
	}
	for _, port := range ports {
		if !strings.HasPrefix(port, "127.0.0.1:") && !strings.HasPrefix(port, "${API_BIND:-127.0.0.1}:") {
			t.Errorf("%s is published", port)
		}
	}
}

// TestNoSecretInCompose: no password and no key stands in compose.yaml, nor a default of one, and
// each secret that a service asks for is made by `make secrets`.
func TestNoSecretInCompose(t *testing.T) {
	t.Parallel()
	text := read(t, "../compose.yaml")
	for _, bad := range []string{
		`(?i)_PASSWORD: `, `://[^/@ ]+:[^/@ ]+@`, `sslmode=disable`, `AUTH: none`,
	} {
		if found := regexp.MustCompile(bad).FindString(text); found != "" {
			t.Errorf("compose.yaml has %q", found)
		}
	}
	folder := filepath.Join(t.TempDir(), "secrets")
	if _, err := secrets.Make(folder); err != nil {
		t.Fatal(err)
	}
	for _, file := range regexp.MustCompile(`/secrets\}/([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(folder, file[1])); err != nil {
			t.Error(err)
		}
	}
}

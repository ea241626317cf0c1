package edge_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/edge"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	h, err := edge.NewHosts("api.internal:8080",
		[]string{"Settings.example.org", " *.apps.example.org", ""})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "localhost.": true, "localhost.:1": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "10.1.2.3:80": true, "0.0.0.0": true,
		"[::1]:8080": true, "[::1]": true, "::1": true, "[fe80::1%25eth0]:1": true,
		"api.internal:8080": true, "API.internal": true,
		"settings.example.org": true, "settings.example.org.": true,
		"a.apps.example.org": true, "b.a.apps.example.org:443": true,
		"": true, // HTTP/1.0

		"evil.example": false, "evil.example:8080": false, "internal": false,
		"localhost.evil.example": false, "evillocalhost": false, "foo.localhost": false,
		"127.0.0.1.evil.example": false, "127.0.0.1.nip.io": false, "127.1": false,
		"apps.example.org": false, "xapps.example.org": false,
		"settings.example.org.evil.example": false, "x.settings.example.org": false,
		"[evil.example]": false, "*": false, "*.apps.example.org": true,
		"localhost:80:80": false, "localhost@evil.example": false, "a b": false, "\xff": false,
	} {
		if h.Allow(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	all, err := edge.NewHosts("0.0.0.0:8080", []string{"*"})
	if err != nil || !all.Allow("evil.example") {
		t.Error("* does not allow all", err)
	}
	for _, bad := range []string{
		"https://example.org", "example.org:80", "a b", "*.*", "a.*", "**", "example.org/", "é.org",
	} {
		if _, err := edge.NewHosts("", []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestHostsProperty: no name but those of the list is allowed, however it resembles one.
func TestHostsProperty(t *testing.T) {
	t.Parallel()
	h, err := edge.NewHosts("127.0.0.1:8080", []string{"a.example", "*.b.example"})
	if err != nil {
		t.Fatal(err)
	}
	label := rapid.SampledFrom([]string{"a", "b", "x", "example", "localhost", "127", "0", "1"})
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SliceOfN(label, 1, 5).Draw(t, "labels")
		labels = append(labels, rapid.SampledFrom([]string{"com", "evil"}).Draw(t, "end"))
		host := strings.Join(labels, ".")
		if h.Allow(host) || h.Allow(host+":8080") {
			t.Fatalf("%s is allowed", host)
		}
	})
}

func FuzzHosts(f *testing.F) {
	for _, host := range []string{"localhost:80", "[::1]:80", "evil.example", "", "[", "a:b:c"} {
		f.Add(host)
	}
	h, err := edge.NewHosts("127.0.0.1:8080", []string{"*.example.org"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if strings.HasSuffix(host, ".evil") && h.Allow(host) {
			t.Error(host)
		}
	})
}

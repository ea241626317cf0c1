package edge_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/edge"
)

func proxies(t testing.TB, list ...string) edge.Proxies {
	t.Helper()
	p, err := edge.ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProxies(t *testing.T) {
	t.Parallel()
	p := proxies(t, " 10.0.0.0/8", "192.0.2.7", "", "2001:db8::/32", "::1", "::ffff:198.51.100.1")
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "192.0.2.7": true, "2001:db8::5": true,
		"::1": true, "198.51.100.1": true, "2001:db8::5%eth0": true,
		"11.0.0.1": false, "192.0.2.8": false, "::2": false, "127.0.0.1": false,
	} {
		if p.Trusts(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
	for _, bad := range []string{"10.0.0.0/33", "proxy.example.org", "10.0.0", "*", "1.2.3.4:80"} {
		if _, err := edge.ParseProxies([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	p := proxies(t, "10.0.0.0/8", "fd00::/8")
	for name, c := range map[string]struct {
		remote string
		header []string
		want   string
	}{
		"no proxy":            {"203.0.113.9", []string{"1.2.3.4"}, "203.0.113.9"},
		"no header":           {"10.0.0.1", nil, "10.0.0.1"},
		"one proxy":           {"10.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		"two proxies":         {"10.0.0.1", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"a forged entry":      {"10.0.0.1", []string{"1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		"a forged header":     {"10.0.0.1", []string{"1.2.3.4", "203.0.113.9"}, "203.0.113.9"},
		"forged as ours":      {"10.0.0.1", []string{"10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"a client of ours":    {"10.0.0.1", []string{"10.3.3.3"}, "10.3.3.3"},
		"nonsense":            {"10.0.0.1", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"nonsense before":     {"10.0.0.1", []string{"<script>, 203.0.113.9"}, "203.0.113.9"},
		"with a port":         {"10.0.0.1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6":                {"fd00::1", []string{"2001:db8::9"}, "2001:db8::9"},
		"IPv6 with a port":    {"fd00::1", []string{"[2001:db8::9]:4711"}, "2001:db8::9"},
		"IPv6 in brackets":    {"fd00::1", []string{"[2001:db8::9]"}, "2001:db8::9"},
		"IPv4 in IPv6":        {"::ffff:10.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"an empty header":     {"10.0.0.1", []string{""}, "10.0.0.1"},
		"a comma at the end":  {"10.0.0.1", []string{"203.0.113.9,"}, "10.0.0.1"},
		"nobody is trusted":   {"127.0.0.1", []string{"1.2.3.4"}, "127.0.0.1"},
		"a proxy of a client": {"10.0.0.1", []string{"1.2.3.4, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
	} {
		if got := p.Client(netip.MustParseAddr(c.remote), c.header...); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestClientProperty: whatever a client writes before what the proxy appends, it is known.
func TestClientProperty(t *testing.T) {
	t.Parallel()
	p := proxies(t, "10.0.0.0/8")
	rapid.Check(t, func(t *rapid.T) {
		forged := rapid.OneOf(rapid.String(), rapid.StringMatching(`([0-9.]{7,12}, ?){0,4}`)).
			Draw(t, "forged")
		const client = "203.0.113.9"
		got := p.Client(netip.MustParseAddr("10.0.0.1"), forged+", "+client)
		if got.String() != client {
			t.Fatalf("%q makes it %s", forged, got)
		}
	})
}

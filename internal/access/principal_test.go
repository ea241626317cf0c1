package access_test

import (
	"net/netip"
	"testing"

	"github.com/outset-settings/outset/internal/access"
)

// TestPrincipal: what is charged to one principal, and what to two.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	type asks struct {
		id   access.Identity
		from string
	}
	user := access.Identity{Kind: access.User, Subject: "ann", Token: "1"}
	other := access.Identity{Kind: access.User, Subject: "bob", Token: "1"}
	renewed := access.Identity{Kind: access.User, Subject: "ann", Token: "2"}
	service := access.Identity{Kind: access.Service, Subject: "ann", Token: "1"}
	serviceRenewed := access.Identity{Kind: access.Service, Subject: "ann", Token: "2"}
	nobody := access.Identity{}
	for name, c := range map[string]struct {
		one, two asks
		same     bool
	}{
		"a user elsewhere":           {asks{user, "192.0.2.1"}, asks{renewed, "2001:db8::1"}, true},
		"two users":                  {asks{user, "192.0.2.1"}, asks{other, "192.0.2.1"}, false},
		"a service of a user's name": {asks{user, "192.0.2.1"}, asks{service, "192.0.2.1"}, false},
		"a service's next JWT":       {asks{service, "192.0.2.1"}, asks{serviceRenewed, "192.0.2.1"}, true},
		"two addresses":              {asks{nobody, "192.0.2.1"}, asks{nobody, "192.0.2.2"}, false},
		"an address mapped to IPv6":  {asks{nobody, "192.0.2.1"}, asks{nobody, "::ffff:192.0.2.1"}, true},
		"a /64 of IPv6":              {asks{nobody, "2001:db8::1"}, asks{nobody, "2001:db8::ffff:1%eth0"}, true},
		"two of IPv6":                {asks{nobody, "2001:db8::1"}, asks{nobody, "2001:db8:0:1::1"}, false},
		"a user with no token":       {asks{user, "192.0.2.1"}, asks{nobody, "192.0.2.1"}, false},
	} {
		principal := func(a asks) string { return a.id.Principal(netip.MustParseAddr(a.from)) }
		if one, two := principal(c.one), principal(c.two); (one == two) != c.same {
			t.Errorf("%s: %s, %s", name, one, two)
		}
	}
}

package access

import "net/netip"

// Principal names who a request is charged to, where several share something: a service's token,
// else the user, else the client's address. Equal names are one principal.
//
// A service's static token counts by its id. Its JWTs, of which it gets a new one each hour or so,
// count by their subject.
func (id *Identity) Principal(client netip.Addr) string {
	switch {
	case id.Kind == User:
		return "user:" + id.Subject
	case id.Kind == Service && id.static:
		return "token:" + id.Token
	case id.Kind == Service:
		return "service:" + id.Subject
	default:
		return "address:" + Network(client).String()
	}
}

// Network is the part of an address that one client has for itself: all of an IPv4 address, and the
// first 64 bits of an IPv6 address, below which a client may take any.
func Network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	return netip.PrefixFrom(addr, 64).Masked().Addr()
}

package edge

import (
	"fmt"
	"net/netip"
	"strings"
)

// Proxies are the addresses of the proxies that stand before a program. Only what they say of a
// request counts: everybody can send X-Forwarded headers.
type Proxies []netip.Prefix

// ParseProxies reads networks and single addresses, such as 10.0.0.0/8 and ::1.
func ParseProxies(list []string) (Proxies, error) {
	var all Proxies
	for _, entry := range list {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if addr, addrErr := netip.ParseAddr(entry); addrErr == nil {
			network, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network like 10.0.0.0/8 nor an address", entry)
		}
		all = append(all, network.Masked())
	}
	return all, nil
}

// Trusts tells whether the address is one of these proxies.
func (p Proxies) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Client returns who sends a request that comes from the address remote, given its X-Forwarded-For
// headers. Each proxy appends whom it heard from, so the last address counts that is no proxy of
// ours: the client can have written the ones before it.
func (p Proxies) Client(remote netip.Addr, forwardedFor ...string) netip.Addr {
	if !p.Trusts(remote) {
		return remote
	}
	entries := strings.Split(strings.Join(forwardedFor, ","), ",")
	for i := len(entries) - 1; i >= 0; i-- {
		addr, ok := parseForwarded(entries[i])
		if !ok {
			break // what comes before it can't be trusted either
		}
		if remote = addr; !p.Trusts(addr) {
			break
		}
	}
	return remote
}

// parseForwarded reads an address, which some proxies write with the port.
func parseForwarded(entry string) (netip.Addr, bool) {
	entry = strings.TrimSpace(entry)
	if with, err := netip.ParseAddrPort(entry); err == nil {
		return with.Addr().Unmap(), true
	}
	addr, err := netip.ParseAddr(strings.Trim(entry, "[]"))
	return addr.Unmap(), err == nil
}

// Package edge is what the HTTP addresses of our programs have in common: the names under which
// they may be asked, their certificate, the proxies before them, and answers that are kept for a
// moment.
package edge

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// anyHost stands for every name there is.
const anyHost = "*"

// Hosts are the names under which an HTTP address may be asked. A page can give its own name the
// address of a server that only its reader's browser reaches (DNS rebinding); for the browser that
// server is the page's own, and the page may read and write there. Only the name in the Host
// header tells such a request from others. A rebinding needs a name, so IP addresses are allowed.
type Hosts struct {
	any      bool
	names    map[string]bool
	suffixes []string // with the dot at the beginning
}

// pattern matches a name as browsers send it, or all names below one.
var pattern = regexp.MustCompile(`^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// NewHosts allows localhost, the name in the address that a program listens on, and the others: a
// name, *.name for all names below it, or * for all.
func NewHosts(listen string, others []string) (Hosts, error) {
	h := Hosts{names: map[string]bool{"localhost": true}}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		h.names[nameOf(host)] = true
	}
	for _, other := range others {
		name := nameOf(strings.TrimSpace(other))
		switch {
		case name == "":
		case name == anyHost:
			h.any = true
		case !pattern.MatchString(name) || strings.Contains(other, ":"):
			return Hosts{}, fmt.Errorf("%q is not a name like settings.example.org, "+
				"*.example.org or *; it has no port", other)
		case name[0] == '*':
			h.suffixes = append(h.suffixes, name[1:])
		default:
			h.names[name] = true
		}
	}
	return h, nil
}

// Allow tells whether a request may have this host, with or without a port. Without a host it may:
// only HTTP/1.0 has that, which no browser speaks.
func (h Hosts) Allow(host string) bool {
	if h.any || host == "" {
		return true
	}
	name := nameOf(host)
	if h.names[name] {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, suffix := range h.suffixes {
		if len(name) > len(suffix) && strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// nameOf returns a host without port, brackets and the dot at the end, in lower case.
func nameOf(host string) string {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(inside, "]")
		return host
	}
	if i := strings.IndexByte(host, ':'); i >= 0 && !strings.Contains(host[i+1:], ":") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

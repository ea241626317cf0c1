package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// anyOrigin stands for every origin there is.
const anyOrigin = "*"

// anyBelow stands for the names below a domain, at the beginning of a host.
const anyBelow = "*."

// origins are those whose pages may use the API from a browser.
type origins struct {
	any   bool
	exact map[string]bool
	below []namesBelow
}

// namesBelow are all origins whose host is below a domain, as https://*.example.org is written: one
// label or more before it, but not the domain itself.
type namesBelow struct {
	scheme string // with ://
	domain string // with the dot before it, and with the port if there is one
}

// parseOrigins reads CORS_ORIGINS. It returns an error for an origin that no browser would ever
// send, since it would have no effect.
func parseOrigins(list []string) (origins, error) {
	list = trimmed(list)
	o := origins{exact: make(map[string]bool)}
	for _, entry := range list {
		if entry == anyOrigin && len(list) == 1 {
			return origins{any: true}, nil
		}
		lower := strings.ToLower(entry)
		scheme, host, _ := strings.Cut(lower, "://")
		domain, pattern := strings.CutPrefix(host, anyBelow)
		if err := validateOrigin(scheme+"://"+domain, lower, pattern); err != nil {
			return origins{}, fmt.Errorf("CORS_ORIGINS: %q is not an origin like "+
				"https://app.example.org or https://*.example.org: %w", entry, err)
		}
		if pattern {
			o.below = append(o.below, namesBelow{scheme + "://", "." + domain})
		} else {
			o.exact[lower] = true
		}
	}
	return o, nil
}

// none tells whether no origin is allowed.
func (o origins) none() bool { return !o.any && len(o.exact) == 0 && len(o.below) == 0 }

// allow tells whether pages of an origin may use the API.
func (o origins) allow(origin string) bool {
	origin = strings.ToLower(origin)
	if o.any || o.exact[origin] {
		return true
	}
	for _, b := range o.below {
		rest, ok := strings.CutPrefix(origin, b.scheme)
		if !ok {
			continue
		}
		// The dot is part of the domain, so evil-example.org doesn't end with it.
		if name, ok := strings.CutSuffix(rest, b.domain); ok && hostName.MatchString(name) {
			return true
		}
	}
	return false
}

// trimmed returns the list without spaces and empty entries.
func trimmed(list []string) []string {
	var entries []string
	for _, entry := range list {
		if entry = strings.Trim(entry, " "); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// hostName matches a name as browsers send it: an internationalised one in its xn-- form.
var hostName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// validateOrigin checks an origin, in lower case. entry is how it was written; pattern tells that
// it stood for the names below this one.
func validateOrigin(origin, entry string, pattern bool) error {
	if entry == anyOrigin {
		return fmt.Errorf("%s must stand alone", anyOrigin)
	}
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	usual := map[string]string{"http": "80", "https": "443"}
	_, notAddress := netip.ParseAddr(u.Hostname())
	switch port := u.Port(); {
	case usual[u.Scheme] == "":
		return errors.New("it must begin with http:// or https://")
	case u.Host == "":
		return errors.New("it has no host")
	case u.Scheme+"://"+u.Host != origin:
		return errors.New("it must end after the host and the port, without a slash")
	case strings.HasPrefix(u.Host, "[") && notAddress != nil,
		u.Host[0] != '[' && !hostName.MatchString(u.Hostname()):
		return errors.New("the host is neither a name nor an address")
	case pattern && notAddress == nil:
		return errors.New("there are no names below an address")
	case strings.HasSuffix(u.Host, ":"):
		return errors.New("there is no port after the colon")
	case port == usual[u.Scheme]:
		return fmt.Errorf("browsers omit the port %s", port)
	}
	return nil
}

package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// The head of a request is checked before anything else, on its bytes: fasthttp keeps only one of
// several equal headers, and takes more than RFC 9112 allows. Where two servers read a head in two
// ways, a request can be smuggled past one of them, so whatever is ambiguous is refused.

// singles are the headers that may be there once. All others are lists, or not looked at, or get an
// answer of their own: a second Authorization is refused like a token that isn't valid.
var singles = [...][]byte{
	transferEncoding: []byte("Transfer-Encoding"),
	contentLength:    []byte("Content-Length"),
	2:                []byte("Host"),
	3:                []byte("Content-Type"),
	4:                []byte("Content-Encoding"),
	5:                []byte("Cookie"),
	6:                []byte("Expect"),
	7:                []byte("Origin"),
	8:                []byte("Idempotency-Key"),
	9:                []byte("Last-Event-Id"),
}

// The indexes in singles of those that say where a body ends.
const (
	transferEncoding = iota
	contentLength
)

// checkHead returns a problem if the head is not that of a valid, unambiguous request.
func checkHead(h *fasthttp.RequestHeader) error {
	if v := string(h.Protocol()); v != "HTTP/1.1" && v != "HTTP/1.0" {
		return errVersion
	}
	err := checkLines(h.RawHeaders())
	if err == nil {
		err = checkAuthority(h)
	}
	if err != nil {
		return problem{kind: messages.KindMalformed, detail: err.Error()}
	}
	return nil
}

// checkLines checks all lines of a head but the first. The last one is empty.
func checkLines(raw []byte) error {
	var seen [len(singles)]bool
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		n := len(line) - 1
		if n < 0 || line[n] != '\r' {
			return errBareLF
		}
		if line = line[:n]; len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.ContainsAny(name, " \t") { // or it continues the line before it
			return errors.New("the name of a header has white space in it (RFC 9112, section 5)")
		}
		i := singleOf(name)
		switch {
		case i < 0:
			continue
		case seen[i]:
			return fmt.Errorf("%s: it occurs more than once", singles[i])
		case i == transferEncoding && !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")):
			return errors.New("the Transfer-Encoding is not chunked")
		}
		seen[i] = true
	}
	if seen[transferEncoding] && seen[contentLength] {
		return errors.New("there are both Transfer-Encoding and Content-Length")
	}
	return nil
}

// singleOf returns the index of a name in singles, or -1.
func singleOf(name []byte) int {
	for i, s := range singles {
		if len(s) == len(name) && bytes.EqualFold(s, name) {
			return i
		}
	}
	return -1
}

// checkAuthority checks the host that the request is for: that of the header, and that of the
// target if it has one (RFC 9112, section 3.2.2).
func checkAuthority(h *fasthttp.RequestHeader) error {
	if host := h.Host(); len(host) > 0 && !validHost(host) {
		return errors.New("the Host is not a host, with or without a port")
	}
	target := h.RequestURI()
	switch {
	case bytes.IndexByte(target, '#') >= 0:
		return errors.New("the target of the request has a fragment (RFC 9112, section 3.2)")
	case bytes.HasPrefix(target, []byte("//")):
		// Some take what follows for a host, fasthttp if there is a "://" anywhere behind.
		return errors.New("the target of the request begins with two slashes")
	case target[0] == '/', string(target) == "*", h.IsConnect():
		return nil
	}
	scheme, rest, _ := bytes.Cut(target, []byte("://"))
	if !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
		return errors.New("the target of the request is of an unknown scheme")
	}
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if !validHost(rest) {
		return errors.New("the target of the request has no valid host")
	}
	return nil
}

// maxHost is how many bytes a name may have (RFC 1035, section 2.3.4).
const maxHost = 255

// validHost tells whether this is a host with or without a port: uri-host [ ":" port ] (RFC 9110,
// section 7.2, and RFC 3986, section 3.2.2).
func validHost(host []byte) bool {
	if i := bytes.LastIndexByte(host, ':'); i > bytes.LastIndexByte(host, ']') {
		if port := host[i+1:]; len(port) > 0 {
			if n, err := strconv.ParseUint(string(port), 10, 16); err != nil || n == 0 {
				return false
			}
		}
		host = host[:i]
	}
	switch {
	case len(host) == 0 || len(host) > maxHost:
		return false
	case host[0] == '[':
		ip, err := netip.ParseAddr(string(host[1:max(len(host)-1, 1)]))
		return err == nil && ip.Is6() && ip.Zone() == "" && host[len(host)-1] == ']'
	}
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case isUnreserved(c) || bytes.IndexByte([]byte("!$&'()*+,;="), c) >= 0:
		case c == '%' && i+2 < len(host) && isHex(host[i+1]) && isHex(host[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// refuseHead answers a request whose head is not valid, and ends the connection: nobody can say
// where its body ends.
func (s *Server) refuseHead(c *fasthttp.RequestCtx, err error) {
	ctx := s.app.AcquireCtx(c)
	defer s.app.ReleaseCtx(ctx)
	c.SetConnectionClose()
	if err := s.fail(ctx, err); err != nil {
		c.SetStatusCode(fasthttp.StatusBadRequest)
	}
}

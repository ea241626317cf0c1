package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/internal/edge"
)

// EdgeConfig is under which names, with which certificate and behind which proxies an API is asked.
type EdgeConfig struct {
	HTTPHosts      []string `name:"http-hosts" env:"HTTP_HOSTS" placeholder:"NAME" help:"names under which the HTTP addresses may be asked, besides localhost and IP addresses; *.NAME for all below it, * for all"`
	TLSCert        string   `name:"tls-cert" env:"TLS_CERT" placeholder:"FILE" help:"the certificate for HTTPS, with those between it and the root, in PEM; loaded again when it changes"`
	TLSKey         string   `name:"tls-key" env:"TLS_KEY" placeholder:"FILE" help:"its private key, in PEM"`
	TrustedProxies []string `env:"TRUSTED_PROXIES" placeholder:"CIDR" help:"proxies whose X-Forwarded headers count; none by default"`
}

// hstsValue tells browsers to use HTTPS only for a year (RFC 6797).
const hstsValue = "max-age=31536000"

// front is an EdgeConfig in use.
type front struct {
	hosts       edge.Hosts
	proxies     edge.Proxies
	certificate *edge.Certificate // nil: without TLS
}

// open checks the configuration, and loads the certificate. listen is HTTP_ADDR.
func (c EdgeConfig) open(listen string, log *slog.Logger) (f front, err error) {
	if f.hosts, err = edge.NewHosts(listen, c.HTTPHosts); err != nil {
		return front{}, fmt.Errorf("HTTP_HOSTS: %w", err)
	}
	if f.proxies, err = edge.ParseProxies(c.TrustedProxies); err != nil {
		return front{}, fmt.Errorf("TRUSTED_PROXIES: %w", err)
	}
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
	case c.TLSCert == "" || c.TLSKey == "":
		return front{}, errors.New("TLS_CERT and TLS_KEY need each other")
	default:
		f.certificate, err = edge.LoadCertificate(c.TLSCert, c.TLSKey, log)
	}
	return f, err
}

// wrap adds TLS to a listener. The handshake is part of the first read from a connection, so it
// holds up nobody else, and READ_TIMEOUT bounds it.
func (f *front) wrap(l net.Listener) net.Listener {
	if f.certificate == nil {
		return l
	}
	return tls.NewListener(l, f.certificate.Config())
}

// watch follows the files of the certificate until ctx ends or stop is called.
func (f *front) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	if f.certificate != nil {
		running.Go(func() { f.certificate.Watch(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// scheme is the scheme of the API's own address.
func (f *front) scheme() string {
	if f.certificate == nil {
		return "http"
	}
	return "https"
}

// checkHost refuses a request for a name that isn't ours, before its body is read. A trusted proxy
// may have replaced the name; then the one that the client has used must be allowed as well.
func (s *Server) checkHost(c *fiber.Ctx) error {
	// A request may name a host in its first line, too (RFC 9112, section 3.2.2).
	header, line := c.Request().Header.Host(), c.Request().Host()
	allowed := s.allows(c, string(header)) && (bytes.Equal(header, line) || s.allows(c, string(line)))
	name := fiber.HeaderHost
	if allowed && s.isProxied(c) {
		host, _, _ := strings.Cut(c.Get(fiber.HeaderXForwardedHost), ",")
		host = strings.TrimSpace(host)
		allowed = host == "" || validHost([]byte(host)) && s.allows(c, host)
		name = fiber.HeaderXForwardedHost
	}
	if allowed {
		return nil
	}
	if c.Context().RequestBodyStream() != nil {
		endAfter(c)
	}
	return problem{kind: kindMisdirected, detail: "HTTP_HOSTS doesn't list the name in " + name}
}

// allows tells whether a request may be for this name, which may be that of ADMIN_ADDR there.
func (s *Server) allows(c *fiber.Ctx, host string) bool {
	admin := adminOf(c.Context())
	return s.front.hosts.Allow(host) || admin != nil && admin.Allow(host)
}

// remote is the address that the connection comes from.
func remote(c *fasthttp.RequestCtx) netip.Addr { return addrOf(c.RemoteAddr()) }

func addrOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// isProxied tells whether the request comes from a proxy whose headers count.
func (s *Server) isProxied(c *fiber.Ctx) bool {
	return len(s.front.proxies) > 0 && s.front.proxies.Trusts(remote(c.Context()))
}

// isSecure tells whether the client sent the request by HTTPS, to us or to a trusted proxy.
func (s *Server) isSecure(c *fiber.Ctx) bool {
	if s.front.certificate != nil && adminOf(c.Context()) == nil {
		return true
	}
	scheme, _, _ := strings.Cut(c.Get(fiber.HeaderXForwardedProto), ",")
	return strings.EqualFold(strings.TrimSpace(scheme), "https") && s.isProxied(c)
}

// clientKey is the key of the client's address in the Locals of a subrequest, whose headers say
// nothing about it.
const clientKey = "client"

// clientAddr is the address of the client, before all trusted proxies. It is for logs: many
// clients may share one.
func (s *Server) clientAddr(c *fiber.Ctx) netip.Addr {
	if addr, ok := c.Locals(clientKey).(netip.Addr); ok {
		return addr
	}
	from := remote(c.Context())
	if !s.isProxied(c) {
		return from
	}
	var header []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		header = append(header, string(line))
	}
	return s.front.proxies.Client(from, header...)
}

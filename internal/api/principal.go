package api

import (
	"net/netip"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// principal names who the request is charged to; see [access.Identity.Principal].
func (s *Server) principal(c *fiber.Ctx) string {
	return identityOf(c).Principal(s.clientAddr(c))
}

// share is the principal as a number.
func (s *Server) share(c *fiber.Ctx) uint64 { return messages.PrincipalOf(s.principal(c)) }

// sharer is the principal for [access.Shares]. A proxy that names no client has no share of its
// own, since it stands for all of its clients.
func (s *Server) sharer(c *fiber.Ctx) string {
	client := s.clientAddr(c)
	if id := identityOf(c); id.Kind != access.Anonymous {
		return id.Principal(client)
	}
	return s.sharerAt(client)
}

// sharerAt is the one of somebody of whom only the address is known.
func (s *Server) sharerAt(client netip.Addr) string {
	if s.front.proxies.Trusts(client) {
		return ""
	}
	return anonymous.Principal(client)
}

// room is what a request has taken of the shares, if any.
type room struct {
	of    *access.Shares
	who   string
	taken int64
}

// take takes more, or nothing and returns false.
func (r *room) take(n int) bool {
	if !r.of.Take(r.who, int64(n)) {
		return false
	}
	r.taken += int64(n)
	return true
}

// release gives all of it back. Only the first call has an effect.
func (r *room) release() {
	if r.taken > 0 {
		r.of.Release(r.who, r.taken)
		r.taken = 0
	}
}

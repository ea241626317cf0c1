package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
)

// subrequest is a request inside a multi-request.
type subrequest struct {
	method string
	path   string // with the query
	header []headerLine
	body   []byte // byte for byte; nil for none
}

type headerLine struct{ name, value string }

// The methods that a subrequest may have, and the headers that it may not.
var (
	subrequestMethods = []string{
		fiber.MethodGet, fiber.MethodHead, fiber.MethodPut, fiber.MethodPost, fiber.MethodPatch,
		fiber.MethodDelete,
	}
	// These are about the connection, the message or its sender, which a subrequest shares with the
	// others.
	notInSubrequest = []string{
		fiber.HeaderHost, fiber.HeaderContentLength, fiber.HeaderTransferEncoding,
		fiber.HeaderConnection, fiber.HeaderExpect, fiber.HeaderKeepAlive,
		"Proxy-Connection", fiber.HeaderProxyAuthenticate, fiber.HeaderProxyAuthorization,
		fiber.HeaderTE, fiber.HeaderTrailer, fiber.HeaderUpgrade, fiber.HeaderAuthorization,
		fiber.HeaderCookie,
	}
)

// multiParser parses the body of a multi-request. Workers check the bodies of the subrequests, so a
// duplicate key or invalid UTF-8 in one of them fails no other.
type multiParser struct{ reader }

// parseMulti returns the subrequests of a multi-request. Its error is for the client.
func parseMulti(text []byte) (subrequests []subrequest, err error) {
	p := multiParser{
		newReader(text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
	}
	err = p.object(func(name string) error {
		if name != "operations" {
			return unknownMember(name, "operations")
		}
		subrequests, err = p.subrequests()
		return err
	})
	if err == nil {
		err = p.end()
	}
	if err == nil && len(subrequests) == 0 {
		err = errors.New("it has no operations")
	}
	if err != nil {
		return nil, p.placed(err)
	}
	return subrequests, nil
}

func (p *multiParser) subrequests() (subrequests []subrequest, err error) {
	if err := p.open('[', "operations must be an array"); err != nil {
		return nil, err
	}
	for p.json.PeekKind() != ']' {
		if len(subrequests) == maxSubrequests {
			return nil, fmt.Errorf("it has more than %d operations", maxSubrequests)
		}
		sub, err := p.subrequest()
		if err == nil {
			err = sub.check()
		}
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", len(subrequests), err)
		}
		subrequests = append(subrequests, sub)
	}
	_, err = p.token()
	return subrequests, err
}

func (p *multiParser) subrequest() (sub subrequest, err error) {
	err = p.object(func(name string) error {
		switch name {
		case "method":
			sub.method, err = p.string("method must be a string")
		case "path":
			sub.path, err = p.string("path must be a string")
		case "headers":
			sub.header, err = p.header()
		case "body":
			sub.body, err = p.value()
		default:
			err = unknownMember(name, "method", "path", "headers", "body")
		}
		return err
	})
	return sub, err
}

func (p *multiParser) header() (header []headerLine, err error) {
	err = p.object(func(name string) error {
		value, err := p.string("a header must be a string")
		header = append(header, headerLine{name, strings.Trim(value, " \t")})
		return err
	})
	return header, err
}

// check returns an error if the subrequest can't be a request.
func (sub *subrequest) check() error {
	switch {
	case sub.method == "" || sub.path == "":
		return errors.New("it needs a method and a path")
	case !slices.Contains(subrequestMethods, sub.method):
		return fmt.Errorf("the method must be one of %s", strings.Join(subrequestMethods, ", "))
	case sub.path[0] != '/':
		return errors.New("the path must begin with a /")
	case strings.ContainsFunc(sub.path, notInPath):
		return errors.New("the path must be percent-encoded, without a fragment")
	}
	for _, h := range sub.header {
		if err := h.check(); err != nil {
			return err
		}
	}
	return nil
}

func notInPath(r rune) bool { return r <= ' ' || r > '~' || r == '#' }

func (h headerLine) check() error {
	switch {
	case h.name == "" || strings.ContainsFunc(h.name, notInToken):
		return fmt.Errorf("%.40q is not a header name", h.name)
	case slices.ContainsFunc(notInSubrequest, func(name string) bool {
		return strings.EqualFold(name, h.name)
	}):
		return fmt.Errorf("an operation can't have the header %.40q", h.name)
	case strings.ContainsFunc(h.value, notInValue):
		return fmt.Errorf("the header %.40q may have visible ASCII characters and spaces only",
			h.name)
	}
	return nil
}

// notInToken tells whether a token (RFC 9110 section 5.6.2) can't have the character.
func notInToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
		!strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func notInValue(r rune) bool { return r < ' ' && r != '\t' || r > '~' }

package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client talks to one Outset service. It may be used by many goroutines at once; make one and keep
// it.
type Client struct {
	base    string // scheme, host and perhaps a path, without a slash at the end
	http    *http.Client
	header  http.Header // of every request
	retry   Retry
	timeout time.Duration // of one attempt
	err     error         // of an option
}

// Option changes how a Client works.
type Option func(*Client)

// WithHTTPClient has the requests sent by another http.Client than one of the Client's own, for
// instance one with certificates or a proxy. Its Timeout, which would end streams too, doesn't
// count: see [WithTimeout]. Redirects are never followed.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithRetry changes how requests are repeated; Retry{Attempts: 1} never does it.
func WithRetry(r Retry) Option { return func(c *Client) { c.retry = r.orDefaults() } }

// WithTimeout limits each attempt of a request, and of a stream the time until it begins; the
// default is 15 s. It should be longer than the service's own limit (REQUEST_TIMEOUT, by default 5
// s), whose answer says more than silence does. What limits the whole call is its context.
func WithTimeout(d time.Duration) Option { return func(c *Client) { c.timeout = d } }

// WithHeader sets a header of every request, for instance what a gateway before the service wants
// to see.
func WithHeader(name, value string) Option {
	return func(c *Client) {
		c.err = errors.Join(c.err, checkHeader(name, value))
		c.header.Set(name, value)
	}
}

const (
	defaultTimeout = 15 * time.Second
	// Connections that are kept when idle; net/http's own default of 2 makes new ones all the time
	// under load.
	idleConnections = 64
)

// New returns a client of the service at an address like "http://127.0.0.1:8080", which may have a
// path before that of the service. It doesn't connect yet.
func New(server string, options ...Option) (*Client, error) {
	u, err := url.Parse(server)
	var why *url.Error
	switch {
	case errors.As(err, &why):
		// not the address, which may have a password
		return nil, fmt.Errorf("outset: the address of the service: %w", why.Err)
	case err != nil:
		return nil, fmt.Errorf("outset: the address of the service: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.ForceQuery,
		u.Fragment != "":
		return nil, fmt.Errorf("outset: %q is no address of a service, like http://127.0.0.1:8080",
			u.Redacted())
	}
	c := &Client{
		base:    strings.TrimRight(server, "/"),
		header:  http.Header{"User-Agent": {"outset-go"}},
		retry:   Retry{}.orDefaults(),
		timeout: defaultTimeout,
	}
	for _, option := range options {
		option(c)
	}
	if c.err != nil {
		return nil, c.err
	}
	if c.http == nil {
		c.http = &http.Client{Transport: transport()}
	}
	own := *c.http
	own.Timeout = 0
	// net/http would make a GET of a write that is redirected, and its success would look like that
	// of the write.
	own.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	c.http = &own
	return c, nil
}

func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // the program has put something else there, on purpose
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = idleConnections
	return t
}

// CloseIdleConnections closes the connections that are kept for later requests.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

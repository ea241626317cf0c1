package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client talks to one Outset service. It may be used by several goroutines at once; make one and
// keep it.
type Client struct {
	base    string      // scheme, host and perhaps a path, without a slash at the end
	header  http.Header // of every request
	http    *http.Client
	tokens  *tokenKeeper // nil: requests have no token
	retry   Retry
	timeout time.Duration // of one attempt
}

const (
	// The service itself answers within 5 s (REQUEST_TIMEOUT) by default, and its answer says more
	// than a timeout does.
	defaultTimeout = 15 * time.Second
	// net/http keeps 2 idle connections by default, so that many goroutines would make new ones all
	// the time.
	maxIdleConnections = 64
)

// Option changes how a Client works.
type Option func(*Client) error

// WithHTTPClient sends the requests by h, which may for instance have certificates or a proxy; nil
// stands for the default. Its Timeout would end streams, too, and is ignored: see [WithTimeout].
// Redirects are never followed.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h != nil {
			c.http = h
		}
		return nil
	}
}

// WithRetry changes how requests are repeated; Retry{Attempts: 1} never repeats one.
func WithRetry(r Retry) Option {
	return func(c *Client) error {
		c.retry = r.withDefaults()
		return nil
	}
}

// WithTimeout limits each attempt of a request, and of a stream the time until it begins. The
// default is 15 s. It should be longer than the service's own limit (REQUEST_TIMEOUT, 5 s by
// default), whose answer says more than a timeout does. The context limits the whole call.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		c.timeout = d
		return nil
	}
}

// WithHeader sets a header of every request, for instance what a gateway before the service asks
// for. Host is that of the requests instead of the URL's. [New] returns [ErrMalformed] for one that
// can't be sent.
func WithHeader(name, value string) Option {
	return func(c *Client) error {
		c.header.Set(name, value)
		return checkHeader(name, value)
	}
}

// New returns a client of the service at a URL like "http://127.0.0.1:8080", which may have a path.
// It doesn't connect yet.
func New(server string, options ...Option) (*Client, error) {
	if err := checkServer(server); err != nil {
		return nil, err
	}
	c := &Client{
		base:    strings.TrimRight(server, "/"),
		header:  http.Header{"User-Agent": {"outset-go"}},
		http:    &http.Client{Transport: defaultTransport()},
		retry:   Retry{}.withDefaults(),
		timeout: defaultTimeout,
	}
	for _, option := range options {
		if err := option(c); err != nil {
			return nil, err
		}
	}
	own := *c.http // so that the caller's stays as it is
	own.Timeout = 0
	own.CheckRedirect = dontFollow
	c.http = &own
	return c, nil
}

// CloseIdleConnections closes the connections that are kept for later requests.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// checkServer returns an error without the password that the URL may have.
func checkServer(server string) error {
	if !strings.Contains(server, "://") { // url.Parse would take a port for a part of the path
		return errors.New("outset: the URL of the service begins with neither http:// nor https://")
	}
	u, err := url.Parse(server)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL
		}
		return fmt.Errorf("outset: the URL of the service: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("outset: %q is not the URL of a service, like http://127.0.0.1:8080",
			u.Redacted())
	}
	return nil
}

// resolve returns the address to which a reference in the answer to an operation leads (RFC 3986,
// section 5).
func (c *Client) resolve(o *Operation, reference string) (*url.URL, error) {
	u, err := url.Parse(c.base + o.path)
	if err == nil {
		u, err = u.Parse(reference)
	}
	if err != nil {
		return nil, fmt.Errorf("outset: an answer with an address that can't be understood: %w", err)
	}
	return u, nil
}

// dontFollow keeps net/http from following a redirect: it would make a GET of a redirected write,
// whose success would look like that of the write.
func dontFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // the program has replaced it on purpose
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = maxIdleConnections
	return t
}

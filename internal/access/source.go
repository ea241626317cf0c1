package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// maxKeySet is how many bytes a JWKS may have.
const maxKeySet = 1 << 20

// source returns a function that reads a JWKS: a file, or an address. It is read over TLS, since
// whoever can change it can make any token; http is for this machine only.
func source(where string) (func(context.Context) ([]byte, error), error) {
	if !strings.Contains(where, "://") {
		return func(context.Context) ([]byte, error) { return readFile(where) }, nil
	}
	u, err := url.Parse(where)
	switch {
	case err != nil:
		return nil, errors.New("JWT_JWKS is neither a file nor an address")
	case u.Host == "" || u.User != nil:
		return nil, errors.New("JWT_JWKS must be an address with a host and without a password")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("JWT_JWKS must be a file or begin with https://, not %s://%s; "+
			"http:// is for loopback only", u.Scheme, u.Host)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("there is no HTTP transport")
	}
	transport = transport.Clone()
	transport.DisableKeepAlives = true // it is asked every few minutes
	client := &http.Client{
		Transport: transport,
		// The address is pinned: nobody else may say where the keys are.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) ([]byte, error) { return fetch(ctx, client, where) }, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readAll(f)
}

func fetch(ctx context.Context, client *http.Client, where string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	return readAll(response.Body)
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err == nil && len(data) > maxKeySet {
		err = fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	return data, err
}

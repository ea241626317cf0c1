package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// reloadEvery is how often the files of a certificate are looked at. They are read as a whole,
// some kilobytes, since times of files deceive: secrets of containers are links that are replaced.
const reloadEvery = 2 * time.Second

// Certificate is a server's certificate and its private key, from two files in PEM. When the files
// change, new connections get the new certificate; those that are open are not touched. While the
// new pair is broken, for instance because one file of it has been written yet, the last good one
// is kept.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	seen              [2][]byte // what the files had when they were last read
	current           atomic.Pointer[tls.Certificate]
}

// LoadCertificate reads the files for the first time. Its error, like all log lines, has nothing of
// the key.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(keyFile); err == nil && Exposed(keyFile, info.Mode()) {
		WarnExposed(log, "TLS_KEY")
	}
	return c, nil
}

// Config returns a configuration with the certificate of the moment, TLS 1.2 or newer, and HTTP/1.1
// alone.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}

// Watch loads the files whenever they change, until ctx ends.
func (c *Certificate) Watch(ctx context.Context) { c.watch(ctx, reloadEvery) }

func (c *Certificate) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for unread := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := c.load()
		switch {
		case err != nil && (changed || !unread): // once for each state of the files
			c.log.Error("the new TLS certificate can't be used; the last good one is kept",
				"error", err)
		case changed && err == nil:
			c.log.Info("TLS certificate loaded", "expires", c.current.Load().Leaf.NotAfter)
		}
		unread = err != nil && !changed
	}
}

// load reads the files, and tells whether they have changed since the last time. Where they
// haven't, a broken pair is no error again.
func (c *Certificate) load() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, fmt.Errorf("TLS_CERT: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("TLS_KEY: %w", err)
	}
	if bytes.Equal(cert, c.seen[0]) && bytes.Equal(key, c.seen[1]) {
		return false, nil
	}
	c.seen = [2][]byte{cert, key}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, fmt.Errorf("TLS_CERT, TLS_KEY: %w", err)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		c.log.Warn("the TLS certificate has expired", "expired", pair.Leaf.NotAfter)
	}
	c.current.Store(&pair)
	return true, nil
}

package worker_test

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestConfig: the least and the most that each limit may be, and one beyond.
func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set         func(c *worker.Config, n int)
		least, most int
	}{
		"MAX_DOCUMENT_BYTES": {
			func(c *worker.Config, n int) { c.MaxDocument = n }, 1024,
			messages.MaxDocument,
		},
		"MAX_DEPTH": {func(c *worker.Config, n int) { c.MaxDepth = n }, 1, 128},
		"MAX_KEYS":  {func(c *worker.Config, n int) { c.MaxKeys = n }, 1, 100_000},
		"HISTORY_VERSIONS": {
			func(c *worker.Config, n int) { c.HistoryVersions = n }, 1,
			math.MaxInt32,
		},
		"HISTORY_BYTES": {
			func(c *worker.Config, n int) { c.HistoryBytes = n }, config.MaxDocument, 1 << 50,
		},
	} {
		for n, right := range map[int]bool{
			c.least: true, c.most: true, c.least - 1: false, c.most + 1: false, math.MinInt: false,
			math.MaxInt: false,
		} {
			config := config
			c.set(&config, n)
			if err := config.Validate(); (err == nil) != right ||
				err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%d: %v", name, n, err)
			}
		}
	}
	for name, change := range map[string]func(c *worker.Config){
		"DRAIN_TIMEOUT": func(c *worker.Config) { c.DrainTimeout = 0 },
		"HISTORY_AGE":   func(c *worker.Config) { c.HistoryAge = 24*time.Hour - 1 },
	} {
		c := config
		change(&c)
		if _, err := worker.New(nil, nil, nil, c, "", slog.New(slog.DiscardHandler)); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// BenchmarkHundred is a hundred writes, each of another user, by the ways to send them: what a
// batch saves its client.
func BenchmarkHundred(b *testing.B) {
	s := newSystem(b, apiConfig)
	s.startWorker()
	s.startWorker()
	document := `{"theme":"dark","text":"` + strings.Repeat("x", 400) + `"}`
	var paths, operations []string
	for i := range 100 {
		paths = append(paths, fmt.Sprintf("/user/u%d/settings", i))
		operations = append(operations, `{"method":"PUT","path":"`+paths[i]+`","body":`+document+`}`)
	}
	batch := `{"operations":[` + strings.Join(operations, ",") + `]}`
	put := func(method, path, body string) {
		r, err := http.NewRequestWithContext(b.Context(), method, s.base+path,
			strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := s.client.Do(r)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := io.Copy(io.Discard, response.Body); err != nil ||
			response.StatusCode != http.StatusOK {
			b.Error(response.Status, err)
		}
	}
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			put(http.MethodPost, "/batch", batch)
		}
	})
	b.Run("side by side", func(b *testing.B) {
		for b.Loop() {
			var all sync.WaitGroup
			for _, path := range paths {
				all.Go(func() { put(http.MethodPut, path, document) })
			}
			all.Wait()
		}
	})
	b.Run("one after the other", func(b *testing.B) {
		for b.Loop() {
			for _, path := range paths {
				put(http.MethodPut, path, document)
			}
		}
	})
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// headers are those that requests have.
func (r remote) headers() (http.Header, error) {
	header, err := readHeaders(r.Header)
	switch {
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("--header: %w", err)
	case err != nil:
		return nil, program.Usage(fmt.Errorf("--header: %w", err))
	case header.Get("Authorization") != "" && (r.Token != "" || r.TokenFile != ""):
		return nil, program.Usage(errors.New("--header: Authorization: requests have a token " +
			"already, that of OUTSET_TOKEN or --token-file"))
	}
	return header, nil
}

// readHeaders reads headers as --header has them: NAME:VALUE, or @FILE for a file with such lines,
// which keeps secrets from those who can read a program's arguments.
func readHeaders(all []string) (http.Header, error) {
	header := make(http.Header)
	for _, one := range all {
		lines := []string{one}
		if file, ok := strings.CutPrefix(one, "@"); ok {
			text, err := os.ReadFile(file) //nolint:gosec // the user has chosen it
			if err != nil {
				return nil, err
			}
			lines = strings.Split(string(text), "\n")
		}
		for _, line := range lines {
			if err := addHeader(header, line); err != nil {
				return nil, err
			}
		}
	}
	return header, nil
}

// addHeader reads a line. The error doesn't show the value, which may be a secret.
func addHeader(header http.Header, line string) error {
	if line = strings.TrimSpace(line); line == "" {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("a header is NAME:VALUE")
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if _, err := client.New("http://localhost", client.WithHeader(name, value)); err != nil {
		return plain(err)
	}
	header.Add(name, value)
	return nil
}

// headerOptions make a client send these headers. What is there several times is joined, as
// RFC 9110 section 5.3 allows.
func headerOptions(header http.Header) (options []client.Option) {
	for name, values := range header {
		options = append(options, client.WithHeader(name, strings.Join(values, ", ")))
	}
	return options
}

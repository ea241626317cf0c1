package client

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problem is an Error as the service spells it.
type problem struct {
	Type       string          `json:"type"`
	Title      string          `json:"title"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail"`
	RequestID  string          `json:"requestId"`
	Version    int64           `json:"version"`
	Settings   json.RawMessage `json:"settings"`
	Violations []Violation     `json:"violations"`
	Omitted    bool            `json:"violationsOmitted"`
}

func (p *problem) error() *Error {
	return &Error{
		Status: p.Status, Kind: strings.TrimPrefix(p.Type, "/problems/"), Title: p.Title,
		Detail: p.Detail, RequestID: p.RequestID,
		Version: p.Version, Settings: p.Settings, Violations: p.Violations,
		ViolationsOmitted: p.Omitted,
	}
}

// errorOf makes an Error of an answer that is none that was hoped for.
func errorOf(status int, header http.Header, body []byte) *Error {
	var p problem
	// "" where that can't be read
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if mediaType != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		p = problem{Title: http.StatusText(status)} // of something on the way
		if to := header.Get("Location"); to != "" {
			p.Detail = p.Title + ", to " + to
		}
	}
	e := p.error()
	e.Status = status
	if e.RequestID == "" {
		e.RequestID = header.Get("X-Request-Id")
	}
	e.RetryAfter = retryAfter(header.Get("Retry-After"))
	return e
}

// retryAfter reads the header of RFC 9110 section 10.2.3: seconds or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

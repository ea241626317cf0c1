package api

import (
	"bytes"
	"log/slog"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/tracing"
)

// The keys of a request's span, and of the span of a subrequest's multi-request, in fiber's Locals.
const (
	spanKey   = "span"
	parentKey = "parent span"
)

// startSpan starts the span of a request, if it is to be traced.
func (s *Server) startSpan(c *fiber.Ctx) *tracing.Span {
	if s.config.Tracer == nil {
		return nil
	}
	r := &tracing.Request{
		Method: methodOf(c), ID: requestID(c), Scheme: "http",
		// Else one request could keep all spans that are exported with it from being encoded.
		Path: strings.ToValidUTF8(c.Path(), "\uFFFD"),
	}
	if s.isSecure(c) {
		r.Scheme = "https"
	}
	var span *tracing.Span
	if parent, ok := c.Locals(parentKey).(*tracing.Span); ok {
		span = parent.Subrequest(r)
	} else {
		// Two make none valid (W3C Trace Context, section 3.2.2.4).
		if all := c.Request().Header.PeekAll(tracing.Traceparent); len(all) == 1 {
			r.Traceparent = string(all[0])
			states := c.Request().Header.PeekAll(tracing.Tracestate)
			r.Tracestate = string(bytes.Join(states, []byte(",")))
		}
		span = s.config.Tracer.Serve(r)
	}
	if span != nil {
		c.Locals(spanKey, span)
		set(c, tracing.Traceresponse, span.Place().Header())
	}
	return span
}

// endSpan ends the span of a request that was answered, after this error if there was one.
func (s *Server) endSpan(c *fiber.Ctx, span *tracing.Span, failure error) {
	if span == nil {
		return
	}
	kind := ""
	if failure != nil {
		kind = string(s.problemOf(c, failure).known().kind)
	}
	span.Answered(methodOf(c), s.metrics.routes[c.Route()], c.Response().StatusCode(), kind)
	span.End()
}

// spanOf returns the span of a request, or nil.
func (s *Server) spanOf(c *fiber.Ctx) *tracing.Span {
	if s.config.Tracer == nil {
		return nil
	}
	span, _ := c.Locals(spanKey).(*tracing.Span)
	return span
}

// trace is the span of a request as its operations have it.
func (s *Server) trace(c *fiber.Ctx) []byte { return s.spanOf(c).Place().Bytes() }

// logOf returns the log of what happens to a request.
func (s *Server) logOf(c *fiber.Ctx) *slog.Logger {
	return s.log.With("request_id", requestID(c)).With(s.spanOf(c).Place().LogArgs()...)
}

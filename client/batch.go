package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The limits of one multi-request, the body of POST /batch.
const (
	maxSubrequests = 100
	// The service takes 68 KiB for each with its default of MAX_DOCUMENT_BYTES.
	maxMultiRequest = maxSubrequests * (68 << 10)
)

// Result is what became of one operation of [Client.Batch].
type Result struct {
	// Settings has the value as its Document, for operations on values.
	Settings
	// Created tells that [OpSetValue] found no value there.
	Created bool
	// Err is nil if the operation was carried out, else what the method of its name would return.
	Err error
}

// Batch carries out many operations with few requests, one for each 100 operations or 6.6 MiB. It
// returns a result for each operation, in their order. Operations of the same user are carried out
// one after the other. One that fails doesn't keep the others from being carried out.
//
// The error is that of a request which failed as a whole, and is also that of its results. Requests
// are repeated as by other methods; single operations that found the service busy are not. They can
// be sent again in another Batch, since an [Operation] is applied once, but then come after the
// later operations of their user.
func (c *Client) Batch(ctx context.Context, operations ...Operation) ([]Result, error) {
	results := make([]Result, len(operations))
	for i, o := range operations {
		results[i] = Result{Settings: Settings{User: o.user}, Err: o.check()}
	}
	limit := maxSubrequests
	for begin := 0; begin < len(operations); {
		end := begin + fitting(operations[begin:], limit)
		switch err := c.multiRequest(ctx, operations[begin:end], results[begin:end]); {
		case tooLarge(err) && end-begin > 1: // smaller requests, so that only the large one fails
			limit = (end - begin) / 2
			continue
		case tooLarge(err):
			setErrors(results[begin:end], err)
		case err != nil:
			setErrors(results[begin:end], err)
			// Sent now, they would overtake operations that may have to be sent again.
			setErrors(results[end:], notSent(err))
			return results, err
		}
		begin, limit = end, min(2*limit, maxSubrequests)
	}
	return results, nil
}

// notSent returns the error of operations that were not sent because of an earlier one's error. It
// is not of the kind of that one.
func notSent(earlier error) error {
	return fmt.Errorf("%w: it wasn't sent, because operations before it had no answer: %s",
		ErrUnavailable, strings.TrimPrefix(earlier.Error(), "outset: "))
}

// tooLarge tells whether a request was refused for its size, by the service or by a proxy.
func tooLarge(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusRequestEntityTooLarge &&
		!errors.Is(err, ErrOutcomeUnknown)
}

// fitting returns how many of the operations fit into one request: at least one.
func fitting(operations []Operation, limit int) int {
	most, size := min(len(operations), limit), 0
	for n := range most {
		o := &operations[n]
		size += len(o.path) + len(o.body) + 1<<10 // headers
		if size > maxMultiRequest && n > 0 {
			return n
		}
	}
	return most
}

// setErrors sets the error of the results that have none yet.
func setErrors(results []Result, err error) {
	for i := range results {
		if results[i].Err == nil {
			results[i].Err = err
		}
	}
}

// check returns an error for an operation that the service could not read, because then it could
// not read the whole request.
func (o *Operation) check() error {
	switch {
	case o.err != nil:
		return o.err
	case o.method == "" || o.path == "":
		return fmt.Errorf("%w: the operation was made by none of the functions for that",
			ErrMalformed)
	// As deep as in the request: encoding/json limits the depth.
	case o.body != nil && !json.Valid(slices.Concat([]byte("[[["), o.body, []byte("]]]"))):
		return fmt.Errorf("%w: the body of %s is not JSON", ErrMalformed, o.method)
	}
	for name, values := range o.header {
		notASCII := func(r rune) bool { return r > '~' }
		if strings.ContainsFunc(strings.Join(values, ""), notASCII) {
			return fmt.Errorf("%w: in a batch the header %s may have ASCII characters only",
				ErrMalformed, name)
		}
	}
	return nil
}

// multiRequest sends the operations that have no error yet, and sets their results.
func (c *Client) multiRequest(
	ctx context.Context, operations []Operation, results []Result,
) error {
	request := Operation{
		method: http.MethodPost, path: "/batch", answer: jsonType,
		header: http.Header{"Content-Type": {jsonType}},
	}
	var subrequests [][]byte
	var sent []*Result
	for i := range operations {
		if o := &operations[i]; results[i].Err == nil {
			subrequests, sent = append(subrequests, o.subrequest()), append(sent, &results[i])
			request.write = request.write || o.write
		}
	}
	if len(sent) == 0 {
		return nil
	}
	request.body = fmt.Appendf(nil, `{"operations":[%s]}`, bytes.Join(subrequests, []byte(",")))
	a, err := c.do(ctx, &request)
	if err != nil {
		return err
	}
	var all struct {
		Results []subanswer `json:"results"`
	}
	if err := decode(a.body, &all); err != nil {
		return err
	}
	if len(all.Results) != len(sent) {
		return fmt.Errorf("%w: %d results of %d operations", ErrIncomplete, len(all.Results),
			len(sent))
	}
	for i, r := range all.Results {
		*sent[i] = r.result(sent[i].User)
	}
	return nil
}

// subrequest returns the operation as JSON. The body keeps its bytes, which json.Marshal would not
// do.
func (o *Operation) subrequest() []byte {
	headers := make(map[string]string, len(o.header))
	for name, values := range o.header {
		headers[name] = strings.Join(values, ", ")
	}
	head, err := json.Marshal(struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers,omitempty"`
	}{o.method, o.path, headers})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	if o.body == nil {
		return head
	}
	return fmt.Appendf(nil, `%s,"body":%s}`, head[:len(head)-1], o.body)
}

// subanswer is the answer to one subrequest.
type subanswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

func (s subanswer) result(user string) Result {
	a := answer{status: s.Status, header: make(http.Header, len(s.Headers)), body: s.Body}
	for name, value := range s.Headers {
		a.header.Set(name, value)
	}
	switch {
	case s.Status == http.StatusNotModified:
		return Result{Settings: Settings{User: user}, Err: ErrNotModified}
	case s.Status < 200 || s.Status > 299:
		return Result{Settings: Settings{User: user}, Err: errorOf(s.Status, a.header, s.Body)}
	}
	return Result{Settings: a.settings(user), Created: s.Status == http.StatusCreated}
}

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

// What the service takes in one request.
const (
	maxBatch      = 100                   // operations
	maxBatchBytes = maxBatch * (68 << 10) // as long as it has its default of MAX_DOCUMENT_BYTES
)

// Result is what became of one operation of a batch.
type Result struct {
	Settings       // of [OpValue] and its like the Document is the value
	Created  bool  // of [OpSetValue]: there was no such value before
	Err      error // what the method of the same name would return; nil: it was done
}

// Batch carries out many operations in one request, or in one for each hundred (or 6.6 MiB), and
// returns a result for each, in their order. Those of one user are done one after the other; that
// one fails keeps none of the others from being done.
//
// The error is that of a request which got no answer as a whole; the results that it leaves open
// have it, too. Requests are repeated as with other methods, but not single operations that found
// the service busy. Those can be sent again as they are, since an [Operation] is applied once; but
// one that is sent again overtakes the later ones of its user that were applied already.
func (c *Client) Batch(ctx context.Context, operations ...Operation) ([]Result, error) {
	results := make([]Result, len(operations))
	for i, o := range operations {
		results[i] = Result{Settings: Settings{User: o.user}, Err: o.check()}
	}
	limit := maxBatch
	for begin := 0; begin < len(operations); {
		end := begin + together(operations[begin:], limit)
		switch err := c.batch(ctx, operations[begin:end], results[begin:end]); {
		case tooLarge(err) && end-begin > 1: // the one that is shall fail alone
			limit = (end - begin) / 2
			continue
		case tooLarge(err):
			fill(results[begin:end], err)
		case err != nil:
			fill(results[begin:end], err)
			// What comes later would overtake operations that may have to be sent again.
			fill(results[end:], fmt.Errorf("%w: it wasn't sent, because operations before it had no answer: %s", ErrUnavailable, strings.TrimPrefix(err.Error(), "outset: ")))
			return results, err
		}
		begin, limit = end, min(2*limit, maxBatch)
	}
	return results, nil
}

// tooLarge tells whether a request as a whole was refused for its size, by the service or by
// something on the way.
func tooLarge(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusRequestEntityTooLarge &&
		!errors.Is(err, ErrOutcomeUnknown)
}

// together is how many of the operations go into the next request.
func together(operations []Operation, limit int) int {
	most, size := min(len(operations), limit), 0
	for n := range most {
		o := &operations[n]
		// 1 KiB: headers, which are short
		if size += len(o.path) + len(o.body) + 1<<10; size > maxBatchBytes && n > 0 {
			return n
		}
	}
	return most
}

// fill gives an error to those that have none yet.
func fill(results []Result, err error) {
	for i := range results {
		if results[i].Err == nil {
			results[i].Err = err
		}
	}
}

// check tells why an operation can't be a part of a batch: what the service can't read would make
// the whole unreadable.
func (o *Operation) check() error {
	switch {
	case o.err != nil:
		return o.err
	case o.method == "" || o.path == "":
		return fmt.Errorf("%w: the operation was made by none of the functions for that",
			ErrMalformed)
	// as deep as it will be
	case o.body != nil && !json.Valid(slices.Concat([]byte("[[["), o.body, []byte("]]]"))):
		return fmt.Errorf("%w: the body of %s is not JSON", ErrMalformed, o.method)
	}
	for name, values := range o.header {
		if strings.ContainsFunc(strings.Join(values, ""), func(r rune) bool { return r > '~' }) {
			return fmt.Errorf("%w: in a batch the header %s may have ASCII characters only",
				ErrMalformed, name)
		}
	}
	return nil
}

// batch sends the operations that have no error yet, and fills in their results.
func (c *Client) batch(ctx context.Context, operations []Operation, results []Result) error {
	request := Operation{
		method: http.MethodPost, path: "/batch", answer: jsonType,
		header: http.Header{"Content-Type": {jsonType}},
	}
	var parts [][]byte
	var sent []*Result
	for i := range operations {
		if o := &operations[i]; results[i].Err == nil {
			parts, sent = append(parts, o.json()), append(sent, &results[i])
			request.write = request.write || o.write
		}
	}
	if len(parts) == 0 {
		return nil
	}
	request.body = fmt.Appendf(nil, `{"operations":[%s]}`, bytes.Join(parts, []byte(",")))
	a, err := c.do(ctx, &request)
	if err != nil {
		return err
	}
	var all struct {
		Results []entry `json:"results"`
	}
	if err := decode(a.body, &all); err != nil {
		return err
	}
	if len(all.Results) != len(sent) {
		return fmt.Errorf("%w: %d results of %d operations", ErrIncomplete, len(all.Results),
			len(sent))
	}
	for i, e := range all.Results {
		*sent[i] = e.result(sent[i].User)
	}
	return nil
}

// json is an operation as a batch has it. Not through Marshal, which would spell the body in
// another way.
func (o *Operation) json() []byte {
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
		panic(err) // strings are always JSON
	}
	if o.body == nil {
		return head
	}
	return fmt.Appendf(nil, `%s,"body":%s}`, head[:len(head)-1], o.body)
}

// entry is the answer to one operation.
type entry struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

func (e entry) result(user string) Result {
	a := answer{status: e.Status, header: make(http.Header, len(e.Headers)), body: e.Body}
	for name, value := range e.Headers {
		a.header.Set(name, value)
	}
	switch {
	case e.Status == http.StatusNotModified:
		return Result{Settings: Settings{User: user}, Err: ErrNotModified}
	case e.Status < 200 || e.Status > 299:
		return Result{Settings: Settings{User: user}, Err: errorOf(e.Status, a.header, e.Body)}
	}
	return Result{Settings: a.settings(user), Created: e.Status == http.StatusCreated}
}

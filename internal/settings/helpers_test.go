package settings_test

import (
	"errors"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// named are the errors of which every error wraps exactly one.
var named = []error{
	settings.ErrMalformed, settings.ErrInvalid, settings.ErrTooLarge, settings.ErrNotFound,
	settings.ErrNotApplicable,
	settings.ErrSchema, settings.ErrViolation,
}

func checkNamed(t *testing.T, err error) {
	t.Helper()
	n := 0
	for _, name := range named {
		if errors.Is(err, name) {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%v wraps %d of the named errors", err, n)
	}
}

// checkError wants an error that wraps no other named error than want, or none.
func checkError(t *testing.T, err, want error) {
	t.Helper()
	if want == nil && err == nil {
		return
	}
	if want == nil || err == nil || !errors.Is(err, want) {
		t.Fatalf("the error is %v, want %v", err, want)
	}
	checkNamed(t, err)
}

// maker makes a change from a body: a method of Limits.
type maker func(body []byte) (settings.Change, error)

// outcome applies the change that the method makes from body to the document.
func outcome(method maker, document, body string) (settings.Next, error) {
	change, err := method([]byte(body))
	if err != nil {
		return settings.Next{}, err
	}
	return change([]byte(document))
}

// checkOutcome wants these bytes, or the error if there is one.
func checkOutcome(t *testing.T, method maker, document, body, want string, wantErr error) {
	t.Helper()
	next, err := outcome(method, document, body)
	checkError(t, err, wantErr)
	if err == nil && string(next.Document) != want {
		t.Errorf("%s\nwith %s\nis   %s\nwant %s", document, body, next.Document, want)
	}
}

// setter is SetValue at a path.
func setter(path ...string) maker {
	return func(body []byte) (settings.Change, error) { return limits.SetValue(path, body) }
}

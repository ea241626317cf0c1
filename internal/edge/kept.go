package edge

import (
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Kept is an answer that is asked for at most once in a while, however often it is wanted: those
// who want it meanwhile get the last one, or wait together for the next one.
type Kept[T any] struct {
	age    time.Duration
	ask    func() (T, error)
	errors bool
	last   atomic.Pointer[answer[T]]
	flight singleflight.Group
}

type answer[T any] struct {
	value T
	err   error
	until time.Time
}

// Keep returns the answers of ask, each kept for age. Errors are kept, too, if errors is true. ask
// must return in a bounded time.
func Keep[T any](age time.Duration, errors bool, ask func() (T, error)) *Kept[T] {
	return &Kept[T]{age: age, errors: errors, ask: ask}
}

// Get returns an answer that is at most as old as it may be.
func (k *Kept[T]) Get() (T, error) {
	if a := k.last.Load(); a != nil && time.Now().Before(a.until) {
		return a.value, a.err
	}
	v, err, _ := k.flight.Do("", func() (any, error) {
		a := &answer[T]{}
		a.value, a.err = k.ask()
		if a.err == nil || k.errors {
			a.until = time.Now().Add(k.age)
			k.last.Store(a)
		}
		return a.value, a.err
	})
	value, _ := v.(T) // it is one, or nil where T is an interface
	return value, err
}

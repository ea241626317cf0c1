package access

import (
	"hash/maphash"
	"sync"
)

// bounded is a map with at most so many entries, for many goroutines. It has two generations: new
// entries and those that are used go into the young one. When that is full, the old one is dropped
// and the young one becomes old. So an entry that is used stays, and none needs a list or a clock.
type bounded[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shards]shard[K, V]
	each   int // entries of a generation of a shard
}

// shards keep the processors from waiting for one lock.
const shards = 16

type shard[K comparable, V any] struct {
	mu         sync.RWMutex
	young, old map[K]V
}

// newBounded returns a map with room for at least half of most entries, and never for more.
func newBounded[K comparable, V any](most int) *bounded[K, V] {
	return &bounded[K, V]{seed: maphash.MakeSeed(), each: max(most/shards/2, 1)}
}

func (b *bounded[K, V]) shard(key K) *shard[K, V] {
	return &b.shards[maphash.Comparable(b.seed, key)%shards]
}

// get returns the value of a key.
func (b *bounded[K, V]) get(key K) (V, bool) {
	s := b.shard(key)
	s.mu.RLock()
	v, ok := s.young[key]
	if ok {
		s.mu.RUnlock()
		return v, true
	}
	v, ok = s.old[key]
	s.mu.RUnlock()
	if ok {
		b.put(key, v)
	}
	return v, ok
}

// put sets the value of a key.
func (b *bounded[K, V]) put(key K, v V) {
	s := b.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, v, b.each)
}

// getOrPut returns the value of a key, and first makes one if there is none.
func (b *bounded[K, V]) getOrPut(key K, makeOne func() V) V {
	if v, ok := b.get(key); ok {
		return v
	}
	s := b.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.young[key]; ok {
		return v
	}
	v := makeOne()
	s.put(key, v, b.each)
	return v
}

// len counts the entries. One that is in both generations counts twice.
func (b *bounded[K, V]) len() (n int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}

func (s *shard[K, V]) put(key K, v V, each int) {
	if _, ok := s.young[key]; !ok && len(s.young) >= each {
		s.young, s.old = nil, s.young
	}
	if s.young == nil {
		s.young = make(map[K]V)
	}
	s.young[key] = v
}

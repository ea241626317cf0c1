package store

// BlockedUntil is until when replacements go the long way, in nanoseconds since 1970.
func (s *Store) BlockedUntil() int64 { return s.blockedUntil.Load() }

package store

// Blocked tells whether replacements go the long way for now.
func (s *Store) Blocked() bool { return s.blocked() }

//go:build unix && !linux

package localpg

// WithoutDeathSignals does nothing: these systems have none.
func WithoutDeathSignals() {}

package localpg

// WithoutDeathSignals makes this process start servers as on systems that do not tell them of its
// death.
func WithoutDeathSignals() { deathSignals = false }

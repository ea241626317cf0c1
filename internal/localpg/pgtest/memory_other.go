//go:build unix && !linux

package pgtest

func memory() []string { return nil }

//go:build !failpoint

package failpoint

// Hit is always false in a program that is built without the tag, and costs nothing.
func Hit(string) bool { return false }

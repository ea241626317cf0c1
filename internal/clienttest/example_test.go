package clienttest

import (
	"os"
	"os/exec"
	"testing"
)

// TestExamples runs the examples of package client, which are in its module.
func TestExamples(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^Example", ".")
	c.Dir, c.Env = "../../client", append(os.Environ(), "CLIENT_TEST_SERVICE="+service)
	if text, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}

package process

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLimit: a process is in a control group of its own with the limit, and back afterwards.
func TestLimit(t *testing.T) {
	p, err := Start(t.Context(), t.TempDir(), "sleep", nil, "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	groups := func() string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := groups()
	undo, err := Limit([]Part{{"sleep", p.PID()}}, 0.5)
	if err != nil {
		t.Skip("no control groups to write:", err)
	}
	if !strings.Contains(groups(), "/outset-bench-") {
		t.Errorf("it is in %s", groups())
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	if groups() != before {
		t.Errorf("it is in %s, and was in %s", groups(), before)
	}
}

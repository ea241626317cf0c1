package localpg_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// status reads one line of /proc/PID/status.
func status(pid int, name string) string {
	b, _ := os.ReadFile("/proc/" + itoa(pid) + "/status")
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// alive is false for a zombie too: not every init waits for those it inherits.
func alive(pid int) bool {
	state := status(pid, "State")
	return state != "" && !strings.HasPrefix(state, "Z")
}

// quitPending reports whether a stopped process has a SIGQUIT waiting.
func quitPending(pid int) bool {
	pending, _ := strconv.ParseUint(status(pid, "ShdPnd"), 16, 64)
	return pending&(1<<(syscall.SIGQUIT-1)) != 0
}

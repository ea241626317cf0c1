package edge

import (
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
)

// Exposed tells whether others than a file's owner and group may read it, or others than its owner
// change it, so that a secret in it is none. Container engines mount secrets below /run/secrets,
// readable for all users of the container, of whom there is one.
func Exposed(path string, mode fs.FileMode) bool {
	const others, changing = 0o004, 0o022
	return runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&(others|changing) != 0 &&
		!strings.HasPrefix(path, "/run/secrets/")
}

// WarnExposed logs that the file of a setting is [Exposed]. It doesn't name the file, which may be
// the secret itself, set by mistake.
func WarnExposed(log *slog.Logger, setting string) {
	log.Warn("other users can read or change this secret; chmod 600 its file", "setting", setting)
}

package api_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestGeneratedClients: two widespread generators make clients of openapi.json. They compile, and
// save and read a document.
func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the generators take a minute to build")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/generators")); err != nil {
		t.Fatal(err)
	}
	description, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), description, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "go", arguments...)
		command.Dir, command.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		var trouble bytes.Buffer // and what is downloaded
		command.Stderr = &trouble
		out, err := command.Output()
		if err != nil {
			t.Fatalf("go %v: %v\n%s%s", arguments, err, &trouble, out)
		}
		return string(out)
	}
	if err := os.Mkdir(filepath.Join(dir, "oapi"), 0o700); err != nil {
		t.Fatal(err)
	}
	run("tool", "oapi-codegen", "-generate", "types,client", "-package", "oapi", "-o", "oapi/client.go", "openapi.json")
	run("tool", "ogen", "--target", "og", "--package", "og", "openapi.json")

	s := newSystem(t, apiConfig)
	s.startWorker()
	got := run("run", ".", s.base)
	want := regexp.MustCompile(`^oapi-codegen "1-[0-9a-z]+" {"theme":"dark"}` + "\n" + `ogen "1-[0-9a-z]+" {"theme":"light"}` + "\n$")
	if !want.MatchString(got) {
		t.Errorf("they say\n%s", got)
	}
}

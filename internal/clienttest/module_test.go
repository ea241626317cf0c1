package clienttest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestModule: a program that imports the client gets no other module, and no newer Go than the
// client needs.
func TestModule(t *testing.T) {
	t.Parallel()
	client, err := filepath.Abs("../../client")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": `module program

go 1.24.0

require github.com/outset-settings/outset/client v0.0.0

replace github.com/outset-settings/outset/client => ` + client + "\n",
		"main.go": `package main

import "github.com/outset-settings/outset/client"

func main() {
	if _, err := client.New("http://127.0.0.1:8080"); err != nil {
		panic(err)
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", ".")
	c.Dir, c.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	if text, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	if sums, err := os.ReadFile(filepath.Join(dir, "go.sum")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it needs other modules: %s, %v", sums, err)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestBill: the bill of this test's own program has its modules, each with a version, and is the
// same whenever it is written.
func TestBill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "program")
	text, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(program, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	write := func() []byte {
		if err := run("1.2.3-dev+abc", []string{program}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(program + ".cdx.json")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := write()
	if !bytes.Equal(first, write()) {
		t.Error("two bills of one program differ")
	}
	var b cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(first), cdx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if c := b.Metadata.Component; c.Name != "program" || c.Version != "1.2.3-dev+abc" {
		t.Errorf("it is of %+v", c)
	}
	found := make(map[string]string)
	for _, c := range *b.Components {
		if c.Version == "" || !strings.HasPrefix(c.PackageURL, "pkg:golang/"+c.Name+"@") {
			t.Errorf("%+v", c)
		}
		found[c.Name] = c.Version
	}
	if found["std"] == "" || found["github.com/CycloneDX/cyclonedx-go"] == "" {
		t.Errorf("it has %v", found)
	}
}

func TestNoProgram(t *testing.T) {
	t.Parallel()
	for _, programs := range [][]string{nil, {"/nowhere"}, {t.TempDir()}} {
		if err := run("", programs); err == nil {
			t.Errorf("%v: no error", programs)
		}
	}
}

// Command sbom writes a bill of materials (CycloneDX) of each program beside it: the modules that
// are linked into it, and the version of Go, as the linker has recorded them. The same program
// gives the same bytes.
package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	version := flag.String("version", "", "the version of the programs")
	flag.Parse()
	if err := run(*version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(version string, programs []string) error {
	if len(programs) == 0 {
		return errors.New("which programs?")
	}
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := encode(bill(filepath.Base(path), version, info))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path+".cdx.json", text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// bill lists what a program is made of. It has neither a time nor a serial number, which would
// differ each time.
func bill(name, version string, info *debug.BuildInfo) *cdx.BOM {
	b := cdx.NewBOM()
	root := cdx.Component{
		BOMRef: "program", Type: cdx.ComponentTypeApplication, Name: name,
		Version:    cmp.Or(version, info.Main.Version),
		PackageURL: packageURL(info.Path, cmp.Or(version, info.Main.Version)),
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	}
	b.Metadata = &cdx.Metadata{Component: &root}
	components := []cdx.Component{library("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		switch {
		case m.Replace == nil:
		case m.Replace.Version == "": // a folder: package client, which is of this very version
			m = &debug.Module{Path: m.Path, Version: root.Version}
		default:
			m = m.Replace
		}
		components = append(components, library(m.Path, m.Version, m.Sum))
	}
	slices.SortFunc(components, func(a, b cdx.Component) int {
		return cmp.Compare(a.PackageURL, b.PackageURL)
	})
	var refs []string
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	b.Components = &components
	b.Dependencies = &[]cdx.Dependency{{Ref: root.BOMRef, Dependencies: &refs}}
	return b
}

// library is a module. Its sum is the one of go.sum, which is of the files and not of an archive,
// so it is a property and no hash.
func library(path, version, sum string) cdx.Component {
	c := cdx.Component{
		BOMRef: packageURL(path, version), Type: cdx.ComponentTypeLibrary, Name: path,
		Version: version, PackageURL: packageURL(path, version), Scope: cdx.ScopeRequired,
	}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "golang:sum", Value: sum}}
	}
	return c
}

// packageURL is the purl of a module (package-url.org). A + of a version is escaped.
func packageURL(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func encode(b *cdx.BOM) ([]byte, error) {
	var text bytes.Buffer
	e := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	err := e.Encode(b)
	return text.Bytes(), err
}

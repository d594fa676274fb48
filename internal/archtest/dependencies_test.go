package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// licences are known by words that only they have. Others are not wanted.
var licences = []struct{ name, words string }{
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MIT", "Permission is hereby granted, free of charge"},
	{"BSD", "Redistribution and use in source and binary forms"},
	{"ISC", "Permission to use, copy, modify, and/or distribute"},
}

type goModule struct {
	Path, Dir      string
	Main, Indirect bool
}

// modules returns those that the packages of this module or their tests are made of.
func modules(t *testing.T) map[string]goModule {
	t.Helper()
	cmd := exec.Command("go", "list", "-test", "-deps", "-json=Module", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	all := map[string]goModule{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *goModule }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		if p.Module != nil && !p.Module.Main {
			all[p.Module.Path] = *p.Module
		}
	}
}

func licence(t *testing.T, m goModule) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.Dir, "[LlCc][IiOo][CcPp][EeYy][NnIi]*"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		text = bytes.Join(bytes.Fields(text), []byte(" "))
		for _, l := range licences {
			if bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(l.words))) {
				return l.name
			}
		}
	}
	return "unknown"
}

// docs/dependencies.md names every module with its licence, and says of those that this one asks for why.
func TestDependenciesAreTold(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	require.NoError(t, err)
	told := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.Trim(line, "|\n "), " | "); strings.HasPrefix(line, "| `") {
			told[strings.Trim(cells[0], "`")] = cells[1:]
		}
	}
	for path, m := range modules(t) {
		is := licence(t, m)
		require.NotEqual(t, "unknown", is, "the licence of %s, in %s", path, m.Dir)
		cells := told[path]
		require.NotEmpty(t, cells, "docs/dependencies.md lacks: | `%s` | %s |", path, is)
		require.Equal(t, is, cells[0], path)
		require.Equal(t, m.Indirect, len(cells) == 1, "%s: why it is there stands with those that go.mod asks for", path)
		delete(told, path)
	}
	require.Empty(t, told, "docs/dependencies.md names what is not used")
}

// Who embeds edges and streams takes on next to nothing.
func TestEmbeddingTakesFewLines(t *testing.T) {
	const linesMax = 16
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  fmt.Sprintf("module example.com/embeds\n\ngo 1.26.0\n\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", strings.TrimSuffix(module, "/"), root),
		"main.go": fmt.Sprintf("package main\n\nimport (\n\t_ %q\n\t_ %q\n\t_ %q\n)\n\nfunc main() {}\n", module+"client", module+"edge", module+"stream"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod -trimpath")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(sums, []byte("\n")), linesMax, "%s", sums)
}

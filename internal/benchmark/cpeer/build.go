package cpeer

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed src
var sources embed.FS

// ErrNoCompiler says that there is nothing to build the C peers with.
var ErrNoCompiler = errors.New("no C compiler")

// Programs are the paths of what was built.
type Programs struct {
	RingTail    string // commits by a shared word
	RingInPlace string // commits by each record's length
	Futex       string
	Wire        string // raw TCP, checked, into the ring that commits by a shared word
}

// Build compiles all programs into dir with $CC, or cc.
func Build(ctx context.Context, dir string) (Programs, error) {
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	path, err := exec.LookPath(compiler)
	if err != nil {
		return Programs{}, fmt.Errorf("%w: the C peers are built with cc, or what $CC names: install gcc or clang, or leave them out with --against: %w",
			ErrNoCompiler, err)
	}
	if err := unpack(dir); err != nil {
		return Programs{}, err
	}
	p := Programs{filepath.Join(dir, "ring-tail"), filepath.Join(dir, "ring-inplace"), filepath.Join(dir, "futex"), filepath.Join(dir, "wire")}
	for _, b := range []struct {
		program, source string
		define          string
	}{
		{p.RingTail, "ring.c", "-DINPLACE=0"},
		{p.RingInPlace, "ring.c", "-DINPLACE=1"},
		{p.Futex, "futex.c", "-DINPLACE=0"},
		{p.Wire, "wire.c", "-DINPLACE=0"},
	} {
		cmd := exec.CommandContext(ctx, path, "-std=gnu11", "-O2", "-pthread", b.define, "-o", b.program, filepath.Join(dir, b.source))
		if out, err := cmd.CombinedOutput(); err != nil {
			return Programs{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return p, nil
}

func unpack(dir string) error {
	return fs.WalkDir(sources, "src", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600)
	})
}

// PageBytes is what a ring takes beside its data.
const PageBytes = 4096

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

// Build compiles all of them into dir with $CC, or cc.
func Build(ctx context.Context, dir string) (Programs, error) {
	path, err := compiler()
	if err != nil {
		return Programs{}, err
	}
	if err := unpack(dir); err != nil {
		return Programs{}, err
	}
	p := Programs{filepath.Join(dir, "ring-tail"), filepath.Join(dir, "ring-inplace"), filepath.Join(dir, "futex"), filepath.Join(dir, "wire")}
	return p, errors.Join(
		compile(ctx, path, p.RingTail, "ring.c", "-DINPLACE=0"),
		compile(ctx, path, p.RingInPlace, "ring.c", "-DINPLACE=1"),
		compile(ctx, path, p.Futex, "futex.c"),
		compile(ctx, path, p.Wire, "wire.c", "-DINPLACE=0"),
	)
}

// BuildAeron compiles the program that uses Aeron's C client, which must be installed, into dir.
func BuildAeron(ctx context.Context, dir string) (program string, err error) {
	path, err := compiler()
	if err != nil {
		return "", err
	}
	if err := unpack(dir); err != nil {
		return "", err
	}
	program = filepath.Join(dir, "aeron")
	return program, compile(ctx, path, program, "aeron.c", "-laeron")
}

func compiler() (path string, err error) {
	name := os.Getenv("CC")
	if name == "" {
		name = "cc"
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", fmt.Errorf("%w: the C peers are built with cc, or what $CC names: install gcc or clang, or leave them out with --against: %w",
			ErrNoCompiler, err)
	}
	return path, nil
}

// compile builds a program from the source beside it.
func compile(ctx context.Context, compiler, program, source string, more ...string) error {
	args := append([]string{"-std=gnu11", "-O2", "-o", program, filepath.Join(filepath.Dir(program), source)}, more...)
	cmd := exec.CommandContext(ctx, compiler, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
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

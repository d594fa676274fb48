package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/grafnode/grafnode/examples/accesslog"
)

// input is the log that a run reads, as a file: a killed ingest must be able to read it again.
type input struct {
	name      string // for people
	path      string
	lines     uint64
	generated bool
}

// openInput finds, spools or generates the input, and counts its lines. What it makes, it makes in dir.
func openInput(ctx context.Context, c Config, dir string, stdin io.Reader) (input, error) {
	in := input{name: c.Input, path: c.Input}
	var err error
	switch c.Input {
	case "":
		in.name, in.generated = fmt.Sprintf("generated from seed %d", c.Seed), true
		in.path, err = spool(dir, func(w io.Writer) error { return accesslog.Generate(w, c.Seed, GeneratedLines) })
	case "-":
		in.name = "standard input"
		in.path, err = spool(dir, func(w io.Writer) error { return copyAll(ctx, w, stdin) })
	default:
		in.path, err = regular(ctx, c.Input, dir)
	}
	if err != nil {
		return input{}, err
	}
	in.lines, err = count(in.path)
	if err != nil {
		return input{}, inputErrorf("%s: %w", in.name, err)
	}
	return in, nil
}

// regular returns the absolute path of a file that can be read again and again: the file itself, or a copy of what is none.
func regular(ctx context.Context, path, dir string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", &InputError{err}
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", &InputError{err}
	case info.IsDir():
		return "", inputErrorf("%s: is a directory, not an access log", path)
	case info.Mode().IsRegular():
		return filepath.Abs(path)
	}
	return spool(dir, func(w io.Writer) error { return copyAll(ctx, w, f) })
}

// spool writes a file in dir.
func spool(dir string, write func(io.Writer) error) (string, error) {
	f, err := os.Create(filepath.Join(dir, "input.log"))
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return "", fmt.Errorf("spool the input: %w", err)
	}
	return f.Name(), nil
}

// copyAll copies until r or ctx ends. A read that blocks is left behind when ctx ends: the process is about to.
func copyAll(ctx context.Context, w io.Writer, r io.Reader) error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func count(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return accesslog.CountLines(f)
}

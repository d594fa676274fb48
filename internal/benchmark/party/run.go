package party

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/proc"
)

// Process is one that takes part.
type Process struct {
	Name  string
	Path  string
	Args  []string
	Files []*os.File // at proc.FilesFD and on; they stay the caller's
	CPUs  []int
	// Serves says that the process does not end by itself: it is killed when the others have ended.
	Serves bool
}

// Rig starts processes. Their logs are in Dir.
type Rig struct {
	Launcher *proc.Launcher
	Dir      string
}

// patience is how much longer than asked for a measurement may take. A machine that is busy with other things starves
// processes for seconds.
const patience = 60 * time.Second

// Run starts the processes, calls during, unless nil, and waits until all have ended. It returns what the one that measures
// wrote. However it returns, the processes have gone.
func (r *Rig) Run(ctx context.Context, l flow.Load, processes []Process, during func(context.Context) error) (result flow.Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.Warm+l.For+patience, errors.New("no result in time"))
	defer cancel()
	results := make(chan flow.Result, len(processes))
	var running []*proc.Process
	defer func() {
		for _, p := range running {
			p.Kill()
			<-p.Done()
		}
		for _, p := range processes {
			err = errors.Join(err, os.RemoveAll(r.log(p.Name)))
		}
	}()
	for _, p := range processes {
		started, err := r.Launcher.Start(proc.Spec{Name: p.Name, Path: p.Path, Args: p.Args, Files: p.Files, CPUs: p.CPUs,
			Log: r.log(p.Name), Pipe: func(from io.Reader) error { return read(from, results) }})
		if err != nil {
			return result, err
		}
		running = append(running, started)
	}
	var failed error
	if during != nil {
		failed = during(ctx)
	}
	for i, p := range running {
		if processes[i].Serves {
			continue
		}
		if err := r.await(ctx, p, failed != nil); err != nil {
			return result, errors.Join(err, failed)
		}
	}
	if failed != nil {
		return result, failed
	}
	select {
	case result = <-results:
		return result, nil
	default:
		return result, errors.New("nobody had a result")
	}
}

// settle is how long processes have to say why after something failed.
const settle = 5 * time.Second

func (r *Rig) await(ctx context.Context, p *proc.Process, failed bool) error {
	if failed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, settle)
		defer cancel()
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %s", p.Name, context.Cause(ctx), r.said(p.Name))
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.Name, err, r.said(p.Name))
	}
	return nil
}

func (r *Rig) log(name string) string { return filepath.Join(r.Dir, name+".log") }

// saidMax is how much of a log is shown when a process has failed.
const saidMax = 600

func (r *Rig) said(name string) string {
	b, err := os.ReadFile(r.log(name))
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b[max(0, len(b)-saidMax):])), " ")
}

// read takes the line that a process may write.
func read(from io.Reader, results chan<- flow.Result) error {
	var result flow.Result
	switch err := json.NewDecoder(from).Decode(&result); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	results <- result
	_, err := io.Copy(io.Discard, from)
	return err
}

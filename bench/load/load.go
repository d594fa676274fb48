package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is a registry as one process uses it.
type Target interface {
	// Client returns a client of the given node, with a record of its own that it has made.
	Client(ctx context.Context, node, name string) (Client, error)
	// Roaming returns the same of a client that may use all nodes, and begins with the first.
	Roaming(ctx context.Context, nodes []string, name string) (Client, error)
	// Watch calls seen for each change of the record that it learns of from node, until ctx ends. It calls ready, once, when
	// nothing that is written afterwards can be missed.
	Watch(ctx context.Context, node, name string, ready func(), seen func(revision uint64)) error
	Close() error
}

// Client is what one of the clients does. One goroutine calls it.
type Client interface {
	// CAS changes the client's record if its revision is still that of the last change, and returns the new one.
	CAS(ctx context.Context) (revision uint64, err error)
	// Read reads the record, linearizably, in the cheapest way that the registry has.
	Read(ctx context.Context) error
	// Strict reads it in the way that holds whatever stops or jumps.
	Strict(ctx context.Context) error
	// Write changes the record, and tries until it has.
	Write(ctx context.Context) error
}

// Task is one measurement. The nodes come in the order in which clients are given to them.
type Task struct {
	Case    string // "cas/1", "read/strict/64", "watch/follower", "acks", ...
	Nodes   []string
	Clients int
	For     time.Duration
	Warm    time.Duration // before it, not measured
	Prefix  string        // of the records' names
}

// Result is what came of it. Latencies are in milliseconds.
type Result struct {
	Case    string  `json:"case"`
	Clients int     `json:"clients"`
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}

// Ack says when a write was answered: nanoseconds of the wall clock.
type Ack struct {
	At int64 `json:"at"`
}

// Main runs the task that args say against the target that open makes, and writes its result to out as a line of JSON. The
// case "acks" writes an Ack for each write instead, until ctx ends.
func Main(ctx context.Context, args []string, out io.Writer, open func() (Target, error)) error {
	var t Task
	var nodes string
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&t.Case, "case", "", "what to measure")
	f.StringVar(&nodes, "nodes", "", "addresses, separated by commas")
	f.IntVar(&t.Clients, "clients", 1, "how many clients")
	f.DurationVar(&t.For, "for", time.Second, "how long to measure")
	f.DurationVar(&t.Warm, "warm", time.Second/2, "how long to go on before that")
	f.StringVar(&t.Prefix, "prefix", "bench", "of the records' names")
	if err := f.Parse(args); err != nil {
		return err
	}
	t.Nodes = strings.Split(nodes, ",")
	target, err := open()
	if err != nil {
		return err
	}
	if t.Case == "acks" {
		return errors.Join(acks(ctx, target, t, out), target.Close())
	}
	result, err := Run(ctx, target, t)
	if err = errors.Join(err, target.Close()); err != nil {
		return fmt.Errorf("%s: %w", t.Case, err)
	}
	return json.NewEncoder(out).Encode(result)
}

// Run measures one task.
func Run(ctx context.Context, target Target, t Task) (Result, error) {
	kind, _, _ := strings.Cut(t.Case, "/")
	switch {
	case kind == "watch":
		return watch(ctx, target, t)
	case kind == "cas":
		return many(ctx, target, t, func(ctx context.Context, c Client) error {
			_, err := c.CAS(ctx)
			return err
		})
	case strings.HasPrefix(t.Case, "read/strict"):
		return many(ctx, target, t, func(ctx context.Context, c Client) error { return c.Strict(ctx) })
	case kind == "read":
		return many(ctx, target, t, func(ctx context.Context, c Client) error { return c.Read(ctx) })
	default:
		return Result{}, fmt.Errorf("no such case: %q", t.Case)
	}
}

// many has each client do op over and over.
func many(ctx context.Context, target Target, t Task, op func(context.Context, Client) error) (Result, error) {
	clients := make([]Client, t.Clients)
	err := each(len(clients), func(i int) (err error) {
		clients[i], err = target.Client(ctx, t.Nodes[i%len(t.Nodes)], fmt.Sprintf("%s-%d", t.Prefix, i))
		return err
	})
	if err != nil {
		return Result{}, err
	}
	var measuring, over atomic.Bool // stored by this goroutine, loaded by the clients
	samples := make([][]time.Duration, len(clients))
	done, some, first := make(chan error, 1), make(chan struct{}), sync.Once{}
	go func() {
		done <- each(len(clients), func(i int) error {
			for !over.Load() {
				counts := measuring.Load()
				began := time.Now()
				if err := op(ctx, clients[i]); err != nil {
					over.Store(true)
					return err
				}
				if counts && !over.Load() {
					samples[i] = append(samples[i], time.Since(began))
					first.Do(func() { close(some) })
				}
			}
			return nil
		})
	}()
	pause(ctx, t.Warm)
	measuring.Store(true)
	began := time.Now()
	pause(ctx, t.For)
	select { // a starved machine may not have done a single one by then
	case <-some:
	case <-ctx.Done():
	case err := <-done:
		done <- err
	}
	over.Store(true)
	took := time.Since(began)
	if err := <-done; err != nil {
		return Result{}, err
	}
	return summary(t, took, slices.Concat(samples...)), nil
}

// each runs f for 0 to n-1 at the same time, and returns the first error.
func each(n int, f func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// watch writes through the first node and waits until the second has told of it, again and again: from asking to being told.
func watch(ctx context.Context, target Target, t Task) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := t.Prefix + "-0"
	writer, err := target.Client(ctx, t.Nodes[0], name)
	if err != nil {
		return Result{}, err
	}
	ready, ended, seen := make(chan struct{}), make(chan error, 1), make(chan uint64, 1024)
	go func() {
		ended <- target.Watch(ctx, t.Nodes[1%len(t.Nodes)], name, func() { close(ready) }, func(r uint64) { seen <- r })
	}()
	select {
	case <-ready:
	case err := <-ended:
		return Result{}, err
	}
	var samples []time.Duration
	start := time.Now()
	for len(samples) == 0 || time.Since(start) < t.Warm+t.For {
		took, err := told(ctx, writer, seen, ended)
		if err != nil {
			return Result{}, err
		}
		if time.Since(start) > t.Warm {
			samples = append(samples, took)
		}
	}
	cancel()
	<-ended
	return summary(t, time.Since(start)-t.Warm, samples), nil
}

// told returns how long it takes from a write to its event. The event may come before the write's own answer.
func told(ctx context.Context, writer Client, seen <-chan uint64, ended <-chan error) (time.Duration, error) {
	type event struct {
		revision uint64
		at       time.Time
	}
	wrote, events := make(chan uint64, 1), []event(nil)
	began := time.Now()
	failed := make(chan error, 1)
	go func() {
		r, err := writer.CAS(ctx)
		if err != nil {
			failed <- err
			return
		}
		wrote <- r
	}()
	for revision := uint64(0); ; {
		for _, e := range events {
			if revision != 0 && e.revision >= revision {
				return e.at.Sub(began), nil
			}
		}
		select {
		case r := <-seen:
			events = append(events, event{r, time.Now()})
		case revision = <-wrote:
		case err := <-failed:
			return 0, err
		case err := <-ended:
			return 0, fmt.Errorf("watch ended: %w", err)
		}
	}
}

// acks writes until ctx ends, and says when each write was answered.
func acks(ctx context.Context, target Target, t Task, out io.Writer) error {
	c, err := target.Roaming(ctx, t.Nodes, t.Prefix+"-0")
	if err != nil {
		return err
	}
	for lines := json.NewEncoder(out); ; {
		err := c.Write(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := lines.Encode(Ack{time.Now().UnixNano()}); err != nil {
			return err
		}
	}
}

func summary(t Task, took time.Duration, samples []time.Duration) Result {
	slices.Sort(samples)
	at := func(q float64) float64 {
		if len(samples) == 0 {
			return 0
		}
		return float64(samples[int(q*float64(len(samples)-1))]) / 1e6
	}
	return Result{Case: t.Case, Clients: t.Clients, Count: len(samples), Seconds: took.Seconds(), P50: at(.5), P99: at(.99)}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

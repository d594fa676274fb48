package ring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/ends"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// Verb is the hidden verb with which this package starts its own program as a party.
const Verb = "bench-ring-party"

// What a party does.
const (
	taskSend = "send" // batches, into a ring
	taskRead = "read"
	taskPush = "push" // items one by one, onto an edge
	taskPop  = "pop"
	taskPing = "ping"
	taskPong = "pong"
	taskIdle = "idle"
)

// Task is a party's one argument, as JSON.
type Task struct {
	Task  string      `json:"task"`
	Load  flow.Load   `json:"load"`
	Mode  fabric.Mode `json:"mode"`
	Sides int         `json:"sides"` // of rings, that it is handed
	Check bool        `json:"check"` // payloads of items
}

// Main is a party: it does the task in args, or that of a peer, and writes a flow.Result to out, if it has one.
func Main(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 3 { // the party of a peer that is sockets
		return flow.Main(args, out, flow.Socket)
	}
	if len(args) != 1 {
		return fmt.Errorf("%w: %d arguments", suite.ErrUsage, len(args))
	}
	var t Task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return fmt.Errorf("%w: %w", suite.ErrUsage, err)
	}
	result, err := t.run(ctx)
	if err != nil || result == (flow.Result{}) {
		return err
	}
	return result.Write(out)
}

func (t Task) run(ctx context.Context) (flow.Result, error) {
	if t.Task == taskIdle {
		return idle(ctx, t.Load)
	}
	sides, err := party.Hold(t.Sides)
	if err != nil {
		return flow.Result{}, errors.Join(err, sides.Close())
	}
	if sides.Producer != nil {
		sides.Producer.SetMode(t.Mode)
	}
	if sides.Consumer != nil {
		sides.Consumer.SetMode(t.Mode)
	}
	result, err := t.do(ctx, sides)
	return result, errors.Join(err, sides.Close())
}

func (t Task) do(ctx context.Context, s *party.Sides) (flow.Result, error) {
	switch t.Task {
	case taskSend:
		return flow.Result{}, ends.Send(ctx, s.Producer, t.Load)
	case taskRead:
		return ends.Read(ctx, s.Consumer, t.Load)
	case taskPing:
		return ends.Ping(ctx, s.Producer, s.Consumer, t.Load)
	case taskPong:
		return flow.Result{}, ends.Pong(ctx, s.Consumer, s.Producer, t.Load)
	case taskPush:
		p, err := edge.Produce[ends.Item64](ctx, party.NewCluster(s), party.Edge, t.options()...)
		if err != nil {
			return flow.Result{}, err
		}
		return flow.Result{}, ends.Push(ctx, p, t.Load)
	case taskPop:
		c, err := edge.Consume[ends.Item64](ctx, party.NewCluster(s), party.Edge, t.options()...)
		if err != nil {
			return flow.Result{}, err
		}
		return ends.Pop(ctx, c, t.Load)
	}
	return flow.Result{}, fmt.Errorf("%w: no task %q", suite.ErrUsage, t.Task)
}

// options are those of the edge that a task with items opens.
func (t Task) options() (all []edge.Option) {
	switch t.Mode {
	case fabric.LowLatency:
		all = append(all, edge.LowLatency())
	case fabric.Thrifty:
		all = append(all, edge.Thrifty())
	case fabric.Balanced: // without an option
	}
	if !t.Check {
		all = append(all, edge.Unchecked())
	}
	return append(all, ends.Copied())
}

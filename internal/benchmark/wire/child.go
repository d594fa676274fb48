package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/benchmark/ends"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// Verb is the hidden verb with which this package starts its own program as a party.
const Verb = "bench-wire-party"

// What a party does.
const (
	taskSend = "send"
	taskRead = "read"
)

// Task is a party's one argument, as JSON.
type Task struct {
	Task   string      `json:"task"`
	Load   flow.Load   `json:"load"`
	Mode   fabric.Mode `json:"mode"`
	Attach tcp.Attach  `json:"attach,omitzero"`
}

// child is this program as a party, with a line if it holds a side in shared memory.
func (o *ours) child(name string, t Task, line *party.Line) party.Process {
	arg, err := json.Marshal(t)
	if err != nil {
		panic(err) // a Task always can be
	}
	p := party.Process{Name: name, Path: o.b.Exe, Args: []string{Verb, string(arg)}}
	if line != nil {
		p.Files = []*os.File{line.Theirs}
	}
	return p
}

// Main is a party: it does the task in args and writes a flow.Result to out, if it has one.
func Main(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: %d arguments", suite.ErrUsage, len(args))
	}
	var t Task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return fmt.Errorf("%w: %w", suite.ErrUsage, err)
	}
	switch t.Task {
	case taskSend:
		return t.send(ctx)
	case taskRead:
		result, err := t.read(ctx)
		if err != nil {
			return err
		}
		return result.Write(out)
	}
	return fmt.Errorf("%w: no task %q", suite.ErrUsage, t.Task)
}

func (t Task) send(ctx context.Context) error {
	p, err := tcp.DialProducer(ctx, t.Attach)
	if err != nil {
		return err
	}
	p.SetMode(t.Mode)
	return errors.Join(ends.Send(ctx, p, t.Load), p.Close())
}

func (t Task) read(ctx context.Context) (flow.Result, error) {
	sides, err := party.Hold(1)
	if err != nil {
		return flow.Result{}, errors.Join(err, sides.Close())
	}
	sides.Consumer.SetMode(t.Mode)
	result, err := ends.Read(ctx, sides.Consumer, t.Load)
	return result, errors.Join(err, sides.Close())
}

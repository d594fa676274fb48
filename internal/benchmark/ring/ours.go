package ring

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// ours is grafnode: fabric/shm, and package edge where items are typed.
type ours struct{ b *suite.Bench }

func (o *ours) Name() string { return "grafnode" }

// Prepare says where the parties run.
func (o *ours) Prepare(_ context.Context, c suite.Case) (string, error) {
	if c.Idle {
		return "one process on any core", nil
	}
	return o.b.Cores.String(), nil
}

// tasks are those of a case's two parties.
func tasks(c suite.Case) (first, second string) {
	switch {
	case c.Typed:
		return taskPush, taskPop
	case c.Latency:
		return taskPing, taskPong
	}
	return taskSend, taskRead
}

// Measure measures a case once.
func (o *ours) Measure(ctx context.Context, c suite.Case) (figures.Figure, error) {
	if c.Idle {
		return o.idle(ctx, c)
	}
	return o.move(ctx, c)
}

// move has records go from one party to the other, and back if the case is one of latency.
func (o *ours) move(ctx context.Context, c suite.Case) (f figures.Figure, err error) {
	b := o.b
	first, err := party.NewLine(b.Dir)
	if err != nil {
		return f, err
	}
	defer first.Close()
	second, err := party.NewLine(b.Dir)
	if err != nil {
		return f, err
	}
	defer second.Close()
	var grants []party.Grant
	for range 1 + btoi(c.Latency) { // there, and back
		arena, err := party.Arena(c.Capacity)
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, arena.Close()) }()
		grants = append(grants, party.Grant{Line: first, Arena: arena, Role: fabric.RoleProducer},
			party.Grant{Line: second, Arena: arena, Role: fabric.RoleConsumer})
		first, second = second, first
	}
	send, read := tasks(c)
	l := b.Load(c)
	result, err := b.Rig.Run(ctx, l, []party.Process{
		o.child("first", Task{Task: send, Load: l, Mode: c.Mode, Sides: len(grants) / 2, Check: c.Checked}, b.Cores.First, grants[0].Line.Theirs),
		o.child("second", Task{Task: read, Load: l, Mode: c.Mode, Sides: len(grants) / 2, Check: c.Checked}, b.Cores.Second, grants[1].Line.Theirs),
	}, func(ctx context.Context) error { return party.Hand(ctx, grants...) })
	return c.Figure(result), err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// child is this program as a party.
func (o *ours) child(name string, t Task, cpus []int, files ...*os.File) party.Process {
	arg, err := json.Marshal(t)
	if err != nil {
		panic(err) // a Task always can be
	}
	return party.Process{Name: name, Path: o.b.Exe, Args: []string{Verb, string(arg)}, Files: files, CPUs: cpus}
}

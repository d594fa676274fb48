package ring

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
)

// ours measures a case once, through fabric/shm, and package edge where items are typed.
func (b *bench) ours(ctx context.Context, c testcase) (f figures.Figure, err error) {
	first, err := party.NewLine(b.dir)
	if err != nil {
		return f, err
	}
	defer first.Close()
	second, err := party.NewLine(b.dir)
	if err != nil {
		return f, err
	}
	defer second.Close()
	var grants []party.Grant
	for range 1 + btoi(c.latency) { // there, and back
		arena, err := party.Arena(c.capacity)
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, arena.Close()) }()
		grants = append(grants, party.Grant{Line: first, Arena: arena, Role: fabric.RoleProducer},
			party.Grant{Line: second, Arena: arena, Role: fabric.RoleConsumer})
		first, second = second, first
	}
	if c.latency {
		first, second = second, first
	}
	l := c.load(b.c)
	result, err := b.rig.Run(ctx, l, []party.Process{
		b.child("first", Task{Task: c.send, Load: l, Mode: c.mode, Sides: len(grants) / 2}, b.cores.First, grants[0].Line.Theirs),
		b.child("second", Task{Task: c.read, Load: l, Mode: c.mode, Sides: len(grants) / 2}, b.cores.Second, grants[1].Line.Theirs),
	}, func(ctx context.Context) error { return party.Hand(ctx, grants...) })
	return c.figure(result), err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c testcase) figure(r flow.Result) figures.Figure {
	if c.latency {
		return figures.Figure{Value: r.P50, P99: r.P99}
	}
	return figures.Figure{Value: float64(r.Items) / r.Seconds}
}

// child is this program as a party.
func (b *bench) child(name string, t Task, cpus []int, files ...*os.File) party.Process {
	arg, err := json.Marshal(t)
	if err != nil {
		panic(err) // a Task always can be
	}
	return party.Process{Name: name, Path: b.c.Exe, Args: []string{Verb, string(arg)}, Files: files, CPUs: cpus}
}

package demo

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// runStage is what a stage's process does: it runs one stage of the pipeline, and tells the demo what happens on the pipe that
// it has inherited. Otherwise it is what examples/accesslog/cmd/accesslog is.
func runStage(ctx context.Context, process, stage string, c accesslog.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pipe := os.NewFile(proc.PipeFD, "events")
	if pipe == nil {
		return inputErrorf("%s: is for the demo's own use, which gives it a pipe", stageVerb)
	}
	events := event.NewWriter(pipe, process, cancel) // nobody reads: the demo has gone
	events.Write(event.Event{Kind: event.Started})
	cl, err := client.Dial(ctx, client.Config{Stage: process})
	if err != nil {
		return err
	}
	defer cl.Close()
	c.Committed = func(items int, line uint64) {
		events.Write(event.Event{Kind: event.Committed, Items: uint64(items), Line: line})
	}
	err = accesslog.Run(ctx, &reportingCluster{cl, events}, c, []string{stage}, stream.Observe(observed(events)))
	if err != nil {
		return fmt.Errorf("%s: %w", process, err)
	}
	return nil
}

// reportingCluster tells the demo what the stage reports to its node.
type reportingCluster struct {
	*client.Client
	events *event.Writer
}

// Report implements what package stream looks for in a cluster.
func (c *reportingCluster) Report(ctx context.Context, r api.StageReport) error {
	c.events.Write(event.Event{Kind: event.Counted, Edges: r.Edges})
	return c.Client.Report(ctx, r)
}

// rejectsEvery spaces what is told of rejects: an input may have nothing else.
const rejectsEvery = 50 * time.Millisecond

// observed tells the demo what happens to the stage's edges.
func observed(w *event.Writer) stream.Events {
	tell := func(k event.Kind, name string, role fabric.Role, gen fence.Epoch, node, cause string) {
		w.Write(event.Event{At: time.Now(), Kind: k, Edge: name, Role: role, Generation: gen, Node: node, Cause: cause})
	}
	var told atomic.Int64 // when a reject was last told; one goroutine of the stage writes it
	return stream.Events{Rejected: func(pos position.Position, _ stream.Rejected) {
		now := time.Now()
		if now.Sub(time.Unix(0, told.Load())) >= rejectsEvery {
			told.Store(now.UnixNano())
			w.Write(event.Event{At: now, Kind: event.Rejected, Line: pos.Offset})
		}
	}, Edge: edge.Events{
		Claimed: func(name string, role fabric.Role, epoch fence.Epoch) {
			tell(event.Claimed, name, role, epoch, "", "")
		},
		Lost: func(name string, role fabric.Role, gen fence.Epoch, cause error) {
			tell(event.Lost, name, role, gen, "", cause.Error())
		},
		Bound: func(name string, role fabric.Role, gen fence.Epoch, at locator.Locator) {
			tell(event.Bound, name, role, gen, at.Address, "")
		},
		FirstItem: func(name string, role fabric.Role, gen fence.Epoch) {
			tell(event.FirstItem, name, role, gen, "", "")
		},
		Rewired: func(name string, role fabric.Role, r api.Rewire) {
			w.Write(event.Event{At: time.Now(), Kind: event.Rewired, Edge: name, Role: role, Generation: r.Generation, Rewire: &r})
		},
	}}
}

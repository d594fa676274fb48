package streamtest

import (
	"context"
	"errors"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// process is a stage process: it keeps checkpoints in the world's registry.
type process struct {
	*edgetest.Client
	w *World
}

type theProcess struct{}

func (w *World) process(name string) *process { return &process{w.Cluster.Client(name), w} }

// UpdateCheckpoint implements durable.Checkpoints.
func (p *process) UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	return edgetest.Ask(ctx, p.Client, func() (api.Checkpoint, error) {
		if r.Write {
			p.w.checkpoint(key, r.Value)
		}
		return p.w.registry.UpdateCheckpoint(context.WithoutCancel(ctx), key, r)
	})
}

// CursorBehind has it be wrong for the cursor of a source to be ahead of what one of the probed sinks holds. source is the pipeline's
// name, a dot, and that of the stage. It is for pipelines that neither Merge, which numbers lanes anew, nor Partition.
func (w *World) CursorBehind(source string, sinks ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind[source] = sinks
}

func (w *World) checkpoint(key string, value []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.behind[key] {
		cursor, err := position.DecodeVector(value[min(len(value), 1):])
		if err != nil {
			w.Errorf("cursor %s: %v", key, err)
		}
		has := w.probeLocked(name).holds()
		for _, p := range cursor.Positions() {
			if !has.Covers(p) {
				w.Errorf("cursor %s is at %v, and sink %s holds what is up to %v: acknowledged before it was durable", key, cursor, name, has)
			}
		}
	}
}

var errKilled = errors.New("streamtest: killed")

// mayBe reports whether a process may end like that when things go wrong around it.
func mayBe(err error) bool {
	for _, e := range []error{
		errKilled, context.Canceled, fence.ErrFenced, ErrBroken, api.ErrSessionLost, api.ErrUnknown, api.ErrNoQuorum, api.ErrUnavailable,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

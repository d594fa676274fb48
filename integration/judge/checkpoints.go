package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
)

// slot is a checkpoint in the model.
type slot struct {
	epoch    fence.Epoch
	value    string
	revision api.Revision // zero: none yet, or one that its writer was not told
}

func judgeCheckpoints(h *history.History, patience time.Duration) findings {
	var fs findings
	by := map[string][]porcupine.Operation{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind != history.PutCheckpoint && op.Kind != history.GetCheckpoint || op.Fresh == api.Stale {
			continue
		}
		returned := op.Return
		if op.Outcome == history.Unknown {
			returned = forever
		}
		by[op.Key] = append(by[op.Key], porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Return: int64(returned)})
	}
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{slot{}} },
		Step: func(state, input, _ any) []any { return state.(slot).step(input.(*history.Op)) },
	}
	for key, ops := range by {
		if result := porcupine.CheckOperationsTimeout(model.ToModel(), ops, patience); result != porcupine.Ok {
			fs.add("checkpoints", "%s: %d operations fit no order (%s)", key, len(ops), result)
		}
	}
	slices.SortFunc(fs, func(a, b Finding) int { return strings.Compare(a.What, b.What) })
	return fs
}

// step returns what the checkpoint may be after an operation.
func (c slot) step(op *history.Op) []any {
	if op.Kind == history.GetCheckpoint {
		if op.Outcome == history.Refused {
			return c.only(c == slot{})
		}
		return c.shown(op.Checkpoint)
	}
	next, refusal := c.put(op.Put)
	switch op.Outcome {
	case history.Unknown:
		if refusal != "" {
			return []any{c}
		}
		return []any{c, next}
	case history.Refused:
		settled := op.Error.Kind != api.KindFenced && op.Error.Kind != api.KindConflict
		// A revision that nobody was told may or may not be the one expected.
		open := op.Error.Kind == api.KindConflict && c.revision == 0
		return c.only(settled || open || op.Error.Kind == refusal)
	default:
		open := refusal == api.KindConflict && c.revision == 0
		if refusal != "" && !open {
			return nil
		}
		return next.shown(op.Checkpoint)
	}
}

func (c slot) only(possible bool) []any {
	if possible {
		return []any{c}
	}
	return nil
}

// put returns the checkpoint after a request, or how it is refused.
func (c slot) put(r *api.CheckpointRequest) (slot, api.Kind) {
	switch {
	case r.Epoch < c.epoch:
		return c, api.KindFenced
	case r.Write && r.Expect != 0 && r.Expect != c.revision:
		next := slot{epoch: r.Epoch, value: string(r.Value)}
		return next, api.KindConflict
	case r.Write:
		return slot{epoch: r.Epoch, value: string(r.Value)}, ""
	default:
		return slot{epoch: r.Epoch, value: c.value}, ""
	}
}

// shown returns the checkpoint if it can be the one in an answer.
func (c slot) shown(a *api.Checkpoint) []any {
	if a == nil || a.Epoch != c.epoch || string(a.Value) != c.value || c.revision != 0 && c.revision != a.Revision {
		return nil
	}
	c.revision = a.Revision
	return []any{c}
}

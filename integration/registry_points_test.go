package integration

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

// checkpoint fences, writes or reads one of a few checkpoints.
func (w *worker) checkpoint(ctx context.Context, pick uint64) {
	key, m := fmt.Sprintf("stage%d", pick%6), w.somebody(pick)
	if pick/6%3 == 0 {
		op := w.op(history.GetCheckpoint, m)
		op.Key = key
		op, err := w.rec.Call(op, func(op *history.Op) error {
			cp, err := m.api.Checkpoint(ctx, key)
			op.Checkpoint = &cp
			return err
		})
		if err == nil {
			w.points[key] = *op.Checkpoint
		}
		return
	}
	known := w.points[key]
	w.changed++
	r := api.CheckpointRequest{Epoch: known.Epoch + fence.Epoch(pick/18%2), Write: pick/36%4 != 0}
	if r.Write {
		r.Value = fmt.Appendf(nil, "v%d-%d", w.number, w.changed)
		r.Sum = crc32.Checksum(r.Value, crc32.MakeTable(crc32.Castagnoli))
		if pick/144%2 == 0 {
			r.Expect = known.Revision
		}
	}
	op := w.op(history.PutCheckpoint, m)
	op.Key, op.Put = key, &r
	op, err := w.rec.Call(op, func(op *history.Op) error {
		cp, err := m.api.PutCheckpoint(ctx, key, r)
		op.Checkpoint = &cp
		return err
	})
	if err == nil {
		w.points[key] = *op.Checkpoint
	}
}

// lease acquires memory or a named region, gives something back, or lists what there is.
func (w *worker) lease(ctx context.Context, pick uint64) {
	switch pick % 4 {
	case 0, 1:
		c, session, err := w.session(ctx)
		if err != nil {
			return
		}
		ask := lease.Request{Kind: lease.KindMemory, Bytes: 4096, TTL: ringTerm}
		if pick%4 == 1 {
			ask = lease.Request{Kind: lease.KindBlock, Bytes: 4096, TTL: ringTerm, Name: fmt.Sprintf("region%d", pick/4%4)}
		}
		op := w.op(history.Acquire, w.own)
		op.Session, op.Ask = session, &ask
		op, err = w.rec.Call(op, func(op *history.Op) error {
			g, err := c.AcquireLease(ctx, ask)
			op.Grant = &g
			if err != nil {
				op.Grant = nil
			}
			return err
		})
		if err == nil && ask.Name == "" {
			w.leases = append(w.leases, op.Grant.ID)
		}
	case 2:
		w.giveBack(ctx, pick)
	case 3:
		m := w.somebody(pick)
		op := w.op(history.Leases, m)
		op.Fresh = freshness(pick)
		_, _ = w.rec.Call(op, func(op *history.Op) error {
			all, err := m.api.Leases(ctx, op.Fresh)
			for _, l := range all {
				op.Leases = append(op.Leases, l.ID)
			}
			return err
		})
	}
}

// giveBack releases a lease, or has an operator revoke it.
func (w *worker) giveBack(ctx context.Context, pick uint64) {
	if len(w.leases) == 0 || w.c == nil {
		return
	}
	id := w.leases[0]
	w.leases = w.leases[1:]
	op := w.op(history.Release, w.own)
	op.Lease = id
	give := func(*history.Op) error { return w.c.ReleaseLease(ctx, id) }
	if pick/4%3 == 0 {
		op.Kind, give = history.Revoke, func(*history.Op) error { return w.own.api.RevokeLease(ctx, id, "") }
	}
	if _, err := w.rec.Call(op, give); errors.Is(err, api.ErrUnknown) {
		w.leases = append(w.leases, id)
	}
}

package integration

import (
	"context"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/internal/boottime"
)

// sample asks each node again and again what its part in the group is, so that judges know who led when.
func (e *ensemble) sample(ctx context.Context, rec *history.Recorder) {
	var asking sync.WaitGroup
	for _, m := range e.members {
		asking.Go(func() {
			for pass(ctx, 100*time.Millisecond) {
				limited, cancel := context.WithTimeout(ctx, time.Second)
				at := boottime.Now()
				s, err := m.api.Status(limited)
				cancel()
				if err == nil {
					rec.Sample(history.Sample{Node: m.number, Call: at, Return: boottime.Now(), Term: s.Term, Leads: s.State == "leader"})
				}
			}
		})
	}
	asking.Wait()
}

// roll calls the roll of sessions again and again, by way of one node after the other.
func (e *ensemble) roll(ctx context.Context, rec *history.Recorder) {
	for i := 0; pass(ctx, 150*time.Millisecond); i++ {
		_ = e.members[i%len(e.members)].list(ctx, rec)
	}
}

// list lists the sessions by way of a node.
func (m *member) list(ctx context.Context, rec *history.Recorder) error {
	op := history.Op{Client: 1000, Node: m.number, Kind: history.Sessions, Fresh: api.Default}
	_, err := rec.Call(op, func(op *history.Op) error {
		all, err := m.api.LiveSessions(ctx, op.Fresh)
		for _, s := range all {
			op.Sessions = append(op.Sessions, s.ID)
		}
		return err
	})
	return err
}

package failover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Verb is the hidden verb with which a benchmark starts its program again as a stage.
const Verb = "bench-failover-stage"

// task is what a stage's process is told.
type task struct {
	Name   string      `json:"name"`
	Edge   string      `json:"edge"`
	Role   fabric.Role `json:"role"`
	Ledger string      `json:"ledger"` // path
	Rate   float64     `json:"rate"`   // items a second; zero: as many as go
	Spare  bool        `json:"spare"`
	// Again says that there was a producer before: this one goes on after what was acknowledged.
	Again bool `json:"again"`
}

func (t task) args() []string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // a task always can be
	}
	return []string{Verb, string(b)}
}

// stage is a stage's process. If its session is lost it starts over, as a standby.
type stage struct {
	task
	cl     *client.Client
	tell   func(news)
	opts   []edge.Option
	waited atomic.Bool // it was told that this one waits
}

// Main is what a stage's process does until it is told to stop, or killed.
func Main(ctx context.Context, args []string) error {
	var s stage
	if len(args) != 1 {
		return fmt.Errorf("%d arguments: is for the benchmark's own use", len(args))
	}
	if err := json.Unmarshal([]byte(args[0]), &s.task); err != nil {
		return err
	}
	// To be told to stop ends what a producer pushes, not how it ends; that nobody listens ends everything.
	alive, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	t := newTeller(os.NewFile(proc.PipeFD, "pipe"), die)
	defer t.close()
	s.tell = t.tell
	var err error
	if s.cl, err = client.Dial(alive, client.Config{Stage: s.Name, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
		return err
	}
	defer s.cl.Close()
	defer func() { s.tell(news{At: boottime.Now(), What: slow, Role: s.Role, Items: s.cl.Silences().Mistaken}) }()
	s.opts = []edge.Option{edge.Standby(), edge.StageName(s.Name), edge.Spare(s.Spare), edge.Observe(s.observed())}
	for {
		if s.Role == fabric.RoleProducer {
			err = s.produce(alive, ctx.Done())
		} else {
			err = s.consume(alive)
		}
		if !errors.Is(err, api.ErrSessionLost) && !errors.Is(err, fence.ErrFenced) && !errors.Is(err, ledger.ErrFenced) {
			return err
		}
		s.Again = true
		s.waited.Store(false)
	}
}

func (s *stage) happened(w happening, gen fence.Epoch) {
	s.tell(news{At: boottime.Now(), What: w, Role: s.Role, Generation: gen})
}

func (s *stage) observed() edge.Events {
	return edge.Events{
		Claimed: func(_ string, _ fabric.Role, epoch fence.Epoch) {
			s.waited.Store(true)
			s.happened(claimed, epoch)
		},
		Bound:     func(_ string, _ fabric.Role, gen fence.Epoch, _ locator.Locator) { s.happened(bound, gen) },
		FirstItem: func(_ string, _ fabric.Role, gen fence.Epoch) { s.happened(firstItem, gen) },
		Rewired: func(_ string, _ fabric.Role, r api.Rewire) {
			from := boottime.Now().Add(-time.Since(r.Noticed))
			s.tell(news{At: boottime.Now(), What: rewired, Role: s.Role, Generation: r.Generation, Cause: r.Cause, Phases: map[string]lease.Instant{
				"noticed": from, "decided": from.Add(r.Decided), "attached": from.Add(r.Attached), "resumed": from.Add(r.Resumed),
			}})
		},
	}
}

// watched is the cluster of a stage: the first time that it follows the edge before it has a role, it waits for it.
type watched struct {
	*client.Client
	s *stage
}

func (w watched) Follow(ctx context.Context, name string) <-chan api.Edge {
	news := w.Client.Follow(ctx, name)
	if !w.s.waited.Swap(true) {
		w.s.Again = true // somebody else has it
		w.s.happened(waiting, 0)
	}
	return news
}

// armedEvery is how often a producer looks whether its spare can be moved to.
const armedEvery = 10 * time.Millisecond

// followSpare tells when that changes, until ctx ends.
func (s *stage) followSpare(ctx context.Context, stats func() api.EdgeReport) {
	look := time.NewTicker(armedEvery)
	defer look.Stop()
	var last fence.Epoch
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if now := stats().Spare; now != last {
				last = now
				s.happened(armed, now)
			}
		}
	}
}

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// breaker carries plans out on an ensemble.
type breaker struct {
	e   *ensemble
	rec *history.Recorder

	mu    sync.Mutex
	drops map[[2]int]int // how many faults want a way to be closed

	replacing sync.Mutex // one node at a time
	replaced  []replacement
	done      map[string]int // faults that did what they are for
}

func newBreaker(e *ensemble, rec *history.Recorder) *breaker {
	return &breaker{e: e, rec: rec, drops: map[[2]int]int{}, done: map[string]int{}}
}

// run carries out one phase after the other, and heals after each.
func (b *breaker) run(ctx context.Context, phases []nemesis.Phase) error {
	for i, phase := range phases {
		b.rec.Fault("phase %d of %d", i+1, len(phases))
		if err := b.phase(ctx, phase); err != nil {
			return fmt.Errorf("phase %d: %w", i+1, err)
		}
		if err := b.e.working(ctx); err != nil {
			return fmt.Errorf("phase %d, %v: %w", i+1, phase, err)
		}
		b.rec.Fault("healed")
		if err := b.confirm(ctx); err != nil {
			return fmt.Errorf("phase %d, %v: %w", i+1, phase, err)
		}
	}
	return nil
}

func (b *breaker) phase(ctx context.Context, phase nemesis.Phase) error {
	began := time.Now()
	var running sync.WaitGroup
	errs := make([]error, len(phase))
	for i, step := range phase {
		running.Go(func() {
			if !pass(ctx, time.Until(began.Add(step.At))) {
				return
			}
			errs[i] = b.step(ctx, step)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// pass lets time pass, or reports false if ctx ends first.
func pass(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// step does one thing, waits, and undoes it.
func (b *breaker) step(ctx context.Context, s nemesis.Step) error {
	hit := b.resolve(ctx, s.Nodes)
	b.rec.Fault("%v, which is %v", s, hit)
	defer b.over(s.Kind, hit, boottime.Now())
	switch s.Kind {
	case nemesis.Kill:
		hit[0].crash()
		pass(ctx, s.For/2)
		return hit[0].revive()
	case nemesis.Restart:
		return b.restart(ctx, hit[0])
	case nemesis.RestartAll:
		return b.restartAll(ctx, s.For/4)
	case nemesis.Stop:
		hit[0].signal(syscall.SIGSTOP)
		pass(ctx, s.For)
		hit[0].signal(syscall.SIGCONT)
	case nemesis.Cut, nemesis.OneWay, nemesis.Ring:
		ways := b.ways(s.Kind, hit)
		err := b.close(ways)
		pass(ctx, s.For)
		return errors.Join(err, b.open(ways))
	case nemesis.Flap:
		return b.flap(ctx, s, hit)
	case nemesis.SlowDisk:
		err := hit[0].sick("delay " + s.Size.String())
		pass(ctx, s.For)
		return errors.Join(err, hit[0].sick(""))
	case nemesis.FailDisk:
		return b.failDisk(ctx, hit[0])
	case nemesis.FullDisk:
		return b.fillDisk(ctx, s, hit[0])
	case nemesis.Replace:
		return b.replace(ctx, hit[0])
	case nemesis.Transfer, nemesis.Snapshot:
		b.operate(ctx, s.Kind, hit[0])
	}
	return nil
}

// over records a fault that has been undone.
func (b *breaker) over(k nemesis.Kind, hit []*member, began lease.Instant) {
	b.rec.Fault("over: %s %v", k, hit)
	broken := history.Break{Kind: k, From: began, To: boottime.Now()}
	for _, m := range hit {
		broken.Nodes = append(broken.Nodes, m.number)
	}
	b.rec.Break(broken)
}

// resolve returns whom a step hits; if the leader is unknown or meant twice, somebody else.
func (b *breaker) resolve(ctx context.Context, numbers []int) (hit []*member) {
	taken := map[int]bool{}
	for _, n := range numbers {
		if n == nemesis.Leader {
			n = max(0, b.e.leader(ctx))
		}
		for taken[n] {
			n = (n + 1) % len(b.e.members)
		}
		taken[n] = true
		hit = append(hit, b.e.members[n])
	}
	return hit
}

// String names a member in the list of faults.
func (m *member) String() string { return m.name }

func (b *breaker) restart(ctx context.Context, m *member) error {
	m.signal(syscall.SIGCONT)
	m.signal(syscall.SIGTERM)
	select {
	case <-m.ended():
	case <-time.After(10 * time.Second): // a node that cannot stop well, as without a majority, is killed by its supervisor
		m.crash()
	case <-ctx.Done():
	}
	return m.revive()
}

func (b *breaker) restartAll(ctx context.Context, down time.Duration) error {
	var ending sync.WaitGroup
	for _, m := range b.e.members {
		ending.Go(m.crash)
	}
	ending.Wait()
	pass(ctx, down)
	var errs []error
	for _, m := range b.e.members {
		errs = append(errs, m.revive())
	}
	return errors.Join(errs...)
}

// operate does what operators do. It may fail: other things are broken at the same time.
func (b *breaker) operate(ctx context.Context, k nemesis.Kind, m *member) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var err error
	switch k {
	case nemesis.Transfer:
		var to locator.NodeID
		if s, e := m.api.Status(ctx); e == nil && s.State != "leader" {
			to = s.Node
		}
		_, err = m.api.TransferLeadership(ctx, api.TransferRequest{To: to})
	case nemesis.Snapshot:
		_, err = m.api.SaveSnapshot(ctx, io.Discard)
	}
	b.rec.Fault("%s by way of %v: %v", k, m, err)
}

// ways returns which directions a network fault closes.
func (b *breaker) ways(k nemesis.Kind, hit []*member) (ways [][2]int) {
	if k == nemesis.OneWay {
		return [][2]int{{hit[0].number, hit[1].number}}
	}
	n := len(b.e.members)
	for from := range n {
		for to := range n {
			apart := (from-to+n)%n > 1 && (to-from+n)%n > 1 // on a ring
			if k != nemesis.Ring {
				apart = slices.Contains(hit, b.e.members[from]) != slices.Contains(hit, b.e.members[to])
			}
			if apart {
				ways = append(ways, [2]int{from, to})
			}
		}
	}
	return ways
}

func (b *breaker) close(ways [][2]int) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range ways {
		if b.drops[w]++; b.drops[w] == 1 {
			err = errors.Join(err, b.e.wires.drop(w[0], w[1]))
		}
	}
	return err
}

func (b *breaker) open(ways [][2]int) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range ways {
		if b.drops[w]--; b.drops[w] == 0 {
			err = errors.Join(err, b.e.wires.undrop(w[0], w[1]))
		}
	}
	return err
}

func (b *breaker) flap(ctx context.Context, s nemesis.Step, hit []*member) (err error) {
	ways := b.ways(nemesis.Cut, hit)
	for end := time.Now().Add(s.For); time.Now().Before(end) && ctx.Err() == nil; {
		err = errors.Join(err, b.close(ways))
		pass(ctx, s.Size)
		err = errors.Join(err, b.open(ways))
		pass(ctx, s.Size)
	}
	return err
}

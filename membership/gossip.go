package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Gossip is this node among the others. All methods are safe for concurrent use.
type Gossip struct {
	cfg   Config
	cache *cache

	mu     sync.Mutex
	list   *memberlist.Memberlist // nil: not open
	closed bool

	keyring    *memberlist.Keyring // nil: gossip is not encrypted
	self       self
	announce   chan struct{} // capacity 1: self has changed
	seedsWrong string        // the last complaint about Config.Seeds; of rejoinLoop alone
	ending     sync.Mutex    // held by Leave and Close: memberlist panics if the two meet

	looping context.Context // ends with Leave or Close
	stop    context.CancelFunc
	dialing context.Context // ends with Close
	hangUp  context.CancelFunc
	loops   sync.WaitGroup
}

// New checks cfg and returns a gossip that is not open.
func New(cfg Config) (*Gossip, error) {
	if cfg.Timing == (Timing{}) {
		cfg.Timing = Fast()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Gossip{cfg: cfg, cache: newCache(cfg.NodeID, cfg.Logger), announce: make(chan struct{}, 1)}
	var err error
	if g.keyring, err = newKeyring(cfg.Keys); err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	g.self.meta = cfg.meta()
	g.cache.belong(cfg.Self.Cluster)
	g.looping, g.stop = context.WithCancel(context.Background())
	g.dialing, g.hangUp = context.WithCancel(context.Background())
	return g, nil
}

// Open binds the ports and begins to gossip. It does not wait for others: they are looked for until they are found.
func (g *Gossip) Open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.list != nil {
		return errors.New("membership: a gossip is opened once")
	}
	if path := g.cfg.PeersFile; path != "" {
		peers, err := loadPeers(path)
		if err != nil {
			g.cfg.Logger.Warn("going on without remembered peers", "error", err)
		}
		g.cache.recall(peers)
	}
	list, err := g.create()
	if err != nil {
		return err
	}
	g.list = list
	g.loops.Go(g.rejoinLoop)
	g.loops.Go(g.announceLoop)
	if g.cfg.PeersFile != "" {
		g.loops.Go(g.rememberLoop)
	}
	return nil
}

// create starts memberlist. Its callbacks come before it returns: none of them may take g.mu.
func (g *Gossip) create() (*memberlist.Memberlist, error) {
	cfg := g.cfg.memberlist(g)
	t, err := listen(g.dialing, cfg, g.cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("membership: gossip on %s port %d: %w", g.cfg.BindAddr, g.cfg.BindPort, err)
	}
	cfg.Transport = t
	if g.cfg.wrap != nil {
		cfg.Transport = g.cfg.wrap(t)
	}
	list, err := memberlist.Create(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("membership: %w", err), t.Shutdown())
	}
	return list, nil
}

// Close stops gossiping without a word: to the others this node has failed. Leave first to be missed less. It returns
// when the loops have ended, at the latest after Timing.Stream; memberlist's own goroutines end within a probe of
// that. It may be called again.
func (g *Gossip) Close() error {
	g.stop()
	g.hangUp()
	g.ending.Lock()
	defer g.ending.Unlock()
	g.mu.Lock()
	list, first := g.list, !g.closed
	g.closed = true
	g.mu.Unlock()
	g.loops.Wait()
	if !first || list == nil {
		return nil
	}
	if err := list.Shutdown(); err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	return nil
}

// Leave tells the others that this node goes on purpose, and waits until some have heard it or ctx ends. Close comes next.
func (g *Gossip) Leave(ctx context.Context) error {
	g.ending.Lock()
	defer g.ending.Unlock()
	g.mu.Lock()
	list, closed := g.list, g.closed
	g.mu.Unlock()
	if list == nil || closed {
		return errors.New("membership: not open")
	}
	g.stop()
	g.loops.Wait()
	g.self.leave()
	// First in the metadata: memberlist's own message for it does not tell leaving from failing, not to our callbacks.
	err := list.UpdateNode(remaining(ctx) / 2)
	if err = errors.Join(err, list.Leave(remaining(ctx))); err != nil {
		return fmt.Errorf("membership: leaving: %w", err)
	}
	return nil
}

// leaveMax is how long Leave waits if its ctx has no deadline.
const leaveMax = 5 * time.Second

// remaining is the time that ctx leaves; at least a moment, since memberlist takes zero for no limit.
func remaining(ctx context.Context) time.Duration {
	left := leaveMax
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	return max(left, time.Millisecond)
}

// Members returns all that this node has heard of, itself too, ordered by ID. The slice is the caller's.
func (g *Gossip) Members() []Member { return g.cache.members() }

// Strangers returns the nodes of other clusters that gossip with this one, or have tried to within the last minute, ordered by
// ID. They are not among the members. The slice is the caller's.
func (g *Gossip) Strangers() []Member { return g.cache.foreigners() }

// Changes is signalled after Members has changed. Several changes may be one signal: read, then ask Members. For one reader.
func (g *Gossip) Changes() <-chan struct{} { return g.cache.changes }

// Update changes what this node says of itself. It does not block; the others hear of it within a second or two.
func (g *Gossip) Update(s Self) error {
	changed, err := g.self.change(s)
	if err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	g.cache.belong(s.Cluster)
	if changed {
		select {
		case g.announce <- struct{}{}:
		default:
		}
	}
	return nil
}

// HealthScore says how well this node itself keeps up, by memberlist's reckoning: zero is well; more means that what it says of
// others is to be doubted.
func (g *Gossip) HealthScore() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.list == nil {
		return 0
	}
	return g.list.GetHealthScore()
}

// Address returns where this node gossips, host:port as the others see it; empty before Open.
func (g *Gossip) Address() string { return g.cache.gossipOf(g.cfg.NodeID) }

//go:build rdma

package rdma_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// With GRAFNODE_RDMA set the hosts of these tests have real adapters: both use the first port of this machine, each with an open device of its own.
// integration/rdma does so in an emulated machine. What only a fake can do is skipped then.
func init() {
	if os.Getenv("GRAFNODE_RDMA") != "" {
		onAdapters = openAdapters
	}
}

// retryStarved outlasts an emulated machine that is kept from running for a while.
var retryStarved = verbs.Retry{AckTimeout: time.Second, Count: 6, NotReady: 6, Pause: 10 * time.Millisecond}

var shared struct {
	once       sync.Once
	owner, far *seen
	fabrics    [2]*rdma.Fabric
}

// openAdapters gives a test the two fabrics that all of them share: to open a device takes long where it is emulated.
func openAdapters(t testing.TB) (owner, far *rdma.Fabric, ownerPair, farPair func() pair) {
	t.Helper()
	shared.once.Do(func() {
		ports, err := ibverbs.New().Ports()
		require.NoError(t, err)
		require.NotEmpty(t, ports)
		shared.owner, shared.far = &seen{Provider: ibverbs.New()}, &seen{Provider: ibverbs.New()}
		for i, provider := range []*seen{shared.owner, shared.far} {
			shared.fabrics[i], err = rdma.Open(rdma.Config{Provider: provider, Port: ports[0], Retry: retryStarved})
			require.NoError(t, err)
		}
		closeAdapters = func() error {
			if err := shared.fabrics[0].Close(); err != nil {
				return err
			}
			return shared.fabrics[1].Close()
		}
	})
	require.NotNil(t, shared.fabrics[1], "an earlier test could not open it")
	shared.owner.forget()
	shared.far.forget()
	return shared.fabrics[0], shared.fabrics[1], shared.owner.first, shared.far.first
}

// seen is a provider whose pairs a test can reach, to do with them what the package would not.
type seen struct {
	verbs.Provider

	mu    sync.Mutex
	pairs []*seenPair
}

func (s *seen) Open(p verbs.Port) (verbs.Device, error) {
	d, err := s.Provider.Open(p)
	return &seenDevice{Device: d, of: s}, err
}

func (s *seen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs = nil
}

// first returns the first pair since forget.
func (s *seen) first() pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pairs[0]
}

type seenDevice struct {
	verbs.Device
	of *seen
}

func (d *seenDevice) NewPair(r verbs.Room) (verbs.Pair, error) {
	p, err := d.Device.NewPair(r)
	if err != nil {
		return nil, err
	}
	s := &seenPair{Pair: p}
	d.of.mu.Lock()
	defer d.of.mu.Unlock()
	d.of.pairs = append(d.of.pairs, s)
	return s, nil
}

// seenPair is a pair that a test may use beside the package.
type seenPair struct {
	verbs.Pair
	posting sync.Mutex

	mu      sync.Mutex
	regions []verbs.Region
}

func (p *seenPair) Post(ws []verbs.Write) error {
	p.posting.Lock()
	defer p.posting.Unlock()
	return p.Pair.Post(ws)
}

func (p *seenPair) Register(mem []byte, a verbs.Access) (verbs.Region, error) {
	r, err := p.Pair.Register(mem, a)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.regions = append(p.regions, r)
	}
	return r, err
}

// Region returns the n-th that was registered.
func (p *seenPair) Region(n int) verbs.Region {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.regions[n]
}

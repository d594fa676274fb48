package faultnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// Limits of one proxy.
const (
	ConnsMax = 64
	LifeMax  = 10 * time.Minute
)

// Direction says which way bytes flow. The two may be or-ed.
type Direction uint8

// The directions.
const (
	Up   Direction = 1 << iota // from whoever dialled to the target
	Down                       // from the target to whoever dialled
	Both = Up | Down
)

// Proxy forwards TCP connections to one target. All methods are safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	stop     context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup

	mu     sync.Mutex
	faults [2]fault // of Up, of Down
	conns  map[*net.TCPConn]struct{}
}

// fault is what happens to the bytes of one direction.
type fault struct {
	delay   time.Duration
	cut     bool
	swallow bool
	damage  int           // damage the byte this many from now, counting from 1; zero: none
	changed chan struct{} // closed when any of this changes
}

// Start starts a proxy to target, a loopback "host:port", and stops it when the test ends.
func Start(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func open(target string) (*Proxy, error) {
	addr, err := net.ResolveTCPAddr("tcp", target)
	if err != nil {
		return nil, fmt.Errorf("faultnet: %w", err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("faultnet: %s is not a loopback address", target)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultnet: %w", err)
	}
	p := &Proxy{target: target, listener: l, conns: make(map[*net.TCPConn]struct{})}
	for i := range p.faults {
		p.faults[i].changed = make(chan struct{})
	}
	p.stop, p.cancel = context.WithTimeout(context.Background(), LifeMax)
	p.tasks.Go(p.accept)
	p.tasks.Go(func() {
		<-p.stop.Done()
		_ = l.Close() // ends accept; it is being thrown away
		p.Reset()
	})
	return p, nil
}

// Addr returns the address to dial.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Delay holds every byte flowing in d back for the given time.
func (p *Proxy) Delay(d Direction, by time.Duration) { p.set(d, func(f *fault) { f.delay = by }) }

// Cut holds all bytes flowing in d back until Heal.
func (p *Proxy) Cut(d Direction) { p.set(d, func(f *fault) { f.cut = true }) }

// BlackHole takes all bytes flowing in d and delivers none; they are lost for good. That a connection was closed shows only
// after Heal.
func (p *Proxy) BlackHole(d Direction) { p.set(d, func(f *fault) { f.swallow = true }) }

// Damage flips a bit of the nth byte (from 1) that flows in d from now on, over all connections.
func (p *Proxy) Damage(d Direction, nth int) { p.set(d, func(f *fault) { f.damage = nth }) }

// Mend ends what goes wrong with the bytes flowing in d, and lets the other direction be.
func (p *Proxy) Mend(d Direction) {
	p.set(d, func(f *fault) { *f = fault{changed: f.changed} })
}

// Heal ends delays, cuts and black holes in both directions.
func (p *Proxy) Heal() {
	p.Mend(Both)
}

// Reset ends all open connections the hard way: both ends see a reset.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.SetLinger(0) // what makes Close send a reset
		_ = c.Close()      // being thrown away
		delete(p.conns, c)
	}
	for i := range p.faults { // whoever waits for a change looks again
		close(p.faults[i].changed)
		p.faults[i].changed = make(chan struct{})
	}
}

// Close resets all connections and waits for the proxy's goroutines. Idempotent.
func (p *Proxy) Close() {
	p.cancel()
	p.tasks.Wait()
}

func (p *Proxy) set(d Direction, change func(*fault)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.faults {
		if d&(1<<i) != 0 {
			f := &p.faults[i]
			change(f)
			close(f.changed)
			f.changed = make(chan struct{})
		}
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(c.(*net.TCPConn)) }) // what network "tcp" gives
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	var d net.Dialer
	c, err := d.DialContext(p.stop, "tcp", p.target)
	if err != nil {
		_ = client.Close() // the target is down: so is the way to it
		return
	}
	server := c.(*net.TCPConn)
	if !p.register(client, server) {
		_ = errors.Join(client.Close(), server.Close()) // refused
		return
	}
	var pipes sync.WaitGroup
	pipes.Go(func() { p.forward(0, server, client) })
	pipes.Go(func() { p.forward(1, client, server) })
	pipes.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []*net.TCPConn{client, server} {
		delete(p.conns, c)
		_ = c.Close() // both directions have ended
	}
}

func (p *Proxy) register(conns ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns)+len(conns) > 2*ConnsMax || p.stop.Err() != nil {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

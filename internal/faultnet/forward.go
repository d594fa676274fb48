package faultnet

import (
	"net"
	"time"
)

// chunk is what one read got, and when.
type chunk struct {
	bytes []byte
	at    time.Time
}

// forward carries bytes from src to dst until either ends. Reading and writing are apart so that a delay adds to each byte's way
// and does not slow the flow; chunksMax bounds what is under way.
func (p *Proxy) forward(direction int, dst, src *net.TCPConn) {
	const chunksMax = 256
	way := make(chan chunk, chunksMax)
	p.tasks.Go(func() {
		defer close(way)
		for {
			b := make([]byte, 16<<10)
			n, err := src.Read(b)
			if n > 0 {
				select {
				case way <- chunk{b[:n], time.Now()}:
				case <-p.stop.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	broken := false
	for c := range way {
		if !broken && p.passes(direction, c) {
			_, err := dst.Write(c.bytes)
			broken = err != nil
		}
		if broken {
			_ = src.CloseRead() // ends the reader; what it still has is drained here
		}
	}
	p.passEnd(direction, dst)
}

// passEnd tells dst that nothing more comes. An end is held back by a cut and by a black hole until they heal, and never
// overtakes a reset.
func (p *Proxy) passEnd(direction int, dst *net.TCPConn) {
	for {
		p.mu.Lock()
		f := &p.faults[direction]
		if _, open := p.conns[dst]; !open || !f.cut && !f.swallow {
			if open {
				_ = dst.CloseWrite() // fails if dst is gone, which is as good
			}
			p.mu.Unlock()
			return
		}
		changed := f.changed
		p.mu.Unlock()
		if !p.pause(true, 0, changed) {
			return
		}
	}
}

// passes waits until c may go on, damages it if told to, and reports false if it is swallowed.
func (p *Proxy) passes(direction int, c chunk) bool {
	for {
		p.mu.Lock()
		f := &p.faults[direction]
		if f.swallow {
			p.mu.Unlock()
			return false
		}
		wait := time.Until(c.at.Add(f.delay))
		if !f.cut && wait <= 0 {
			f.hit(c.bytes)
			p.mu.Unlock()
			return true
		}
		cut, changed := f.cut, f.changed
		p.mu.Unlock()
		if !p.pause(cut, wait, changed) {
			return false
		}
	}
}

// pause waits for the delay to pass (or, when cut, for ever) or for a change; false: the proxy stops.
func (p *Proxy) pause(cut bool, wait time.Duration, changed <-chan struct{}) bool {
	var late <-chan time.Time
	if !cut {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-late:
	case <-changed:
	case <-p.stop.Done():
		return false
	}
	return true
}

// hit damages the byte of b that is due. The caller holds the proxy's lock.
func (f *fault) hit(b []byte) {
	switch {
	case f.damage == 0:
	case f.damage <= len(b):
		b[f.damage-1] ^= 0x10
		f.damage = 0
	default:
		f.damage -= len(b)
	}
}

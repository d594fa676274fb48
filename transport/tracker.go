package transport

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// Stats counts connections.
type Stats struct {
	Open      int    // accepted and not closed yet
	Accepted  uint64 // ever
	Refused   uint64 // because there were too many
	Evicted   uint64 // the oldest without a preface, or data without a proof, when there were too many of those
	Late      uint64 // no preface in time, or closed before it
	Strangers uint64 // did not show by TLS who they are
}

// conn is a connection that its tracker knows until it is closed. It embeds the TCP connection, so that what net does
// faster on one (several buffers in one system call) stays possible.
type conn struct {
	*net.TCPConn
	tracker *tracker
	peer    netip.Prefix  // who connected, as the caps count
	dialled bool          // does not count against the caps
	common  bool          // counts as other than Raft's; guarded by tracker.mu, as the next two
	line    *line         // in which it is, or nil
	place   *list.Element // there
	closing sync.Once
}

// Proven says that the other end of a data connection has shown who it is. Until then it is one of those that make room for each other.
func (c *conn) Proven() {
	c.tracker.mu.Lock()
	defer c.tracker.mu.Unlock()
	c.leaveLine()
}

// Close closes the connection. Only the first call reports an error.
func (c *conn) Close() (err error) {
	c.closing.Do(func() {
		c.tracker.forget(c)
		err = c.TCPConn.Close()
	})
	return err
}

// tracker knows every open connection, so as to bound them and to cut them all.
type tracker struct {
	mu               sync.Mutex
	closed           bool
	openMax, peerMax int
	open             map[*conn]struct{}
	peers            map[netip.Prefix]int // how many each has of those that were accepted
	common           int                  // of those that were accepted, the ones that are other than Raft's
	fresh            line                 // without a preface yet
	unproven         line                 // data connections whose other end has not shown who it is
	counts           Stats
}

func (t *tracker) init(openMax, peerMax, freshMax int) {
	t.open, t.peers = make(map[*conn]struct{}), make(map[netip.Prefix]int)
	t.fresh = line{max: freshMax, peers: make(map[netip.Prefix]int)}
	t.unproven = line{peers: make(map[netip.Prefix]int)}
	t.limit(openMax, peerMax)
}

// limit sets how many connections there may be from now on. Who is there stays.
func (t *tracker) limit(openMax, peerMax int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.openMax, t.peerMax, t.unproven.max = openMax, peerMax, UnprovenMax(openMax)
}

// admit takes c in, or reports false: too many, or closed.
func (t *tracker) admit(c *conn) bool {
	evicted, ok := t.enter(c)
	evicted.cut()
	return ok
}

func (t *tracker) enter(c *conn) (evicted *conn, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false
	}
	if c.dialled {
		t.open[c] = struct{}{}
		return nil, true
	}
	if t.counts.Open >= t.openMax || t.peers[c.peer] >= t.peerMax {
		t.counts.Refused++
		return nil, false
	}
	t.open[c] = struct{}{}
	t.peers[c.peer]++
	t.counts.Open++
	t.counts.Accepted++
	return t.enterLine(c, &t.fresh), true
}

// identified notes for what c has said that it is. It is false if there are so many that Raft would be short of them.
func (t *tracker) identified(c *conn, u use) bool {
	evicted, ok := t.sort(c, u)
	evicted.cut()
	return ok
}

func (t *tracker) sort(c *conn, u use) (evicted *conn, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.leaveLine()
	if _, known := t.open[c]; !known || u == useRaft {
		return nil, true // closed meanwhile, or what there is always room for
	}
	if t.common >= t.openMax-raftShare(t.openMax) {
		t.counts.Refused++
		return nil, false
	}
	c.common = true
	t.common++
	if u != useData {
		return nil, true
	}
	return t.enterLine(c, &t.unproven), true
}

func (t *tracker) enterLine(c *conn, l *line) (evicted *conn) {
	if evicted = l.enter(c); evicted != nil {
		t.counts.Evicted++
	}
	return evicted
}

func (t *tracker) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.open[c]; !known {
		return
	}
	delete(t.open, c)
	c.leaveLine()
	if c.dialled {
		return
	}
	t.counts.Open--
	if c.common {
		t.common--
	}
	if t.peers[c.peer]--; t.peers[c.peer] == 0 {
		delete(t.peers, c.peer)
	}
}

// closeAll cuts every connection and admits no more.
func (t *tracker) closeAll() {
	t.mu.Lock()
	t.closed = true
	all := make([]*conn, 0, len(t.open))
	for c := range t.open {
		all = append(all, c)
	}
	t.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // cut; an error leaves nothing to be done
	}
}

func (t *tracker) countLate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Late++
}

func (t *tracker) countStranger() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Strangers++
}

func (t *tracker) stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

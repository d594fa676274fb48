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
	Evicted   uint64 // the oldest without a preface, when there were too many of those
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
	place   *list.Element // in tracker.fresh, or nil; guarded by tracker.mu
	closing sync.Once
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
	openMax, peerMax, freshMax int

	mu     sync.Mutex
	closed bool
	open   map[*conn]struct{}
	peers  map[netip.Prefix]peer // of those that were accepted
	fresh  list.List             // of *conn without a preface yet, oldest first
	counts Stats
}

// peer counts the connections of one peer: all, and those without a preface yet.
type peer struct{ open, fresh int }

func (t *tracker) init(openMax, peerMax, freshMax int) {
	t.openMax, t.peerMax, t.freshMax = openMax, peerMax, freshMax
	t.open, t.peers = make(map[*conn]struct{}), make(map[netip.Prefix]peer)
}

// admit takes c in, or reports false: too many, or closed.
func (t *tracker) admit(c *conn) bool {
	oldest, ok := t.enter(c)
	if oldest != nil {
		_ = oldest.Close() // cut without a word, as a late one is
	}
	return ok
}

func (t *tracker) enter(c *conn) (evict *conn, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false
	}
	if c.dialled {
		t.open[c] = struct{}{}
		return nil, true
	}
	if t.counts.Open >= t.openMax || t.peers[c.peer].open >= t.peerMax {
		t.counts.Refused++
		return nil, false
	}
	if t.fresh.Len() >= t.freshMax {
		evict = t.oldest(c.peer)
		t.leaveFresh(evict)
		t.counts.Evicted++
	}
	t.open[c] = struct{}{}
	c.place = t.fresh.PushBack(c)
	p := t.peers[c.peer]
	t.peers[c.peer] = peer{p.open + 1, p.fresh + 1}
	t.counts.Open++
	t.counts.Accepted++
	return evict, true
}

// oldest returns which connection without a preface makes room for the next: of the peer that this is from if that has half of them, so that
// it cuts nobody's but its own.
func (t *tracker) oldest(from netip.Prefix) *conn {
	oldest := t.fresh.Front()
	if own := t.peers[from].fresh; 2*own >= t.freshMax {
		for oldest.Value.(*conn).peer != from {
			oldest = oldest.Next()
		}
	}
	return oldest.Value.(*conn)
}

// identified notes that c has said its preface.
func (t *tracker) identified(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaveFresh(c)
}

func (t *tracker) leaveFresh(c *conn) {
	if c.place != nil {
		t.fresh.Remove(c.place)
		c.place = nil
		p := t.peers[c.peer]
		t.peers[c.peer] = peer{p.open, p.fresh - 1}
	}
}

func (t *tracker) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.open[c]; !known {
		return
	}
	delete(t.open, c)
	t.leaveFresh(c)
	if c.dialled {
		return
	}
	t.counts.Open--
	if p := t.peers[c.peer]; p.open > 1 {
		t.peers[c.peer] = peer{p.open - 1, p.fresh}
	} else {
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

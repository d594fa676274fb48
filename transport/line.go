package transport

import (
	"container/list"
	"net/netip"
)

// line is connections that have yet to say or to show something, oldest first. It is bounded, and never full: the oldest makes room for the next.
// Its tracker's mutex guards it.
type line struct {
	max   int
	conns list.List
	peers map[netip.Prefix]int // how many each has of them
}

// enter puts c at the end, and returns which connection is to be cut for it, or nil: of c's peer if that has half of them, so that it cuts
// nobody's but its own.
func (l *line) enter(c *conn) (evicted *conn) {
	if l.conns.Len() > 0 && l.conns.Len() >= l.max {
		oldest := l.conns.Front()
		if 2*l.peers[c.peer] >= l.max {
			for oldest.Value.(*conn).peer != c.peer {
				oldest = oldest.Next()
			}
		}
		evicted = oldest.Value.(*conn)
		evicted.leaveLine()
	}
	c.line, c.place = l, l.conns.PushBack(c)
	l.peers[c.peer]++
	return evicted
}

// leaveLine takes c out of the line in which it is, if it is in one.
func (c *conn) leaveLine() {
	l := c.line
	if l == nil {
		return
	}
	l.conns.Remove(c.place)
	if l.peers[c.peer]--; l.peers[c.peer] == 0 {
		delete(l.peers, c.peer)
	}
	c.line, c.place = nil, nil
}

// cut closes a connection that has made room for another, without a word, as a late one is. Nil: there is none.
func (c *conn) cut() {
	if c != nil {
		_ = c.Close()
	}
}

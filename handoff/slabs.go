package handoff

import "math/bits"

// slabs is memory for payloads, which are let go of in the order in which they were kept: so a slab is empty as a whole after a
// while, and is used again. It holds at most about twice what is kept at a time, and does not give it back before it is
// garbage itself.
type slabs struct {
	used []*slab // oldest first; the last is being filled, and each of the others holds something
	free []*slab
}

type slab struct {
	bytes []byte
	at    int // how far it is filled
	live  int // payloads in it
}

// A slab has four times the size of the payload that it was made for, within these limits, unless that alone is more.
const (
	slabMin = 4 << 10
	slabMax = 64 << 10
)

// room returns an empty slice with room for n bytes, which is kept without a copy if the next keep gets it, filled.
func (s *slabs) room(n int) []byte {
	if k := len(s.used); k > 0 {
		if cur := s.used[k-1]; len(cur.bytes)-cur.at >= n {
			return cur.bytes[cur.at:cur.at]
		}
	}
	cur := s.next(n)
	return cur.bytes[cur.at:cur.at]
}

// next begins a slab with room for n bytes.
func (s *slabs) next(n int) *slab {
	size := slabMin
	if k := len(s.used); k > 0 {
		cur := s.used[k-1]
		size = min(2*len(cur.bytes), slabMax)
		if cur.live == 0 { // too small, and in the way
			s.used = s.used[:k-1]
			s.give(cur)
		}
	}
	for i, f := range s.free {
		if len(f.bytes) >= n {
			s.free[i] = s.free[len(s.free)-1]
			s.free = s.free[:len(s.free)-1]
			s.used = append(s.used, f)
			return f
		}
	}
	made := &slab{bytes: make([]byte, max(size, n, min(1<<bits.Len(uint(4*n)), slabMax)))}
	s.used = append(s.used, made)
	return made
}

// keep returns p in memory of its own until it is let go.
func (s *slabs) keep(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	r := s.room(len(p))
	if r = r[:len(p):len(p)]; &r[0] != &p[0] {
		copy(r, p)
	}
	cur := s.used[len(s.used)-1]
	cur.at = min((cur.at+len(p)+7)&^7, len(cur.bytes))
	cur.live++
	return r
}

// drop lets the oldest payload go.
func (s *slabs) drop(p []byte) {
	if len(p) == 0 {
		return
	}
	oldest := s.used[0]
	if oldest.live--; oldest.live > 0 {
		return
	}
	oldest.at = 0
	if len(s.used) > 1 {
		s.used = append(s.used[:0], s.used[1:]...)
		s.give(oldest)
	}
}

func (s *slabs) give(empty *slab) {
	empty.at = 0
	s.free = append(s.free, empty)
}

package edgetest

import (
	"math"

	"github.com/grafnode/grafnode/fabric"
)

// near is a consumer on the ring's host: it reads records where they lie.
type near struct {
	*consumer
	peeker fabric.Peeker
}

// Peek implements fabric.Peeker. Damage is found where it is the first, and again by whoever reads that record alone.
func (c near) Peek() (r fabric.Records, err error) {
	limit, err := c.due(math.MaxInt)
	if err != nil {
		return r, err
	}
	if r, err = c.peeker.Peek(); err != nil {
		return r, err
	}
	r.N = min(r.N, limit)
	for i := range r.N {
		record := r.Data[i*r.Stride:][:r.Bytes]
		read := c.ring.read(record)
		if &read[0] == &record[0] {
			continue
		}
		c.ring.damaged.Store(true)
		if r.N = i; i == 0 {
			r.Data, r.N = read, 1
		}
		break
	}
	return r, nil
}

// Skip implements fabric.Peeker.
func (c near) Skip(n int) {
	c.peeker.Skip(n)
	c.took(n)
}

package position

import (
	"fmt"
	"slices"
	"strings"
)

// LanesMax is how many lanes one edge may carry: a vector of that many fits a page of shared memory.
const LanesMax = 200

// Vector is the last position of each lane, at most one per lane, ordered by lane. The zero Vector knows no lane.
// A Vector is immutable: With returns a changed copy, so it may be shared between goroutines.
type Vector struct {
	lanes []Position
}

// VectorOf returns the vector of the highest position of each lane among ps.
func VectorOf(ps ...Position) Vector {
	var v Vector
	for _, p := range ps {
		v = v.With(p)
	}
	return v
}

// At returns the position of lane, and whether there is one.
func (v Vector) At(lane Lane) (Position, bool) {
	i, ok := v.find(lane)
	if !ok {
		return Position{}, false
	}
	return v.lanes[i], true
}

// Covers reports whether p lies at or below its lane's position.
func (v Vector) Covers(p Position) bool {
	q, ok := v.At(p.Lane)
	return ok && !q.Before(p)
}

// With returns v with p's lane raised to p. A lower p changes nothing.
func (v Vector) With(p Position) Vector {
	i, ok := v.find(p.Lane)
	if !ok {
		return Vector{slices.Insert(slices.Clone(v.lanes), i, p)}
	}
	if p.Compare(v.lanes[i]) <= 0 {
		return v
	}
	lanes := slices.Clone(v.lanes)
	lanes[i] = p
	return Vector{lanes}
}

// Max returns the higher of v and w in each lane.
func (v Vector) Max(w Vector) Vector {
	for _, p := range w.lanes {
		v = v.With(p)
	}
	return v
}

// Equal reports whether v and w hold the same positions.
func (v Vector) Equal(w Vector) bool { return slices.Equal(v.lanes, w.lanes) }

// Len returns the number of lanes.
func (v Vector) Len() int { return len(v.lanes) }

// Positions returns the positions in the order of their lanes. The caller owns the slice.
func (v Vector) Positions() []Position { return slices.Clone(v.lanes) }

// String returns the positions, in brackets.
func (v Vector) String() string {
	s := make([]string, len(v.lanes))
	for i, p := range v.lanes {
		s[i] = p.String()
	}
	return "[" + strings.Join(s, " ") + "]"
}

// Append appends the encoding of v: its positions, one after the other, in the order of their lanes.
func (v Vector) Append(b []byte) []byte {
	for _, p := range v.lanes {
		b = p.Append(b)
	}
	return b
}

// DecodeVector reads a vector that fills b.
func DecodeVector(b []byte) (Vector, error) {
	if len(b)%EncodedBytes != 0 || len(b)/EncodedBytes > LanesMax {
		return Vector{}, fmt.Errorf("vector of %d bytes: %w", len(b), ErrBadPosition)
	}
	var v Vector
	for ; len(b) > 0; b = b[EncodedBytes:] {
		p, err := Decode(b)
		if err != nil {
			return Vector{}, err
		}
		if n := len(v.lanes); n > 0 && v.lanes[n-1].Lane >= p.Lane {
			return Vector{}, fmt.Errorf("lane %d after %d: %w", p.Lane, v.lanes[n-1].Lane, ErrBadPosition)
		}
		v.lanes = append(v.lanes, p)
	}
	return v, nil
}

func (v Vector) find(lane Lane) (int, bool) {
	if len(v.lanes) == 1 && v.lanes[0].Lane == lane { // most edges have one lane
		return 0, true
	}
	return slices.BinarySearchFunc(v.lanes, lane, func(p Position, l Lane) int { return int(int64(p.Lane) - int64(l)) })
}

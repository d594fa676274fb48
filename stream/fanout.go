package stream

import (
	"context"
	"fmt"
	"math/bits"
)

// BranchesMax is how many branches a fan-out, and how many flows a merge may have: a stage takes all of its edges in one operation.
const BranchesMax = 64

// Key is what Partition tells items apart by. Of a number, take its bytes: binary.BigEndian.AppendUint64(nil, n).
type Key interface{ ~string | ~[]byte }

// Broadcast gives every item to each of n branches. The edges that it produces are called <pipeline>.<name>.<branch>, from 0. It takes
// DeadLetter and UseCodec.
//
// An item has the same position in all branches, and is acknowledged once it is in the slowest. Each lane ends in every branch.
// A branch that is full makes all of them wait.
func Broadcast[T any](in Flow[T], name string, n int, opts ...StageOption) []Flow[T] {
	return fanOut(in, name, n, func(T) int { return everyBranch }, opts)
}

// Partition gives each item to one of n branches: items with the same key to the same one, in their order. Which one that is
// depends on the key and n alone, and is the same in all processes and releases: see BranchOf. The edges that it produces are called
// <pipeline>.<name>.<branch>, from 0. It takes DeadLetter and UseCodec.
//
// An item has its input's position. Nothing waits for the branches that it does not go to, so they hear nothing of it; marks and
// the ends of lanes go to every branch. A branch that is full makes all of them wait. key must be deterministic. Another
// n is another function of the stage, to be changed at a drained barrier only.
func Partition[T any, K Key](in Flow[T], name string, n int, key func(T) K, opts ...StageOption) []Flow[T] {
	return fanOut(in, name, n, func(v T) int { return BranchOf(key(v), n) }, opts)
}

// BranchOf returns the branch, of n, to which Partition sends items with that key: the upper 64 bits of the product of n and a
// hash, which is FNV-1a of the key's bytes, in 64 bits, with its bits mixed by the finaliser of MurmurHash3.
func BranchOf[K Key](key K, n int) int {
	h := uint64(0xcbf29ce484222325)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 0x100000001b3
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	branch, _ := bits.Mul64(h^h>>33, uint64(n))
	return int(branch)
}

// fanOut describes a stage that passes its input on to the branches that route says.
func fanOut[T any](in Flow[T], name string, n int, route func(T) int, opts []StageOption) []Flow[T] {
	p := in.p
	st := p.add(name, []*link{in.link}, opts, "DeadLetter", "UseCodec")
	if n < 1 || n > BranchesMax {
		p.wrong(name, "%d branches: from 1 to %d", n, BranchesMax)
		n = min(max(n, 1), BranchesMax)
	}
	codec := codecOf(p, st, in.codec)
	flows := make([]Flow[T], n)
	for k := range flows {
		flows[k] = Flow[T]{p, p.produce(st, fmt.Sprintf("%s.%d", p.fullName(name), k), in.link.lanes, in.link.depth), codec}
	}
	pass := func(_ context.Context, v T, out []T) ([]T, error) { return append(out, v), nil }
	o := &operator[T, T]{p: p, st: st, f: pass, route: route, inCodec: in.codec, outCodec: codec}
	st.run = o.run
	return flows
}

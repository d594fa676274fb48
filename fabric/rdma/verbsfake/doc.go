// Package verbsfake is package verbs without an adapter: queue pairs whose other ends are in the same process, and a network between
// them that does what networks do, by seed. It is for tests of package fabric/rdma, which run on it in every build.
//
// It is strict where adapters are: a write is refused unless a region that is registered for the very pair it arrives at allows
// all of it, a write with an immediate must find a receive, what is posted must fit, and after the first failure a pair
// does nothing more. It is as slow, and as free in its order, as an adapter may be: writes of one pair land one after the other, but none
// completes when it lands, pairs overtake each other, and a large write lands in pieces from its end, so that who looks before the completion
// sees rubbish. Test hooks break pairs, keep completions back, and hold the whole network.
package verbsfake

package fabrictest

import (
	"testing"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// Pair is one new ring: its owner's view, and the ways to open its two sides.
type Pair struct {
	// Arena is the owner's view. The suite closes it.
	Arena fabric.Arena
	// Producer and Consumer open a side, here or through a network. The suite closes what they return. A second call must
	// return fabric.ErrTaken, or a side whose calls soon do.
	Producer func() (fabric.Producer, error)
	Consumer func() (fabric.Consumer, error)
	// Damage lists the ways to spoil the ring behind its sides' backs; each gets a ring of its own. May be empty.
	Damage []Damage
}

// Damage is one way to spoil a ring.
type Damage struct {
	Name   string
	Victim fabric.Role // the side that must notice, with ErrCorrupt
	Do     func()      // called when both sides are open and two unread records lie in the ring
}

// Factory makes a new ring for cfg. What Arena.Close and closing both sides do not clean up, it leaves to t.Cleanup.
type Factory func(t testing.TB, cfg fabric.Config) Pair

// Local is the pair whose sides are both opened by the arena itself.
func Local(a fabric.Arena) Pair {
	return Pair{Arena: a, Producer: a.Producer, Consumer: a.Consumer}
}

// Config returns the description of a new arena, under a name not used before and without a deadline.
func Config(capacity int) fabric.Config {
	return fabric.Config{
		Arena:      lease.NewID().Arena(),
		Edge:       "fabric.test",
		Generation: fence.Epoch(7),
		Capacity:   capacity,
	}
}

// Run runs the suite.
func Run(t *testing.T, newPair Factory) {
	tests := []struct {
		name string
		test func(*testing.T, Factory)
	}{
		{"order", testOrder},
		{"claim-commit-abort", testClaim},
		{"torn-record", testTorn},
		{"lengths", testLengths},
		{"too-large", testTooLarge},
		{"full-until-ack", testFull},
		{"wrap-around", testWrap},
		{"batch", testBatch},
		{"batch-misuse", testBatchMisuse},
		{"batch-close", testBatchClose},
		{"drain", testDrain},
		{"drain-lends", testDrainLends},
		{"drain-share", testDrainShare},
		{"modes", testModes},
		{"usage", testUsage},
		{"resume", testResume},
		{"stable", testStable},
		{"move", testMove},
		{"move-unasked", testMoveUnasked},
		{"move-sealed", testMoveSealed},
		{"misuse", testMisuse},
		{"wait-wakes", testWaitWakes},
		{"wait-heed", testHeed},
		{"wait-context", testWaitContext},
		{"wait-idle", testWaitIdle},
		{"seal", testSeal},
		{"deadline", testDeadline},
		{"taken", testTaken},
		{"close", testClose},
		{"close-beside-calls", testCloseBeside},
		{"damage", testDamage},
		{"model", testModel},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { c.test(t, newPair) })
	}
}

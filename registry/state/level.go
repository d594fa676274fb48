package state

import (
	"fmt"

	"github.com/grafnode/grafnode/api"
)

// Level is the highest level of the state machine that this version of grafnode knows.
//
//	1  version 0.1.0
//	2  Upgrade, RemoveNode; op IDs of DeleteEdge; a region that is asked for twice under one ID changes hands once; a base of
//	   revisions in snapshots
//	3  ChangeSpare, and with it the spares of records and of their histories
//	4  DrainNode, and with it what nodes say of it; spares that are planned moves; rings take what is beside their capacity, too
//	5  PutToken, RemoveToken; the rules of sessions
//	6  SetEligibility, ResizeNode, and with the former what nodes say of it
//
// A cluster is at one level, which stands in its state. Commands, fields and rules of a higher one are not used until every voter knows
// it and the leader has proposed Upgrade: a node that does not know them would have to stop. At level 1 the state's snapshots
// are those of version 0.1.0, byte for byte.
const Level = 6

// Upgrade raises the level of the cluster. Raising it to what it is already, or less, does nothing.
type Upgrade struct {
	Level uint64
}

func (c Upgrade) apply(d *draft, _ Entry) (Result, error) {
	if err := checkLevel(c.Level); err != nil {
		return Result{}, err
	}
	if c.Level <= d.Level() {
		return Result{}, nil
	}
	d.level, d.forgotten = c.Level, 0
	return Result{}, nil
}

// checkLevel refuses a level that this node could not follow.
func checkLevel(level uint64) error {
	if level == 0 {
		return fmt.Errorf("level 0, the lowest is 1: %w", api.ErrInvalid)
	}
	if level > Level {
		return fmt.Errorf("level %d, this node knows %d: %w", level, Level, ErrNewer)
	}
	return nil
}

// Level returns the level that the cluster is at.
func (s *State) Level() uint64 { return max(1, s.level) }

// Admits refuses a command that the cluster's level does not know yet. Such a command must not be proposed: members of that
// level would have to stop.
func (s *State) Admits(c Command) error {
	if level := needs(c); level > s.Level() {
		return fmt.Errorf("%T needs level %d, the cluster is at %d until all of its voters run a version that knows more: %w",
			c, level, s.Level(), api.ErrUnavailable)
	}
	return nil
}

// needs returns the level that knows all of c.
func needs(c Command) uint64 {
	switch c := c.(type) {
	case SetEligibility, ResizeNode:
		return 6
	case PutToken, RemoveToken:
		return 5
	case OpenSession:
		if len(c.Rules) > 0 {
			return 5
		}
	case DrainNode:
		return 4
	case ChangeSpare:
		if c.Planned {
			return 4
		}
		return 3
	case RemoveNode:
		return 2
	case DeleteEdge:
		if c.Op != "" {
			return 2
		}
	}
	return 1 // Upgrade too: it is what raises the level
}

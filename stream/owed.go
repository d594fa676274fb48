package stream

import (
	"sync"

	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

// debt is an input that is not acknowledged yet, and what has to be acknowledged first.
type debt struct {
	in       position.Position
	out      position.Position // covered once all outputs of the input have had their effect
	branch   int               // by which the outputs went, or everyBranch
	rejected bool              // the input itself has to be durable in the dead letters
}

// owed keeps a stage's debts, in the order of the inputs, and settles them from the front. So the end of a lane is
// acknowledged after everything before it, and the slowest branch holds back what comes after its debts. An
// acknowledgement may come before its debt: right after the push, or, when a stage that starts again works on what has had
// its effect already, long before.
type owed struct {
	ack   func(position.Position) error // of the consumer
	clear func()                        // called once close has been, and nothing is owed

	mu      sync.Mutex
	debts   []debt
	closed  bool
	outs    []position.Vector // acknowledged outputs, by branch
	rejects position.Vector   // durable rejects
}

func newOwed(branches int, ack func(position.Position) error, clear func()) *owed {
	return &owed{ack: ack, clear: clear, outs: make([]position.Vector, branches)}
}

// add owes an input whose outputs have been pushed.
func (o *owed) add(d debt) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.debts = append(o.debts, d)
	return o.settleLocked()
}

// close says that nothing more will be added.
func (o *owed) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if len(o.debts) == 0 {
		o.clear()
	}
}

// settle acknowledges the inputs whose outputs are covered, now that out is what is acknowledged of a branch.
func (o *owed) settle(branch int, out position.Vector) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outs[branch] = o.outs[branch].Max(out)
	return o.settleLocked()
}

// settleRejects is settle for the dead letters.
func (o *owed) settleRejects(rejects position.Vector) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rejects = o.rejects.Max(rejects)
	return o.settleLocked()
}

func (o *owed) settled(d debt) bool {
	if d.rejected && !o.rejects.Covers(d.in) {
		return false
	}
	if d.branch != everyBranch {
		return o.outs[d.branch].Covers(d.out)
	}
	for _, out := range o.outs {
		if covered := out.Covers(d.out); !covered || planted.FastestBranch {
			return covered
		}
	}
	return true
}

func (o *owed) settleLocked() error {
	n := 0
	for ; n < len(o.debts); n++ {
		d := o.debts[n]
		if !o.settled(d) {
			break
		}
		// One acknowledgement covers all before it in its lane.
		if n > 0 && o.debts[n-1].in.Lane != d.in.Lane {
			if err := o.ack(o.debts[n-1].in); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		return nil
	}
	if err := o.ack(o.debts[n-1].in); err != nil {
		return err
	}
	o.debts = o.debts[n:] // append moves the rest when it needs the room
	if o.closed && len(o.debts) == 0 {
		o.clear()
	}
	return nil
}

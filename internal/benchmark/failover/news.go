package failover

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// happening is something that happens.
type happening string

// Told by stages.
const (
	waiting   happening = "waiting"    // it waits for its role
	claimed   happening = "claimed"    // it has it
	bound     happening = "bound"      // it has bound a ring
	firstItem happening = "first-item" // the first new item went through a ring
	rewired   happening = "rewired"    // how it came there: Phases
	armed     happening = "armed"      // the spare of Generation can be moved to; of zero: none can
	ended     happening = "ended"      // Items were pushed, all of them are acknowledged
	slow      happening = "slow"       // so many nodes, in Items, were given up for their silence and were only slow
)

// Told by nodes and processes.
const (
	ready   happening = "ready"   // the node serves
	leading happening = "leading" // the node leads; empty: none
	changed happening = "changed" // the edge has another record
	exited  happening = "exited"  // the process has gone: Cause
)

// news is one happening. Stages write theirs as lines of JSON to their pipe.
type news struct {
	At         lease.Instant            `json:"at"`
	What       happening                `json:"what"`
	Name       string                   `json:"-"` // of the process or node that tells
	Role       fabric.Role              `json:"role,omitempty"`
	Generation fence.Epoch              `json:"generation,omitempty"`
	Items      uint64                   `json:"items,omitempty"`
	Phases     map[string]lease.Instant `json:"phases,omitempty"`
	Cause      string                   `json:"cause,omitempty"`

	edge edgeNews
}

// teller writes news to a pipe, from a goroutine of its own: edges do not wait for it.
type teller struct {
	lines chan news
	all   sync.WaitGroup
}

// newTeller returns a teller. broken is called when nobody reads any more.
func newTeller(w io.Writer, broken func()) *teller {
	t := &teller{lines: make(chan news, 256)}
	t.all.Go(func() {
		out := json.NewEncoder(w)
		for n := range t.lines {
			if out.Encode(n) != nil {
				broken()
			}
		}
	})
	return t
}

func (t *teller) tell(n news) { t.lines <- n }

// close writes what is left.
func (t *teller) close() {
	close(t.lines)
	t.all.Wait()
}

// read calls each for all that a process tells. One that is killed in the middle of a line leaves half of it.
func read[N any](r io.Reader, each func(N)) error {
	in := json.NewDecoder(bufio.NewReader(r))
	for {
		var n N
		switch err := in.Decode(&n); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		each(n)
	}
}

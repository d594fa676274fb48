package edgetest

import (
	"bytes"
	"hash/crc32"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// judge is told of every change of a record and of every record that is read from a ring, and says what may not be.
type judge struct {
	mu    sync.Mutex
	wrong func(format string, args ...any) // nil: nobody listens
	items map[string]map[position.Position]uint32
	given map[grant]locator.ArenaID
	under map[locator.ArenaID]grant
}

// grant is a generation of an edge.
type grant struct {
	edge       string
	generation fence.Epoch
}

func newJudge() judge {
	return judge{
		items: map[string]map[position.Position]uint32{}, given: map[grant]locator.ArenaID{}, under: map[locator.ArenaID]grant{},
	}
}

// Judge has wrong called, from any goroutine, with each thing that happens and may not: a generation that falls or is granted
// twice, an arena that is in use under two, and two different items at one position, which is what a stage makes that is not
// deterministic. It is to be called before anything runs.
func (c *Cluster) Judge(wrong func(format string, args ...any)) {
	c.judge.mu.Lock()
	defer c.judge.mu.Unlock()
	c.judge.wrong = wrong
}

// changed is told of each change of a record.
func (j *judge) changed(was, is api.Edge) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.wrong == nil {
		return
	}
	for _, role := range []struct {
		name    string
		was, is fence.Epoch
	}{{"generation", was.Generation, is.Generation}, {"producer epoch", was.Producer.Epoch, is.Producer.Epoch},
		{"consumer epoch", was.Consumer.Epoch, is.Consumer.Epoch}} {
		if role.is < role.was {
			j.wrong("edge %s: its %s falls from %d to %d", is.Name, role.name, role.was, role.is)
		}
	}
	j.grantedLocked(is.Name, is.Locator)
	if is.Spare != nil {
		j.grantedLocked(is.Name, is.Spare.Locator)
	}
}

func (j *judge) grantedLocked(edge string, at locator.Locator) {
	g := grant{edge, at.Generation}
	if had, known := j.given[g]; known && had != at.Arena {
		j.wrong("edge %s: generation %d is given arena %s, and had %s", edge, at.Generation, at.Arena, had)
	}
	if had, known := j.under[at.Arena]; known && had != g {
		j.wrong("edge %s: arena %s is given generation %d, and was of edge %s and had %d", edge, at.Arena, at.Generation, had.edge, had.generation)
	}
	j.given[g], j.under[at.Arena] = at.Arena, g
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sent is told of each record that a consumer reads.
func (j *judge) sent(edge string, record []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var items handoff.Items
	var at [handoff.ItemsMax]position.Position
	if j.wrong == nil || !items.Unpack(record, &at) {
		return
	}
	seen := j.items[edge]
	if seen == nil {
		seen = map[position.Position]uint32{}
		j.items[edge] = seen
	}
	for i, pos := range at[:items.N] {
		sum := crc32.Checksum(items.Payloads[i*items.Bytes:][:items.Bytes], castagnoli)
		if had, known := seen[pos]; known && had != sum {
			j.wrong("edge %s: another item than before at position %v: the stage that makes it is not deterministic", edge, pos)
		}
		seen[pos] = sum
	}
}

// read is what a consumer gets of a record: the record, unless the ring is damaged.
func (r *ring) read(record []byte) []byte {
	if r.damaged.CompareAndSwap(true, false) {
		record = bytes.Clone(record)
		last := len(record) - 1
		if last >= handoff.HeaderBytes && handoff.CheckIn(record) == handoff.CheckHeader && handoff.LeapsIn(record) == 0 { // of payloads nobody would know
			last = handoff.HeaderBytes - 1
		}
		record[last] ^= 1
		return record
	}
	r.judge.sent(r.arena.Config().Edge, record)
	return record
}

package rdma

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

// The input, and the rate that makes it outlast whatever is done to the pipeline; what is left then goes as fast as it can.
const (
	inputLines = 2400
	inputRate  = 6
)

// flow is how many lines are to be stored before it is believed that the pipeline goes on.
const flow = 6

// near is the first machine, where the pipeline begins and ends.
type near struct {
	*host
	a    *client.API
	ids  []locator.NodeID
	most *stage // all but enrich: one process, because emulation is slow
	db   *sql.DB
}

// TestPipelineNear is the first machine's part: two nodes, all stages but one, and what is done to them.
func TestPipelineNear(t *testing.T) {
	n := startNear(t)
	n.flows()
	moves := []int{nodeFar, nodeTCP, nodeFar, nodeNear, nodeTCP, nodeNear, nodeFar} // from each to each
	for i, at := range moves {
		n.run(fmt.Sprintf("%d to %s", i, nodeNames[at]), func() { n.moves(at) })
	}
	require.Zero(t, n.heard().Fallbacks)
	n.run("adapters apart", func() { n.apart() })
	n.run("link lost", func() { n.linkLost() })
	n.run("machine killed", func() { n.killed() })
	n.most.again(0)
	select {
	case <-n.most.done: // all is stored, and everybody knows
	case <-n.ctx.Done():
		t.Fatalf("%d of %d lines are stored", n.stored(), inputLines)
	}
	n.l.Close()
	n.check()
}

// run has f be a test of its own, without which there is no going on.
func (n *near) run(name string, f func()) {
	whole := n.t
	defer func() { n.t = whole }()
	if !whole.Run(name, func(t *testing.T) { n.t = t; f() }) {
		whole.FailNow()
	}
}

func startNear(t *testing.T) *near {
	n := &near{host: newHost(t)}
	f, err := os.Create(inputFile)
	require.NoError(t, err)
	require.NoError(t, log.Generate(f, 7, inputLines))
	require.NoError(t, f.Close())
	n.agent(nodeTCP)
	n.a = n.agent(nodeNear)
	n.ids = n.nodes(n.a)
	n.most = n.keep(nodeNear, log.StageIngest+","+log.StageParse+","+log.StageStore, inputRate)
	n.db, err = sql.Open("sqlite", "file:"+storeFile+"?mode=ro&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.db.Close()) })
	t.Cleanup(func() {
		if t.Failed() {
			var far string
			fmt.Println(n.ask(askLogs, &far), far)
		}
	})
	return n
}

// stored returns how many lines have had their effect.
func (n *near) stored() (all int) {
	for _, table := range []string{"requests", "dead_letters"} {
		var rows int
		if n.db.QueryRowContext(n.ctx, "SELECT count(*) FROM "+table).Scan(&rows) != nil {
			return 0 // not made yet, or made at this moment
		}
		all += rows
	}
	return all
}

// flows waits until more lines have been stored.
func (n *near) flows() {
	n.t.Helper()
	before := n.stored()
	n.eventually(func() error {
		if now := n.stored(); now < before+flow {
			return fmt.Errorf("%d lines are stored, and %d were", now, before)
		}
		return nil
	})
}

// ask asks the far machine.
func (n *near) ask(question string, answer any) error {
	conn, err := net.Dial("tcp", farAddress)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return err
	}
	return json.NewDecoder(conn).Decode(answer)
}

// tell asks what has no answer.
func (n *near) tell(question string) {
	n.t.Helper()
	var nothing any
	require.NoError(n.t, n.ask(question, &nothing))
}

func (n *near) heard() (heard tally) {
	n.t.Helper()
	require.NoError(n.t, n.ask(askHeard, &heard))
	return heard
}

func (n *near) edge() (e api.Edge) {
	n.t.Helper()
	n.eventually(func() (err error) {
		e, err = n.a.Edge(n.ctx, log.EdgeParse, api.Default)
		return err
	})
	return e
}

// relocate has the edge from the near machine to the far one lie at a node.
func (n *near) relocate(at int) {
	n.t.Helper()
	var avoid []locator.NodeID
	for i, id := range n.ids {
		if i != at {
			avoid = append(avoid, id)
		}
	}
	n.eventually(func() error {
		if n.edge().Locator.Node == n.ids[at] {
			return nil
		}
		_, err := n.a.Relocate(n.ctx, log.EdgeParse, api.RelocateRequest{Avoid: avoid})
		if err == nil {
			err = fmt.Errorf("%s is at none but %s", log.EdgeParse, nodeNames[at])
		}
		return err
	})
}

// moves has the ring lie at a node: at the far one the adapter carries the records, elsewhere it does not. Where machines are starved an edge may move by
// itself meanwhile, and then is moved again.
func (n *near) moves(at int) {
	n.t.Helper()
	n.eventually(func() error {
		n.relocate(at)
		before := n.heard().Messages
		n.flows()
		told, is := n.heard().Messages-before, n.edge().Locator.Node
		if is != n.ids[at] || (told >= flow/2) != (at == nodeFar) {
			return fmt.Errorf("the adapter has told of %d messages, and the ring is at %s, want %s", told, is, nodeNames[at])
		}
		return nil
	})
}

// carries moves the ring to the far node until the adapter carries the records: one that was not reached is left alone for a minute.
func (n *near) carries() {
	n.t.Helper()
	n.moves(nodeNear)
	n.moves(nodeFar)
}

// apart has the far machine drop what comes for its adapter, and nothing else: the edge goes by TCP, which is counted and logged, until there is a process
// again that has not found that out.
func (n *near) apart() {
	n.t.Helper()
	n.relocate(nodeNear)
	n.tell(askApart)
	n.relocate(nodeFar)
	n.flows()
	require.NotZero(n.t, n.heard().Fallbacks)
	require.Contains(n.t, logs(), "a ring goes by TCP that might have gone by RDMA")
	n.tell(askTogether)
	n.most.again(inputRate)
	n.carries()
}

// linkLost has the cable be out until the edge has been given another ring, or the one that it had has been given up.
func (n *near) linkLost() {
	n.t.Helper()
	before := n.edge().Generation
	fmt.Println(cutHere)
	n.eventually(func() error { return n.newer(before) })
	fmt.Println(mendHere)
	n.flows()
	n.carries()
}

func (n *near) newer(before fence.Epoch) error {
	if now := n.edge().Generation; now == before {
		return fmt.Errorf("%s still has generation %d", log.EdgeParse, now)
	}
	return nil
}

// killed has the far machine be killed: a standby goes on here.
func (n *near) killed() {
	n.t.Helper()
	n.keep(nodeNear, log.StageEnrich, 0)
	fmt.Println(killHere)
	n.flows()
	n.flows()
}

// check reads the store back.
func (n *near) check() {
	n.t.Helper()
	f, err := os.Open(inputFile)
	require.NoError(n.t, err)
	defer f.Close()
	r, err := check.Compare(n.t.Context(), f, storeFile)
	require.NoError(n.t, err)
	require.True(n.t, r.OK(), "%+v", r)
	require.EqualValues(n.t, inputLines, r.Stored+r.DeadLettered, "%+v", r)
}

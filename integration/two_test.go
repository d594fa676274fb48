package integration

import (
	"context"
	"testing"

	log "github.com/grafnode/grafnode/examples/accesslog"
)

// Two stages that talk to each other die at once.
func TestNeighboursKilled(t *testing.T) {
	needsTime(t)
	t.Parallel()
	p := newPipeline(t, newCluster(t, 3), someLines, someRate)
	for _, pair := range [][2]string{{log.StageIngest, log.StageParse}, {log.StageParse, log.StageEnrich}, {log.StageEnrich, log.StageStore}} {
		p.flows(500)
		p.stages[pair[0]].kill()
		p.stages[pair[1]].kill()
	}
	p.finish()
}

// A ring's node and the stage that reads from the ring die at once.
func TestRingNodeAndStageKilled(t *testing.T) {
	needsTime(t)
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	for range 2 {
		p.flows(500)
		nd := c.byID(c.edge(log.EdgeEnrich).Locator.Node)
		nd.kill()
		p.stages[log.StageStore].kill()
		nd.start()
		nd.ready()
	}
	p.finish()
}

// Two of three nodes die at once and come back: what they agreed on is on their disks.
func TestMajorityKilled(t *testing.T) {
	needsTime(t)
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	for _, nd := range c.nodes[:2] {
		nd.kill()
	}
	p.stages[log.StageStore].kill()
	for _, nd := range c.nodes[:2] {
		nd.start()
	}
	for _, nd := range c.nodes[:2] {
		nd.ready()
	}
	p.finish()
}

// The node of both sides of a ring is away for longer than their sessions last: they start over with new ones when it is back.
func TestNodeAwayForLong(t *testing.T) {
	needsTime(t)
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	nd := c.nodes[stageNodes[log.StageIngest]]
	nd.kill()
	eventually(t, "the cluster has given their roles up", func(context.Context) bool {
		e := c.edge(log.EdgeIngest)
		return e.Producer.Free() && e.Consumer.Free()
	})
	nd.start()
	nd.ready()
	p.finish()
}

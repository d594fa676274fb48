package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/integration/judge"
	"github.com/grafnode/grafnode/integration/nemesis"
)

// Nodes that are wrong on purpose are found out, each by the checker whose business its bug is. What a bug breaks may need luck
// to be seen, so there are several runs; a checker that sees nothing in all of them is blind.
func TestPlantedBugsAreFound(t *testing.T) {
	needsTime(t)
	leaderAway := []nemesis.Phase{
		{{Kind: nemesis.Stop, Nodes: []int{nemesis.Leader}, For: 4 * time.Second}, {Kind: nemesis.Cut, Nodes: []int{nemesis.Leader}, At: 4500 * time.Millisecond, For: 3 * time.Second}},
	}
	quiet := []nemesis.Phase{{{Kind: nemesis.Snapshot, Nodes: []int{0}, At: 5 * time.Second, For: time.Second}}}
	for bug, c := range map[string]struct {
		run   torture
		check string
	}{
		"stale-read":     {torture{plan: slices.Repeat(leaderAway, 2)}, "edges"},
		"missed-event":   {torture{plan: quiet}, "watches"},
		"lost-tombstone": {torture{plan: quiet}, "records"},
		"early-ack":      {torture{idle: true, each: patientFirst, script: deposeFirst}, "leases"},
	} {
		t.Run(bug, func(t *testing.T) {
			run := c.run
			run.nodes, run.tags, run.env = 3, "faults,planted", []string{"GRAFNODE_PLANT=" + bug}
			run.groups, run.think = 4, 30*time.Millisecond
			for range 5 {
				for _, f := range judge.Judge(run.drive(t).history, patience) {
					if f.Check == c.check {
						t.Log(f)
						return
					}
				}
			}
			require.Fail(t, "five runs of wrong nodes, and "+c.check+" found nothing")
		})
	}
}

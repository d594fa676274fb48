// Package edgetest is a control plane in memory for tests of edges and pipelines: records with compare-and-set, rings in
// Go memory, and the failures that the real ones have, on demand. It promises the semantics of edge.Cluster and nothing
// of its timing; it is not for production and is imported by tests only.
//
// A Cluster is the whole world; each Client of it is one stage process, at home on the host of one of its nodes. Rings are real
// (fabric/inproc); what a failure takes away is the way to them, for good or for a while. Faults lists the failures, each of them
// a method of Cluster or Client too; Trouble has them happen by seed, two at once at times; Seeds runs a test for one seed after
// the other, in made-up time, and says how a failed one is run again; Judge says what happened that may not. So a program that uses
// edges is tested like this, with its own judgement of what arrived; for pipelines see streamtest.Run.
//
//	edgetest.Seeds(t, 1000, func(t *testing.T, seed uint64) {
//		c := edgetest.New()
//		defer c.Close()
//		c.Judge(t.Errorf)
//		go myProducer(t.Context(), c.Client("producer")) // both start over when they fail
//		go myConsumer(t.Context(), c.Client("consumer"), done)
//		for x := edgetest.NewTrouble(c, seed); !over(done); x.Strike() {
//			time.Sleep(100 * time.Millisecond)
//		}
//	})
//
// What it cannot find: what is wrong with real sockets, shared memory, clocks and the registry itself, which the suites of those packages
// and integration are for; what two goroutines do at the same time on two cores, but for what the race detector sees; and what a
// process that is paused or killed does by other ways than this Cluster, since its goroutines run on. A process that is killed
// says so (Client.Killed), and stores that stand outside are to wait while it is paused (Client.Running).
package edgetest

// Package rdma is the way by which the adapters write an edge's records into the memory of another host: one-sided, past that host's processors.
//
// It is not a fabric beside fabric/tcp but a way beside its connection: a Fabric is given to tcp.Attach and tcp.Server as their
// Direct. The connection is made, authenticated and watched as ever, carries all that is said seldom (notes, activation, the seal), and decides who lives: when it ends
// the queue pair is failed and the ring's memory deregistered. If either host has no adapter, or anything fails while a way is set up,
// the records go by the connection, and Fallback logs why.
//
// A remote producer has a mirror: a ring of its own in registered memory, laid out as fabric/shm's, whose consumer is the
// adapter. Records are claimed and filled in where they are sent from, and are never copied after that. What is published is posted by the goroutine that
// publishes, at the same places in the ring as in the mirror: one write, or two if the ring's end lies between, or as many as the port's longest take, and then a short one that
// carries the count of records, and whose immediate is the cursor. The ring's host hears of the immediate alone: its completion comes when all before it has landed. The
// owner checks that the cursor lies within the credit, moves the ring's own cursor there and wakes the consumer, which cannot tell such a producer from
// one of its own host, and checks each record as it would that one's. Credit comes back as the consumer's cursor,
// in the immediate of a write of no bytes: when an eighth of the ring has been freed, or the producer waits for it. words.go has the layouts.
//
// Nobody looks at memory to find out what has landed, nor at any that the adapter may be writing meanwhile: it may write a word byte by byte, and Soft-RoCE in an
// emulated machine was seen to. Both ends count the receives that the other has posted, so none ever finds the queue empty; what does not fit is posted together
// when a completion makes room. Completions are taken by one goroutine for each end, which sleeps in Go's netpoller when there are none.
//
// Each attached side has a protection domain, a queue pair and regions of its own, and each generation has a ring of its own: so a producer of an
// older generation, or whoever learns a key, is refused by the adapter (ErrFenced), not by anything that the owner would have to do in time.
//
// It promises what package fabric does, with these words of fabric/tcp's: that a flushed record arrives is not promised; Close blocks until the owner has
// confirmed; a loss is found by the connection, or by the adapter, whose retries are finite. Damage on the wire is the adapter's to find, by its own
// check sums: there is none of ours over a record, beyond its header. An adapter that neither carries nor complains stalls its
// ring, until the connection ends or the edge is moved by hand.
//
// What does not work is left alone for a minute: an adapter that Adapters could not open, or that was lost, and a node's that was not reached, which shows with the first message that is not
// answered. What the adapter says of itself (watch.go) is logged; a queue pair that it calls broken, or its own end, ends what hangs on it.
//
// Only producers have a way. A consumer whose ring lies on another host reads it by the connection, as ever: edges' rings are placed
// beside their consumers, so that is the exception. The memory of a ring with a way, and of its mirror, is pinned, and counts against the limit of locked memory (RLIMIT_MEMLOCK).
//
// The package is pure Go over package verbs; fabric/rdma/ibverbs has the adapters, with the build tag rdma, and verbsfake what the tests run on. Package node opens
// the host's first port and gossips its network; package client opens its own when there is a ring to be written on a node in the same network. A Choice says for
// which edges. Nodes use one port only, and a stage that is not told of a node's adapter yet goes by TCP until the edge moves.
package rdma

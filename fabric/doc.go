// Package fabric says what a ring is: the contract that every fabric keeps, and its errors.
//
// A ring is a bounded queue of variable-length records between exactly one producer and one consumer, in an arena that
// some node owns. It is fresh memory: one arena, one generation, one producer, one consumer, for its whole life. Records
// stay readable, and keep their space, until the consumer acknowledges them; a full ring makes the producer wait, and
// nothing is ever overwritten. Besides records a ring carries two notes from consumer to producer: where to resume, written
// once, and what is stable, written as often as the consumer likes.
//
// A ring promises order, and that a record is seen whole or not at all. It does not promise that a record arrives: memory
// is lost with its node, and then every call returns an error for which Lost reports true. Making that harmless is the
// business of package edge, the only caller of Producer and Consumer besides the data server in fabric/tcp; package node owns
// Arenas. The ring knows nothing of positions, codecs or epochs other than its own generation.
//
// Implementations: fabric/shm (shared memory between the processes of a host), fabric/tcp (a side attached across
// hosts), fabric/inproc (Go memory). Package fabric/fabrictest is the suite that each of them passes.
package fabric

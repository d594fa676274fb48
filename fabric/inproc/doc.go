// Package inproc is the ring in Go memory: both sides in one process. It is for tests and for pipelines that run in a single
// process; nothing of it survives the process. It is the same ring as fabric/shm's, so what the race detector finds wrong
// here is wrong there.
//
// Its callers are package edge's in-memory cluster and package node, for rings whose sides are both attached over fabric/tcp
// on a platform without fabric/shm.
package inproc

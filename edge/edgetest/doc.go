// Package edgetest is a control plane in memory for tests of edges and pipelines: records with compare-and-set, rings in
// Go memory, and the failures that the real ones have, on demand. It promises the semantics of edge.Cluster and nothing
// of its timing; it is not for production and is imported by tests only.
//
// A Cluster is the whole world; each Client of it is one stage process. Rings are real (fabric/inproc); what a failure takes
// away is the way to them.
package edgetest

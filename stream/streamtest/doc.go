// Package streamtest has a sink in memory for tests of pipelines and of stages: transactional, fenced, and failing on
// demand. With edgetest for the cluster it makes a whole pipeline testable in one process, without a network.
package streamtest

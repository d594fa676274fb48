// Package traces sends the rewires that stages report to a node to a collector of OpenTelemetry, by OTLP over HTTP.
//
// A rewire of one side of an edge is a span, its phases are spans within that. Both sides of an edge, whichever nodes they are reported to, find the same
// name for the trace, of the cluster, the edge and the generation, so that a collector shows them together. Sending is nobody's condition: what
// a collector does not take in time is dropped, and said to be. Spans are made when all of their times are known, so there is nothing to measure here,
// and of OpenTelemetry only its messages are used: its SDK's exporter would bring gRPC with it.
//
// Package node calls it, if the setting otlp-endpoint says so.
package traces

package traces

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/grafnode/grafnode/api"
)

// Sizes of names, in bytes.
const (
	traceIDSize = 16
	spanIDSize  = 8
)

// traceID names the rewire of an edge to a generation, the same on all nodes of a cluster.
func traceID(cluster string, t api.Trace) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", cluster, t.Edge, t.Generation))
	return sum[:traceIDSize]
}

func newSpanID() []byte {
	id := make([]byte, spanIDSize)
	_, _ = rand.Read(id) // never fails
	return id
}

// spans returns a rewire's span and those of its phases.
func spans(cluster string, t api.Trace) []*trace.Span {
	whole := &trace.Span{
		TraceId: traceID(cluster, t), SpanId: newSpanID(), Name: "rewire " + string(t.Role), Kind: trace.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: at(t, 0), Attributes: []*common.KeyValue{
			text("grafnode.edge", t.Edge), number("grafnode.generation", uint64(t.Generation)), number("grafnode.from", uint64(t.From)),
			text("grafnode.role", string(t.Role)), text("grafnode.reason", string(t.Reason)), text("grafnode.cause", t.Cause),
			number("grafnode.rings", uint64(t.Rings)), truth("grafnode.spare", t.Spare),
			text("grafnode.stage", t.Stage), text("grafnode.session", string(t.Session)),
		},
	}
	all := []*trace.Span{whole}
	var since time.Duration
	for _, phase := range t.Phases() {
		took := max(0, phase.Took)
		all = append(all, &trace.Span{
			TraceId: whole.TraceId, SpanId: newSpanID(), ParentSpanId: whole.SpanId, Name: phase.Name, Kind: trace.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: at(t, since), EndTimeUnixNano: at(t, since+took),
		})
		since += took
	}
	whole.EndTimeUnixNano = at(t, since)
	if t.First < 0 {
		whole.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "the ring was lost again before anything new came"}
	}
	return all
}

func at(t api.Trace, since time.Duration) uint64 {
	return uint64(max(0, t.Noticed.Add(since).UnixNano()))
}

// message is what is sent: ExportTraceServiceRequest, by its other name.
func message(c Config, cluster string, batch []*trace.Span) *trace.TracesData {
	return &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			text("service.name", "grafnode"), text("service.version", c.Version), text("service.instance.id", string(c.Node)),
			text("grafnode.node", c.Name), text("grafnode.zone", c.Zone), text("grafnode.cluster", cluster),
		}},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "grafnode"}, Spans: batch}},
	}}}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value uint64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(value)}}}
}

func truth(key string, value bool) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: value}}}
}

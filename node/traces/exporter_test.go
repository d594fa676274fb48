package traces

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector answers with what is left of its answers, then with 200.
type collector struct {
	t       *testing.T
	mu      sync.Mutex
	answers []int // 0: no answer
	after   string
	asked   int
	got     []*trace.ResourceSpans
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, "https://collector:4318/base/v1/traces", r.URL.String())
	require.Equal(c.t, "application/x-protobuf", r.Header.Get("Content-Type"))
	c.asked++
	status := http.StatusOK
	if len(c.answers) > 0 {
		status, c.answers = c.answers[0], c.answers[1:]
	}
	switch status {
	case 0:
		return nil, errors.New("no route")
	case http.StatusOK:
		var m trace.TracesData
		require.NoError(c.t, proto.UnmarshalOptions{DiscardUnknown: false}.Unmarshal(body, &m))
		c.got = append(c.got, m.ResourceSpans...)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Retry-After": {c.after}}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func (c *collector) spans() (all []*trace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.got {
		all = append(all, r.ScopeSpans[0].Spans...)
	}
	return all
}

func rewire(role fabric.Role) api.Trace {
	return api.Trace{Edge: "e", Role: role, Stage: "s", Session: "id", Rewire: api.Rewire{
		From: 3, Generation: 5, Reason: api.ReasonRingLost, Cause: "reset", Rings: 2, Spare: true, Noticed: time.Unix(100, 0),
		Decided: time.Millisecond, Attached: time.Millisecond, Resumed: 3 * time.Millisecond, First: 10 * time.Millisecond,
	}}
}

func exporter(t *testing.T, c *collector) (*Exporter, *bytes.Buffer) {
	var log bytes.Buffer
	e, err := New(Config{
		Endpoint: "https://collector:4318/base/", Node: "n", Name: "node-1", Version: "1", Cluster: func() string { return "c" },
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	e.http.Transport = c
	return e, &log
}

func attributes(all []*common.KeyValue) map[string]any {
	of := map[string]any{}
	for _, a := range all {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			of[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			of[a.Key] = v.IntValue
		case *common.AnyValue_BoolValue:
			of[a.Key] = v.BoolValue
		}
	}
	return of
}

func TestBothSidesOfARewireAreOneTrace(t *testing.T) {
	c := &collector{t: t}
	e, _ := exporter(t, c)
	e.Open()
	e.Rewired(rewire(fabric.RoleProducer))
	lost := rewire(fabric.RoleConsumer)
	lost.First = -1
	e.Rewired(lost)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())

	all := c.spans()
	require.Len(t, all, 5+4)
	require.Equal(t, "node-1", attributes(c.got[0].Resource.Attributes)["grafnode.node"])
	root, phase, other := all[0], all[3], all[5]
	require.Equal(t, "rewire producer", root.Name)
	require.Equal(t, map[string]any{
		"grafnode.edge": "e", "grafnode.generation": int64(5), "grafnode.from": int64(3), "grafnode.role": "producer", "grafnode.reason": "ring-lost",
		"grafnode.cause": "reset", "grafnode.rings": int64(2), "grafnode.spare": true, "grafnode.stage": "s", "grafnode.session": "id",
	}, attributes(root.Attributes))
	require.EqualValues(t, 100e9, root.StartTimeUnixNano)
	require.EqualValues(t, 100e9+10e6, root.EndTimeUnixNano)
	require.Nil(t, root.Status)
	require.Equal(t, "resumed", phase.Name)
	require.EqualValues(t, 100e9+1e6, phase.StartTimeUnixNano)
	require.EqualValues(t, 100e9+3e6, phase.EndTimeUnixNano)
	require.Equal(t, root.SpanId, phase.ParentSpanId)
	require.Equal(t, "rewire consumer", other.Name)
	require.Equal(t, root.TraceId, other.TraceId)
	require.Len(t, root.TraceId, traceIDSize)
	require.NotEqual(t, root.SpanId, other.SpanId)
	require.Equal(t, trace.Status_STATUS_CODE_ERROR, other.Status.Code)
	require.NotEqual(t, root.TraceId, traceID("another cluster", rewire(fabric.RoleProducer)))
}

func TestWhatACollectorCannotTakeNowIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t, answers: []int{503, 0, 429}}
		e, log := exporter(t, c)
		e.Open()
		e.Rewired(rewire(fabric.RoleProducer))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, c.spans(), 5)
		require.Equal(t, 4, c.asked)
		require.Empty(t, log)
		require.NoError(t, e.Close())
	})
}

// A collector that says for how long it wants to be left alone is left alone, within bounds.
func TestACollectorSaysWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after, want := range map[string]time.Duration{
			"30": 30 * time.Second, "3600": pauseMax, "0": pauseMin, "": pauseMin, "-1": pauseMin, "soon": pauseMin,
			time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): pauseMax, "Fri, 01 Jan 1999 00:00:00 GMT": pauseMin,
		} {
			c := &collector{t: t, answers: []int{503}, after: after}
			e, log := exporter(t, c)
			e.Open()
			e.Rewired(rewire(fabric.RoleProducer))
			time.Sleep(want - time.Millisecond)
			require.Empty(t, c.spans(), after)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			require.Len(t, c.spans(), 5, after)
			require.Empty(t, log)
			require.NoError(t, e.Close())
		}
	})
}

func TestWhatACollectorDoesNotTakeIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t, answers: []int{400, 503, 503, 503, 503, 503}}
		e, log := exporter(t, c)
		e.Open()
		e.Rewired(rewire(fabric.RoleProducer))
		synctest.Wait()
		require.Contains(t, log.String(), "count=1")
		require.Contains(t, log.String(), "Bad Request")
		e.Rewired(rewire(fabric.RoleProducer))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1+tries, c.asked)
		require.Equal(t, 2, strings.Count(log.String(), "were dropped"))
		require.NoError(t, e.Close())
		require.Empty(t, c.spans())
	})
}

func TestNobodyWaitsForACollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t, answers: make([]int, 1000)}
		e, log := exporter(t, c)
		for range waitingMax + 7 {
			e.Rewired(rewire(fabric.RoleProducer)) // too many
		}
		e.Open()
		began := time.Now()
		require.NoError(t, e.Close()) // each batch is tried once
		require.Less(t, time.Since(began), lastTimeout+time.Second)
		require.Contains(t, log.String(), "count=135") // the first batch, and the seven
	})
}

func TestValidate(t *testing.T) {
	for endpoint, valid := range map[string]bool{
		"http://127.0.0.1:4318": true, "https://collector.example.net/otlp": true,
		"127.0.0.1:4318": false, "collector:4318": false, "grpc://collector:4317": false, "http://": false, "http://a?b": false, "http://u:p@a": false, ":": false,
	} {
		err := Config{Endpoint: endpoint}.Validate()
		require.Equal(t, valid, err == nil, "%s: %v", endpoint, err)
	}
	for _, endpoint := range []string{"http://u:secret@collector:4318", "http://u:secret@collector:port", "grpc://u:secret@a", "u:secret@a", "http://%zz:secret@a"} {
		require.NotContains(t, Config{Endpoint: endpoint}.Validate().Error(), "secret")
	}
}

package node_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node"
)

// said is what nodes log, a line of JSON each.
type said struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(b)
}

// about returns the messages of the lines about an edge, by generation, and fails over a line that has the edge's name and not both as its own fields.
func (s *said) about(t *testing.T, edge string) map[float64][]string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	of := map[float64][]string{}
	for lines := bufio.NewScanner(bytes.NewReader(s.lines.Bytes())); lines.Scan(); {
		if !strings.Contains(lines.Text(), edge) {
			continue
		}
		var line struct {
			Msg, Edge, Role string
			Generation      float64
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line), lines.Text())
		require.Equal(t, edge, line.Edge, "this line cannot be found: %s", lines.Text())
		require.Positive(t, line.Generation, "this line cannot be found: %s", lines.Text())
		of[line.Generation] = append(of[line.Generation], strings.TrimSpace(line.Msg+" "+line.Role))
	}
	return of
}

// Whatever any node logs of a rewire is found by the edge and the generation: why there is another ring, where it was made, how each side came
// there, and that the one before is no more. A collector gets the two sides as one trace.
func TestARewireIsFoundInTheLogs(t *testing.T) {
	const name = "an-edge.to-be-found"
	var lines said
	got := make(chan *trace.Span, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m trace.TracesData
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Error(err)
			return
		}
		for _, span := range m.ResourceSpans[0].ScopeSpans[0].Spans {
			got <- span
		}
	}))
	t.Cleanup(collector.Close)
	c := newClusterOf(t, 3, func(_ int, cfg *node.Config) {
		cfg.OTLPEndpoint = collector.URL
		cfg.Logger = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c.ready()
	producer, consumer := c.stage(0, "from"), c.stage(1, "to")
	out, in := connectBy(t, name, producer, consumer)
	pass(t, out, in, 1, 100)
	from := in.Generation()
	_, err := c.api(c.nodes[0].Address(), "").Relocate(t.Context(), name, api.RelocateRequest{AtOnce: true})
	require.NoError(t, err)
	passed := 100
	eventually(t, func() error { // the ring that was left may take some more
		pass(t, out, in, passed+1, passed+10)
		passed += 10
		if in.Generation() == from {
			return errors.New("still in the old ring")
		}
		return nil
	})
	pass(t, out, in, passed+1, passed+10)
	to := in.Generation()
	require.NoError(t, producer.Report(t.Context(), api.StageReport{Stage: "from", Edges: []api.EdgeReport{out.Stats()}}))
	require.NoError(t, consumer.Report(t.Context(), api.StageReport{Stage: "to", Edges: []api.EdgeReport{in.Stats()}}))
	want := map[float64][]string{
		float64(from): {"edge has another ring", "ring made", "ring attached producer", "ring attached consumer", "ring sealed"},
		float64(to):   {"edge has another ring", "ring made", "ring attached producer", "ring attached consumer", "edge rewired producer", "edge rewired consumer"},
	}
	eventually(t, func() error { // what is closed is told later
		of := lines.about(t, name)
		for generation, all := range want {
			for _, message := range all {
				if !strings.Contains(strings.Join(of[generation], "\n")+"\n", message+"\n") {
					return fmt.Errorf("generation %v: no %q in %q", generation, message, of[generation])
				}
			}
		}
		return nil
	})
	for sides := map[string]int{}; sides[""] < 2; {
		select {
		case span := <-got:
			if strings.HasPrefix(span.Name, "rewire ") {
				sides[string(span.TraceId)]++
				sides[""] = max(sides[""], sides[string(span.TraceId)])
			}
		case <-time.After(patience):
			t.Fatalf("the collector has no trace of two sides: %v", sides)
		}
	}
	require.NoError(t, in.Close(context.WithoutCancel(t.Context())))
}

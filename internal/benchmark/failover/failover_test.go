package failover

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/position"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRefusals(t *testing.T) {
	for what, c := range map[string]Config{
		`no fault "flood"`: {Faults: []string{"flood"}}, "--runs -1": {Runs: -1}, "--rate 5": {Rate: 5},
		`no peer "kafka"`: {Against: "kafka"}, "--peer-runs -1": {PeerRuns: -1}, "--peer-rate 1e+07": {PeerRate: 1e7},
		"make bench-peers": {Against: JetStream, Peers: "/nowhere"},
	} {
		_, err := Run(t.Context(), c)
		require.ErrorIs(t, err, ErrUsage)
		require.ErrorContains(t, err, what)
	}
	require.ErrorContains(t, Main(t.Context(), nil), "for the benchmark's own use")
}

func item(number uint64, pushed lease.Instant) edge.Msg[[]byte] {
	b := make([]byte, itemBytes)
	fill(b, number, pushed)
	return edge.Msg[[]byte]{Value: b, Pos: position.Position{Offset: number}}
}

func TestItemsAreBatchedAsFarAsTheyFollowEachOther(t *testing.T) {
	all, err := batches(7, []edge.Msg[[]byte]{item(4, 9), item(5, 11), item(6, 10), item(8, 12)})
	require.NoError(t, err)
	require.Equal(t, []ledger.Batch{{Epoch: 7, From: 4, N: 3, Newest: 11}, {Epoch: 7, From: 8, N: 1, Newest: 12}}, all)
}

func TestDamageIsSeen(t *testing.T) {
	for i := range itemBytes {
		if i >= pushedAt && i < restAt {
			continue // whenever it was pushed, it is the same item
		}
		bad := item(4, 9)
		bad.Value[i] ^= 1
		_, err := batches(1, []edge.Msg[[]byte]{bad})
		require.ErrorIs(t, err, errDamaged)
	}
	elsewhere := item(4, 9)
	elsewhere.Pos.Offset++
	_, err := batches(1, []edge.Msg[[]byte]{elsewhere})
	require.ErrorIs(t, err, errDamaged)
}

func TestNewsPassThePipe(t *testing.T) {
	r, w := io.Pipe()
	teller := newTeller(w, func() { t.Error("broken") })
	told := []news{
		{At: 5, What: bound, Role: fabric.RoleConsumer, Generation: 3},
		{At: 6, What: rewired, Role: fabric.RoleProducer, Phases: map[string]lease.Instant{"noticed": 4}, Cause: "gone"},
	}
	go func() {
		for _, n := range told {
			teller.tell(n)
		}
		teller.close()
		_, _ = w.Write([]byte(`{"at":7,"wh`)) // as a process that is killed
		w.Close()
	}()
	var got []news
	require.NoError(t, read(r, func(n news) { got = append(got, n) }))
	require.Equal(t, told, got)
	require.Error(t, read(strings.NewReader("nonsense"), func(news) {}))
}

func TestPhasesCountFromTheFault(t *testing.T) {
	at := func(ms int) lease.Instant { return lease.Instant(time.Duration(ms) * time.Millisecond) }
	first, phases := phases([]news{
		{At: at(101), What: firstItem, Role: fabric.RoleConsumer, Generation: 4}, // of before
		{At: at(103), What: claimed, Role: fabric.RoleConsumer, Generation: 5},
		{At: at(104), What: firstItem, Role: fabric.RoleProducer, Generation: 5},
		{At: at(106), What: firstItem, Role: fabric.RoleConsumer, Generation: 5},
		{At: at(107), What: rewired, Role: fabric.RoleProducer, Generation: 5, Phases: map[string]lease.Instant{"noticed": at(102)}},
		{At: at(109), What: firstItem, Role: fabric.RoleConsumer, Generation: 6},
	}, at(100), 4)
	require.Equal(t, 6*time.Millisecond, first)
	require.Equal(t, []plan.Phase{{Name: "consumer claimed", At: 3 * time.Millisecond}, {Name: "producer noticed", At: 2 * time.Millisecond},
		{Name: "first new item", At: 6 * time.Millisecond}}, phases)
}

func TestReport(t *testing.T) {
	spare, _ := plan.Of(plan.RingNode)
	row := Row{plan.Round{Trait: spare, Rate: 1000}, outcome{Summary: plan.Sum([]plan.Sample{
		{First: 4 * time.Millisecond, Stored: 5 * time.Millisecond, Gap: 6 * time.Millisecond, Place: "third host"},
		{First: 70 * time.Millisecond, Stored: 71 * time.Millisecond, Gap: 72 * time.Millisecond, Place: "third host"},
		{First: 3 * time.Millisecond, Stored: 4 * time.Millisecond, Gap: 5 * time.Millisecond, Place: "third host"},
	}), Pushed: 12}}
	r := Report{Rows: []Row{row}, Seed: 42, LeftOut: "something is left out"}
	require.True(t, r.OK())
	var text, line bytes.Buffer
	require.NoError(t, r.Text(&text))
	for _, part := range []string{"10.0/50.0: met/NOT met", "seed 42", "something is left out", "3 on the third host"} {
		require.Contains(t, text.String(), part)
	}
	require.NoError(t, row.line().WriteJSON(&line))
	for _, part := range []string{`"case":"ring-node-killed/spare"`, `"p50_ms":4`, `"p99_ms":70`, `"worst_ms":70`, `"sink_gap_ms":6`, `"lost":0`, `"doubled":0`, `"unit":"ms"`} {
		require.Contains(t, line.String(), part)
	}
	require.Len(t, r.Lines(), 1)

	r.Peer = &peer{version: "v1", rate: 500, samples: []plan.Sample{{First: time.Second, Stored: time.Second, Gap: time.Second}}}
	r.Peer.account.Doubled = 1
	require.True(t, r.OK(), "what a peer does is its own affair")
	lines := r.Lines()
	require.Len(t, lines, 2)
	require.Equal(t, JetStream, lines[0].Against)
	require.InDelta(t, .005, lines[0].Ratio, 1e-9)
	require.InDelta(t, 1000, lines[0].Theirs, 1e-9)
	require.EqualValues(t, 1, lines[1].Doubled)
	text.Reset()
	require.NoError(t, r.Text(&text))
	require.Contains(t, text.String(), "5 ms to 1000 ms, 200 times quicker; wanted 100: met")

	r.Peer.late = errLate
	text.Reset()
	require.NoError(t, r.Text(&text))
	require.Contains(t, text.String(), "was given up after 1 of its faults")
	require.True(t, r.OK(), "which is its own affair, too")

	r.Rows[0].Account.Doubled = 1
	require.False(t, r.OK())
}

func TestAPeerThatIsGivenUpLeavesNothing(t *testing.T) {
	s := &system{dir: t.TempDir(), launcher: proc.NewLauncher(), news: make(chan news), procs: map[string]*proc.Process{}}
	s.ctx, s.stop = context.WithCancel(t.Context())
	defer func() { require.NoError(t, s.close()) }()
	d := newDirector(s, io.Discard)
	d.peer = &peer{d: d, nodes: []lab.Node{{Name: "nats-1"}, {Name: "nats-2"}}}
	for name, lasts := range map[string]string{"nats-1": "60", "pub": "60", "sub": "0"} {
		require.NoError(t, s.start(0, proc.Spec{Name: name, Path: "sleep", Args: []string{lasts}}))
	}
	d.dying["sub"] = true // it had been told to end
	require.NoError(t, d.peer.giveUp(t.Context(), errLate))
	require.ErrorIs(t, d.peer.late, errLate)
	require.Empty(t, s.procs)
}

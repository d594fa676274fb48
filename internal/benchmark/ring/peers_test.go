package ring

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/benchmark/cpeer"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
	"github.com/grafnode/grafnode/internal/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func bench(t *testing.T) *suite.Bench {
	if _, err := exec.LookPath("cc"); err != nil || runtime.GOOS != "linux" {
		t.Skip("the peers are for Linux, and built with cc")
	}
	cores, err := party.TwoCores()
	require.NoError(t, err)
	dir := t.TempDir()
	launcher := proc.NewLauncher()
	t.Cleanup(launcher.Close)
	return &suite.Bench{Config: suite.Config{For: 10 * time.Millisecond, Warm: time.Millisecond}, Dir: dir,
		Rig: party.Rig{Launcher: launcher, Dir: dir}, Cores: cores}
}

// The readers fail at the first record that is missing, repeated or of another length; here the lengths are odd and the rings
// wrap within records.
func TestCRingKeepsEveryRecord(t *testing.T) {
	b := bench(t)
	programs, err := cpeer.Build(t.Context(), b.Dir)
	require.NoError(t, err)
	r := &cRing{b: b, programs: programs}
	for _, bytes := range []int{8, 9, 100, 16<<10 - 8} {
		for _, l := range r.layouts()[:2] { // the smallest, of both kinds
			t.Run(fmt.Sprint(bytes, " bytes, ", l), func(t *testing.T) {
				f, err := r.run(t.Context(), suite.Case{Name: "one way", Bytes: bytes, Batch: 1}, l, b.For)
				require.NoError(t, err)
				require.Positive(t, f.Value)
				f, err = r.run(t.Context(), suite.Case{Name: "both ways", Bytes: bytes, Batch: 1, Latency: true}, l, b.For)
				require.NoError(t, err)
				require.Positive(t, f.P99)
				require.LessOrEqual(t, f.Value, f.P99)
			})
		}
	}
}

func TestFutexWakesEachTime(t *testing.T) {
	b := bench(t)
	programs, err := cpeer.Build(t.Context(), b.Dir)
	require.NoError(t, err)
	f, err := (&futex{b: b, program: programs.Futex}).Measure(t.Context(), suite.Case{Name: "futex", Bytes: 8, Latency: true})
	require.NoError(t, err)
	require.Positive(t, f.Value)
}

func TestWithoutACompilerItIsSaidWhatToDo(t *testing.T) {
	t.Setenv("CC", "no-such-compiler")
	_, err := open(t.Context(), &suite.Bench{Dir: t.TempDir()}, peerCRing)
	require.ErrorIs(t, err, suite.ErrUsage)
	require.ErrorIs(t, err, cpeer.ErrNoCompiler)
	require.ErrorContains(t, err, "install gcc or clang")
}

func TestWhatIsNotHere(t *testing.T) {
	b := &suite.Bench{Dir: t.TempDir()}
	_, err := open(t.Context(), b, peerShmipc)
	require.ErrorIs(t, err, suite.ErrUsage)
	b.Peers = t.TempDir()
	_, err = open(t.Context(), b, peerShmipc)
	require.ErrorContains(t, err, "shmipc is no program; `make bench-peers` builds the peers")
	t.Setenv("PATH", t.TempDir())
	_, err = openAeron(t.Context(), b)
	require.ErrorIs(t, err, suite.ErrAbsent)
}

func TestPartiesRefuseNonsense(t *testing.T) {
	for _, args := range [][]string{nil, {"{"}, {`{"task":"dance"}`}, {"a", "b", "c", "d"}} {
		require.Error(t, Main(t.Context(), args, nil))
	}
	l, err := json.Marshal(flow.Load{Bytes: 64, Batch: 1})
	require.NoError(t, err)
	require.ErrorContains(t, Main(t.Context(), []string{flow.RoleRead, "nowhere", string(l)}, nil), "is no address")
}

package flow_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var load = flow.Load{Bytes: 24, Batch: 3, Warm: time.Millisecond, For: 5 * time.Millisecond}

// What is lost, repeated, cut, or damaged in its number is found; so is an end that comes too early.
func TestSinkFindsWhatIsWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source, sink := flow.NewSource(load), flow.NewSink(load)
		record := make([]byte, load.Bytes)
		for range rapid.IntRange(0, 600).Draw(t, "good") {
			source.Fill(record)
			done, err := sink.See(record)
			require.NoError(t, err)
			require.False(t, done)
		}
		switch rapid.SampledFrom([]string{"lost", "repeated", "cut", "damaged", "early"}).Draw(t, "wrong") {
		case "lost":
			source.Fill(record)
			source.Fill(record)
		case "repeated":
			binary.LittleEndian.PutUint64(record, sink.Next()-1)
		case "cut":
			source.Fill(record)
			record = record[:len(record)-1]
		case "damaged":
			source.Fill(record)
			record[rapid.IntRange(0, 6).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "early":
			binary.LittleEndian.PutUint64(record, sink.Next()+1|flow.EndBit)
		}
		_, err := sink.See(record)
		require.ErrorIs(t, err, flow.ErrWrong)
	})
}

func TestSourceEndsInTime(t *testing.T) {
	source, sink := flow.NewSource(load), flow.NewSink(load)
	record := make([]byte, load.Bytes)
	began := time.Now()
	for !source.Over() {
		for range load.Batch {
			source.Fill(record)
			_, err := sink.See(record)
			require.NoError(t, err)
		}
	}
	require.GreaterOrEqual(t, time.Since(began), load.Warm+load.For)
	source.FillEnd(record)
	done, err := sink.See(record)
	require.NoError(t, err)
	require.True(t, done)
	result, err := sink.Result()
	require.NoError(t, err)
	require.Positive(t, result.Items)
	require.LessOrEqual(t, result.Items, source.Next())
}

func TestNothingIsNoResult(t *testing.T) {
	_, err := flow.NewSink(load).Result()
	require.ErrorIs(t, err, flow.ErrWrong)
}

func TestSocketsCarryEveryRecord(t *testing.T) {
	for _, roles := range [][2]string{{flow.RoleSend, flow.RoleRead}, {flow.RolePing, flow.RolePong}} {
		address := "unix:" + filepath.Join(t.TempDir(), "s")
		var out [2]bytes.Buffer
		failed := make(chan error, 2)
		for i, role := range roles {
			go func() { failed <- flow.Main(flow.Args(role, address, load), &out[i], flow.Socket) }()
		}
		require.NoError(t, <-failed)
		require.NoError(t, <-failed)
		var result flow.Result
		require.NoError(t, json.Unmarshal(append(out[0].Bytes(), out[1].Bytes()...), &result))
		require.Positive(t, result.Items)
		require.Positive(t, result.Seconds)
	}
}

func TestMainRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"read", "a", "b"}, {"read", "a", "{}", "more"}} {
		require.Error(t, flow.Main(args, nil, flow.Socket))
	}
}

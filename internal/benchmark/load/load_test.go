package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/benchmark/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a registry in memory.
type memory struct {
	mu       sync.Mutex
	revision uint64
	watchers []chan uint64
	fails    error
	closed   bool
}

type member struct{ *memory }

func (m *memory) Client(context.Context, string, string) (load.Client, error) {
	return member{m}, m.fails
}
func (m *memory) Roaming(context.Context, []string, string) (load.Client, error) {
	return member{m}, m.fails
}
func (m *memory) Close() error { m.closed = true; return nil }

func (m *memory) Watch(ctx context.Context, _, _ string, ready func(), seen func(uint64)) error {
	events := make(chan uint64, 1)
	m.mu.Lock()
	m.watchers = append(m.watchers, events)
	m.mu.Unlock()
	ready()
	for {
		select {
		case r := <-events:
			seen(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m member) CAS(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revision++
	for _, w := range m.watchers {
		w <- m.revision
	}
	return m.revision, m.fails
}

func (m member) Read(context.Context) error   { return m.fails }
func (m member) Strict(context.Context) error { return m.fails }

func (m member) Write(ctx context.Context) error {
	_, err := m.CAS(ctx)
	return errors.Join(err, ctx.Err())
}

func run(t *testing.T, m *memory, args ...string) (load.Result, error) {
	var out strings.Builder
	err := load.Main(t.Context(), append(args, "--nodes", "a,b,c", "--for", "20ms", "--warm", "1ms"), &out,
		func() (load.Target, error) { return m, nil })
	require.True(t, m.closed)
	var r load.Result
	if err == nil {
		require.NoError(t, json.Unmarshal([]byte(out.String()), &r))
	}
	return r, err
}

func TestCasesAreMeasured(t *testing.T) {
	for name, clients := range map[string]string{"cas/1": "1", "cas/64": "64", "read/default": "1", "read/strict/64": "64", "watch/follower": "1"} {
		t.Run(name, func(t *testing.T) {
			r, err := run(t, &memory{}, "--case", name, "--clients", clients)
			require.NoError(t, err)
			require.Equal(t, name, r.Case)
			require.Positive(t, r.Count)
			require.Positive(t, r.P50)
			require.GreaterOrEqual(t, r.P99, r.P50)
			require.GreaterOrEqual(t, r.Seconds, .02)
		})
	}
}

func TestFailuresEndTheTask(t *testing.T) {
	broken := errors.New("broken")
	for _, name := range []string{"cas/64", "read/default", "watch/follower", "acks"} {
		_, err := run(t, &memory{fails: broken}, "--case", name, "--clients", "3")
		require.ErrorIs(t, err, broken, name)
	}
	_, err := run(t, &memory{}, "--case", "nonsense")
	require.ErrorContains(t, err, `no such case: "nonsense"`)
}

func TestAcksUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var told int
	out := writer(func(b []byte) {
		var a load.Ack
		require.NoError(t, json.Unmarshal(b, &a))
		require.WithinDuration(t, time.Now(), time.Unix(0, a.At), time.Minute)
		if told++; told == 100 {
			cancel()
		}
	})
	require.NoError(t, load.Main(ctx, []string{"--case", "acks", "--nodes", "a"}, out, func() (load.Target, error) { return &memory{}, nil }))
	require.Equal(t, 100, told)
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

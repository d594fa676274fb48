package client_test

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// cutter is a leader that carries out what it is asked, and loses answers: the connection is cut before a request is carried out
// or after it, as its script says.
type cutter struct {
	mu     sync.Mutex
	script []cut
	asked  int
}

type cut int

const (
	answers cut = iota
	cutBefore
	cutAfter
	overloaded
	noRoom
)

// serve plays the next step of the script around do.
func (c *cutter) serve(w http.ResponseWriter, do func() (any, *api.Error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := answers
	if c.asked < len(c.script) {
		step = c.script[c.asked]
	}
	c.asked++
	switch step {
	case cutBefore:
		panic(http.ErrAbortHandler)
	case overloaded:
		refuse(w, api.KindOverloaded)
		return
	case noRoom:
		refuse(w, api.KindNoRoom)
		return
	}
	v, err := do()
	if step == cutAfter {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		w.WriteHeader(err.Status())
		give(w, err)
		return
	}
	give(w, v)
}

var scripts = map[string][]cut{
	"answered":               {answers},
	"cut before":             {cutBefore},
	"cut after":              {cutAfter},
	"cut before, then after": {cutBefore, cutAfter},
	"cut after, twice":       {cutAfter, cutAfter},
	"overloaded":             {overloaded},
	"overloaded, cut after":  {overloaded, cutAfter},
}

// However the answers get lost, a lease is granted once, and the caller is told of that one.
func TestAcquireIsCarriedOutOnce(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			own, socket := onSocket(t)
			leader := &cutter{script: script}
			granted := map[lease.ID]lease.Grant{}
			own.mux.HandleFunc("POST /v1/leases", func(w http.ResponseWriter, r *http.Request) {
				var q lease.Request
				_ = json.NewDecoder(r.Body).Decode(&q)
				leader.serve(w, func() (any, *api.Error) {
					if _, ok := granted[q.ID]; !ok {
						granted[q.ID] = lease.Grant{ID: q.ID, Kind: q.Kind, Bytes: q.Bytes, TTL: q.TTL, Epoch: fence.Epoch(len(granted) + 1)}
					}
					return granted[q.ID], nil
				})
			})
			c := dial(t, socket)
			g, err := c.AcquireLease(t.Context(), lease.Request{Kind: lease.KindMemory, Bytes: 4096, TTL: lease.TTLMin})
			require.NoError(t, err)
			require.Len(t, granted, 1)
			require.Equal(t, granted[g.ID], g)
		})
	}
}

// A release whose first copy was carried out finds the lease gone, which is what was asked for.
func TestReleaseIsCarriedOutOnce(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			own, socket := onSocket(t)
			leader := &cutter{script: script}
			held := true
			own.mux.HandleFunc("DELETE /v1/leases/{id}", func(w http.ResponseWriter, _ *http.Request) {
				leader.serve(w, func() (any, *api.Error) {
					if !held {
						return nil, api.Errorf(api.KindRevoked, "lease was released")
					}
					held = false
					return struct{}{}, nil
				})
			})
			require.NoError(t, dial(t, socket).ReleaseLease(t.Context(), "l"))
			require.False(t, held)
		})
	}
}

// checkpoints is a register as the registry keeps it.
type checkpoints struct {
	now    api.Checkpoint
	writes int
}

func (c *checkpoints) put(q api.CheckpointRequest) (any, *api.Error) {
	switch {
	case q.Epoch < c.now.Epoch:
		return nil, api.Errorf(api.KindFenced, "fenced")
	case q.Write && q.Expect != 0 && q.Expect != c.now.Revision:
		return nil, api.Errorf(api.KindConflict, "revision is %d", c.now.Revision)
	}
	c.now.Epoch, c.now.Revision = q.Epoch, c.now.Revision+1
	if q.Write {
		c.now.Value, c.now.Sum = q.Value, q.Sum
		c.writes++
	}
	return c.now, nil
}

// A write is done, certainly not done, or, if nothing guards it against its own late copies, unknown. It is never done twice.
func TestCheckpointOutcomes(t *testing.T) {
	for name, script := range scripts {
		for _, expect := range []api.Revision{0, 5} {
			t.Run(name, func(t *testing.T) {
				own, socket := onSocket(t)
				leader, state := &cutter{script: script}, &checkpoints{now: api.Checkpoint{Key: "k", Epoch: 3, Revision: 5}}
				own.mux.HandleFunc("POST /v1/checkpoints/k", func(w http.ResponseWriter, r *http.Request) {
					var q api.CheckpointRequest
					_ = json.NewDecoder(r.Body).Decode(&q)
					leader.serve(w, func() (any, *api.Error) { return state.put(q) })
				})
				sum := crc32.Checksum([]byte("v"), crc32.MakeTable(crc32.Castagnoli))
				c, err := dial(t, socket).UpdateCheckpoint(t.Context(), "k", api.CheckpointRequest{
					Epoch: 3, Write: true, Expect: expect, Value: []byte("v"), Sum: sum,
				})
				require.LessOrEqual(t, state.writes, 1)
				switch {
				case err == nil:
					require.Equal(t, 1, state.writes)
					require.Equal(t, "v", string(c.Value))
				case expect != 0:
					require.ErrorIs(t, err, api.ErrConflict)
					require.NotErrorIs(t, err, api.ErrUnknown)
					require.Zero(t, state.writes)
				default:
					require.ErrorIs(t, err, api.ErrUnknown)
					require.Zero(t, state.writes)
				}
			})
		}
	}
}

// A change whose first copy was carried out and whose second finds no room is not reported as refused.
func TestRoomThatIsWantingDoesNotHideAnOpenOutcome(t *testing.T) {
	own, socket := onSocket(t)
	leader := &cutter{script: []cut{cutAfter, noRoom}}
	own.mux.HandleFunc("POST /v1/changes", func(w http.ResponseWriter, _ *http.Request) {
		leader.serve(w, func() (any, *api.Error) { return api.ChangeResponse{}, nil })
	})
	_, err := dial(t, socket).Change(t.Context(), api.ChangeRequest{})
	require.ErrorIs(t, err, api.ErrNoRoom)
	require.ErrorIs(t, err, api.ErrUnknown)
	require.Equal(t, api.KindUnknown, api.ErrorOf(err).Kind)
}

// Nor does one copy's want of room count while another copy is on its way.
func TestAHedgedCopyMayFindTheRoom(t *testing.T) {
	slow := onTCP(t)
	own, socket := onSocket(t, slow)
	refused := make(chan struct{})
	own.mux.HandleFunc("POST /v1/changes", func(w http.ResponseWriter, _ *http.Request) {
		<-refused // is slow; the other node is asked too, and refuses first
		applied(w)
	})
	slow.mux.HandleFunc("POST /v1/changes", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, api.KindNoRoom)
		time.AfterFunc(50*time.Millisecond, func() { close(refused) })
	})
	c := dial(t, socket)
	edges, err := c.Change(t.Context(), api.ChangeRequest{})
	require.NoError(t, err)
	require.Len(t, edges, 1)
}

// While an outcome is open and ctx ends, it stays open, whatever the last answer was.
func TestAnOpenOutcomeStaysOpen(t *testing.T) {
	own, socket := onSocket(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	own.mux.HandleFunc("POST /v1/changes", func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			panic(http.ErrAbortHandler)
		}
		if asked == 4 {
			cancel()
		}
		refuse(w, api.KindNoQuorum)
	})
	_, err := dial(t, socket).Change(ctx, api.ChangeRequest{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, api.ErrUnknown)
}

// The plain verbs say what is known and try nothing again.
func TestPlainVerbsSayWhetherTheirOutcomeIsOpen(t *testing.T) {
	a := apiOf(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	ctx := t.Context()
	for name, ask := range map[string]func() error{
		"delete":   func() error { return a.DeleteEdge(ctx, "e", 1) },
		"relocate": func() error { _, err := a.Relocate(ctx, "e", api.RelocateRequest{}); return err },
		"acquire":  func() error { _, err := a.AcquireLease(ctx, lease.Request{}); return err },
		"release":  func() error { return a.ReleaseLease(ctx, "l") },
		"revoke":   func() error { return a.RevokeLease(ctx, "l", "") },
		"put":      func() error { _, err := a.PutCheckpoint(ctx, "k", api.CheckpointRequest{}); return err },
		"blocks":   func() error { return a.WriteBlocks(ctx, "l", 1, 1, []byte("b"), 0) },
		"remove":   func() error { return a.RemoveServer(ctx, "n", false) },
		"transfer": func() error { _, err := a.TransferLeadership(ctx, api.TransferRequest{}); return err },
	} {
		require.ErrorIs(t, ask(), api.ErrUnknown, name)
	}
}

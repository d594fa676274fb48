package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/boottime"
)

// Recorder collects a history. All methods are safe for concurrent use.
type Recorder struct {
	mu sync.Mutex
	h  History
}

// NewRecorder returns an empty recorder.
func NewRecorder(seed uint64) *Recorder { return &Recorder{h: History{Seed: seed}} }

// Call runs an operation and records it with what became of it: f makes the call, fills in the answer and returns its error.
// Reads that were not answered are not recorded.
func (r *Recorder) Call(op Op, f func(op *Op) error) (Op, error) {
	op.Call = boottime.Now()
	err := f(&op)
	op.Return = boottime.Now()
	op.Outcome = outcome(err)
	if err != nil {
		op.Error = api.ErrorOf(err)
		op.Error.Message = err.Error()
	}
	if op.Outcome == Applied || !op.Kind.Reads() || op.Error.Kind == api.KindNotFound {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.h.Ops = append(r.h.Ops, op)
	}
	return op, err
}

// Reads reports whether a call of this kind changes nothing.
func (k Kind) Reads() bool {
	switch k {
	case Read, List, Past, GetCheckpoint, Leases, Sessions:
		return true
	default:
		return false
	}
}

// outcome is what an error says about whether a call has had its effect. What has no kind says nothing.
func outcome(err error) Outcome {
	if err == nil {
		return Applied
	}
	switch api.ErrorOf(err).Kind {
	case api.KindUnknown, api.KindInternal, api.KindCorrupt:
		return Unknown
	default:
		return Refused
	}
}

// Stream records one connection of a watcher, once it has ended.
func (r *Recorder) Stream(s Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Streams = append(r.h.Streams, s)
}

// Holding records a session, once its holder has let it go.
func (r *Recorder) Holding(h Holding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Holdings = append(r.h.Holdings, h)
}

// Fault records something that was done to the cluster.
func (r *Recorder) Fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Faults = append(r.h.Faults, Fault{At: boottime.Now(), What: fmt.Sprintf(format, args...)})
}

// Break records a fault once it is over.
func (r *Recorder) Break(b Break) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Breaks = append(r.h.Breaks, b)
}

// Sample records what a node said about itself.
func (r *Recorder) Sample(s Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Samples = append(r.h.Samples, s)
}

// Final records a node's state at the end.
func (r *Recorder) Final(f Final) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Finals = append(r.h.Finals, f)
}

// History returns what was recorded. The recorder is of no use afterwards.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.h
}

// Save writes a history to a file, as JSON.
func (h *History) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(h), f.Close())
}

// Load reads a history from a file.
func Load(path string) (*History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := new(History)
	if err := json.NewDecoder(f).Decode(h); err != nil {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}
	return h, nil
}

package stream

import (
	"fmt"
	"time"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Defaults.
const (
	CheckpointDefault = 100 * time.Millisecond // how often, at most, a checkpoint is written
	DrainDefault      = 10 * time.Second       // how long a cancelled Run waits for what is under way
	BatchDefault      = 256                    // items in a sink's batch
	BatchWaitDefault  = 10 * time.Millisecond  // how long a batch waits for more
	RetriesDefault    = 6                      // of a sink
	RetryWaitDefault  = 100 * time.Millisecond // before a sink's first retry

	retryWaitMax = 30 * time.Second
)

// Option changes a pipeline.
type Option func(*config)

type config struct {
	capacity   uint64
	checkpoint time.Duration
	stores     func(key string) durable.Store
	drain      time.Duration
	events     Events
}

// Capacity sets the size of every edge's ring, in bytes, a power of two. An item may take a quarter of it. The default
// is edge.CapacityDefault.
func Capacity(bytes uint64) Option { return func(c *config) { c.capacity = bytes } }

// Checkpoint sets how often, at most, the cursor of a source is written while it moves, and, about, how often the state of a Batch or
// Window is. A checkpoint that is behind costs reading again, never a repeat; but what a window has taken is acknowledged no
// sooner, and holds up what came from the same source by another branch once the edges between are full. The default is
// CheckpointDefault.
func Checkpoint(every time.Duration) Option { return func(c *config) { c.checkpoint = every } }

// CheckpointIn keeps the cursors of sources, and the state of windows, in stores of one's own, by key, instead of in the cluster's
// registry. The key is the full name of the stage, <pipeline>.<stage>.
func CheckpointIn(open func(key string) durable.Store) Option {
	return func(c *config) { c.stores = open }
}

// Drain bounds how long Run, once its context has ended, waits for what is under way to be acknowledged.
func Drain(most time.Duration) Option { return func(c *config) { c.drain = most } }

// Observe reports what happens in this process's stages.
func Observe(e Events) Option { return func(c *config) { c.events = e } }

// Events are called as things happen, on the stages' own goroutines: they must return soon. Any may be nil.
type Events struct {
	// Edge is what happens to the edges.
	Edge edge.Events
	// Started: the stage has its roles, under epoch, and its stores.
	Started func(stage string, epoch fence.Epoch)
	// Restarted: the stage starts over, in place, because of cause.
	Restarted func(stage string, cause error)
	// Committed: the stage's sink has committed that many items.
	Committed func(stage string, items int)
	// Rejected: an item is about to go to the stage's dead-letter sink.
	Rejected func(pos position.Position, r Rejected)
}

func (e Events) started(stage string, epoch fence.Epoch) {
	if e.Started != nil {
		e.Started(stage, epoch)
	}
}

func (e Events) restarted(stage string, cause error) {
	if e.Restarted != nil {
		e.Restarted(stage, cause)
	}
}

func (e Events) committed(stage string, items int) {
	if e.Committed != nil {
		e.Committed(stage, items)
	}
}

func (e Events) rejected(pos position.Position, r Rejected) {
	if e.Rejected != nil {
		e.Rejected(pos, r)
	}
}

// StageOption changes a stage. One that the kind of stage has no use for is an error of the pipeline.
type StageOption func(*settings)

type settings struct {
	workers    int
	retries    int
	retryWait  time.Duration
	batch      int
	batchWait  time.Duration
	deadLetter Sink[Rejected]
	log        durable.Store
	codec      any
	lanes      int
	used       map[string]bool
}

func set(name string, f func(*settings)) StageOption {
	return func(s *settings) {
		s.used[name] = true
		f(s)
	}
}

// Workers runs a stage's function on n items at once. Outputs keep the order of the inputs.
func Workers(n int) StageOption { return set("Workers", func(s *settings) { s.workers = n }) }

// Retry tries a failed item, or a failed commit of a sink, up to n more times, after wait, doubled each time and at
// most 30 s. An error that wraps ErrRejected is not tried again. The default is none, for a sink RetriesDefault.
func Retry(n int, wait time.Duration) StageOption {
	return set("Retry", func(s *settings) { s.retries, s.retryWait = n, wait })
}

// BatchOf gives a sink up to n items at a time, and fewer if wait has passed since the first.
func BatchOf(n int, wait time.Duration) StageOption {
	return set("BatchOf", func(s *settings) { s.batch, s.batchWait = n, wait })
}

// DeadLetter sends the items that a stage cannot work on to sink, which belongs to this stage alone: it is claimed under the
// stage's epoch and keeps its own positions. The input counts as done once its reject is durable. Without a
// dead-letter sink such an item ends Run.
//
// Of an operator these are the items that its function rejects, or fails on after its retries, that cannot be decoded, or
// whose output is too large for the edge; of a sink those that Commit rejects. A sink that fails otherwise is not
// taken for a failure of the item, or an outage would empty the pipeline into the dead letters.
func DeadLetter(sink Sink[Rejected]) StageOption {
	return set("DeadLetter", func(s *settings) { s.deadLetter = sink })
}

// LogOutputs is for a stage whose function is not deterministic: one that calls out, or looks at a clock. Its outputs are durable in
// store, with the positions of their inputs, before they are sent; whoever takes the stage over sends those, and does not
// make them again. store belongs to this stage alone; it is fenced under the stage's epoch.
//
// An input is acknowledged when its outputs are logged. The log holds them until they are acknowledged downstream, and
// all of it is written each time, with what has gathered meanwhile: so it is for stages that are slow themselves. When it is full the
// stage waits. It holds BytesMax, if store has such a method, else durable.RegisterBytesMax; outputs of one input that are
// larger end the run. DeadLetter has no use beside it: a function makes an output of its verdict, and another stage rejects it.
func LogOutputs(store durable.Store) StageOption {
	return set("LogOutputs", func(s *settings) { s.log = store })
}

// UseCodec sets the codec of the edge that a stage produces.
func UseCodec[T any](c edge.Codec[T]) StageOption {
	return set("UseCodec", func(s *settings) { s.codec = c })
}

// Lanes says how many lanes a source has, from 0. The default is 1. All processes of a pipeline must say the same: its stages
// end when all lanes have.
func Lanes(n int) StageOption { return set("Lanes", func(s *settings) { s.lanes = n }) }

func defaults() settings {
	return settings{
		workers: 1, retryWait: RetryWaitDefault, batch: BatchDefault, batchWait: BatchWaitDefault, lanes: 1,
		used: map[string]bool{},
	}
}

func (s settings) validate(allowed ...string) error {
	for name := range s.used {
		ok := false
		for _, a := range allowed {
			ok = ok || a == name
		}
		if !ok {
			return fmt.Errorf("option %s has no use here", name)
		}
	}
	switch {
	case s.workers < 1:
		return fmt.Errorf("Workers(%d): at least 1", s.workers)
	case s.retries < 0 || s.retryWait < 0:
		return fmt.Errorf("Retry(%d, %v): neither may be negative", s.retries, s.retryWait)
	case s.batch < 1 || s.batchWait < 0:
		return fmt.Errorf("BatchOf(%d, %v): at least 1 item, and no negative time", s.batch, s.batchWait)
	case s.lanes < 1 || s.lanes > position.LanesMax:
		return fmt.Errorf("Lanes(%d): from 1 to %d", s.lanes, position.LanesMax)
	case s.used["LogOutputs"] && s.log == nil:
		return fmt.Errorf("LogOutputs: no store")
	case s.used["LogOutputs"] && s.used["DeadLetter"]:
		return fmt.Errorf("DeadLetter has no use beside LogOutputs")
	case s.used["DeadLetter"] && s.deadLetter == nil:
		return fmt.Errorf("DeadLetter: no sink")
	}
	return nil
}

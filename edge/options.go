package edge

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// CapacityDefault is the size in bytes of a new edge's rings, and of its producer's window, unless Capacity says otherwise.
const CapacityDefault = 1 << 20

// Option changes how a role is taken or how an edge behaves. Options that do not concern a call are ignored by it.
type Option func(*options)

type options struct {
	claim    *Roles
	standby  bool
	stage    string
	capacity uint64
	resume   func(context.Context, fence.Epoch) (position.Vector, error)
	events   Events
	codec    any
	marks    bool
	mode     fabric.Mode
	check    handoff.Check
	unspared bool
}

func apply(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Claimed uses the roles of a stage that were taken together, instead of taking the role anew.
func Claimed(c *Roles) Option { return func(o *options) { o.claim = c } }

// Standby waits for the role to be free instead of taking it from its holder.
func Standby() Option { return func(o *options) { o.standby = true } }

// StageName names the stage that takes the role. The default is the edge's name.
func StageName(name string) Option { return func(o *options) { o.stage = name } }

// Capacity sets the size in bytes, a power of two, of the edge's rings from here on. Without it an existing edge keeps its size.
// A producer's window is as large as the ring that it began with, and an item may take a quarter of that; if the consumer asks
// for smaller rings, and such an item does not fit one, the producer asks for its own size again.
func Capacity(bytes uint64) Option { return func(o *options) { o.capacity = bytes } }

// ResumeFrom makes a consumer go on after what its store has done. claim is called once, before anything is read: it
// must write the epoch into the store, so that an older consumer can write no more, and only then read and return
// the positions (rule 5).
func ResumeFrom(claim func(context.Context, fence.Epoch) (position.Vector, error)) Option {
	return func(o *options) { o.resume = claim }
}

// Observe reports what happens to an edge.
func Observe(e Events) Option { return func(o *options) { o.events = e } }

// UseCodec sets the codec; both sides must use the same.
func UseCodec[T any](c Codec[T]) Option { return func(o *options) { o.codec = c } }

// Marks makes a consumer deliver marks and ends too. They must then be acknowledged like items.
func Marks() Option { return func(o *options) { o.marks = true } }

// LowLatency makes this side look for news without sleeping, which takes one core for as long as it waits, and a producer
// publish each item at once.
func LowLatency() Option { return func(o *options) { o.mode = fabric.LowLatency } }

// Thrifty makes this side sleep as soon as there is nothing to do. Without LowLatency or Thrifty it looks for news for a moment,
// if lately they came so soon, and then sleeps.
func Thrifty() Option { return func(o *options) { o.mode = fabric.Thrifty } }

// Unchecked leaves payloads out of the checks of the records that a producer sends from here on; order, positions and generation
// are checked all the same. Between processes of one host nothing but a broken one changes a payload unnoticed; across hosts
// every frame has a check of its own, always.
func Unchecked() Option { return func(o *options) { o.check = handoff.CheckHeader } }

// Spare says whether a producer keeps a spare ring armed on another node, to which it moves without asking anybody when its ring is lost.
// It does without the option, and where there is no other node it looks for one every 30 seconds. A spare takes as much memory as a
// ring.
func Spare(on bool) Option { return func(o *options) { o.unspared = !on } }

func codecOf[T any](o options) (Codec[T], error) {
	if o.codec == nil {
		return DefaultCodec[T](), nil
	}
	c, ok := o.codec.(Codec[T])
	if !ok {
		var v T
		return nil, fmt.Errorf("edge: codec %T is not one for %T", o.codec, v)
	}
	return c, nil
}

// Events are called as things happen, on the edge's own goroutines: they must return soon and must not call the edge. Any
// may be nil.
type Events struct {
	// Claimed: this process has the role now, under epoch.
	Claimed func(edge string, role fabric.Role, epoch fence.Epoch)
	// Lost: the bound ring is lost, and why.
	Lost func(edge string, role fabric.Role, generation fence.Epoch, cause error)
	// Bound: a ring is bound.
	Bound func(edge string, role fabric.Role, generation fence.Epoch, at locator.Locator)
	// Moved: this side has gone over to the spare, whose generation that is. Bound comes first.
	Moved func(edge string, role fabric.Role, generation fence.Epoch)
	// FirstItem: the first item that is new, not a repeat, went through the ring of that generation.
	FirstItem func(edge string, role fabric.Role, generation fence.Epoch)
	// Rewired: this side has come from one ring to the next, and when it did what. Called with the first new item in the next ring, after
	// FirstItem.
	Rewired func(edge string, role fabric.Role, r api.Rewire)
}

func (e Events) claimed(edge string, role fabric.Role, epoch fence.Epoch) {
	if e.Claimed != nil {
		e.Claimed(edge, role, epoch)
	}
}

func (e Events) lost(edge string, role fabric.Role, gen fence.Epoch, cause error) {
	if e.Lost != nil {
		e.Lost(edge, role, gen, cause)
	}
}

func (e Events) bound(edge string, role fabric.Role, gen fence.Epoch, at locator.Locator) {
	if e.Bound != nil {
		e.Bound(edge, role, gen, at)
	}
}

func (e Events) moved(edge string, role fabric.Role, gen fence.Epoch) {
	if e.Moved != nil {
		e.Moved(edge, role, gen)
	}
}

func (e Events) firstItem(edge string, role fabric.Role, gen fence.Epoch) {
	if e.FirstItem != nil {
		e.FirstItem(edge, role, gen)
	}
}

func (e Events) rewired(edge string, role fabric.Role, r api.Rewire) {
	if e.Rewired != nil {
		e.Rewired(edge, role, r)
	}
}

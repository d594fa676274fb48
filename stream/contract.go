package stream

import (
	"context"
	"errors"
	"iter"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Item is a value with its identity.
type Item[T any] struct {
	Pos   position.Position
	Value T
}

// Source is where a pipeline's items come from.
type Source[T any] interface {
	// Read returns the items above from, which is what has been acknowledged and need never be read again. Positions grow
	// within a lane, lanes count from 0, and the same item has the same position each time. Items at or below from
	// are passed over, so a source that is cheap to read may ignore it.
	//
	// The sequence ends when the source has no more items, ever; an endless one waits for more, and returns when ctx ends. An
	// error is yielded once, last. One goroutine reads at a time; a yielded value belongs to the stage until the next
	// one is asked for.
	Read(ctx context.Context, from position.Vector) iter.Seq2[Item[T], error]
}

// Effects are what a sink does in one step.
type Effects[T any] struct {
	Epoch fence.Epoch
	Items []Item[T] // in order; may be empty, when only the positions move
	// Upto is what is done when the batch is done, in all lanes: what Claim will return from then on. It may lie above the
	// last item: past items that never came this far, or at the end of a lane.
	Upto position.Vector
}

// Sink is where a pipeline's items have their effect. It belongs to one stage of one pipeline in one cluster: another
// cluster counts its epochs from the start, and would be refused as long out of date.
type Sink[T any] interface {
	// Claim refuses all batches of older epochs from now on, durably, and only then reads and returns what is done; or
	// returns fence.ErrFenced. It may be called again under the same epoch, to learn how a Commit ended.
	Claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error)

	// Commit has the items' effects and moves the positions up to b.Upto, in one atomic step that takes place only if no
	// higher epoch has claimed the sink: fence.ErrFenced otherwise. An error that wraps ErrRejected says that nothing was done
	// and that some item of the batch can never be. After any other error the outcome is open: Claim is asked before
	// anything is committed again. The batch belongs to the caller again once Commit returns. One Commit runs at a time.
	Commit(ctx context.Context, b Effects[T]) error
}

// Rejected is an item that a stage could not work on, as it goes to the stage's dead-letter sink.
type Rejected struct {
	Stage    string
	Reason   string
	Attempts int // how often it was tried
	Value    any // the stage's input; nil if it could not be decoded
}

// ErrRejected says that an item can never be worked on. See Reject.
var ErrRejected = errors.New("rejected")

// Reject returns the error with which a stage's function, or a sink, turns an item away for good. It is not tried again.
func Reject(reason string) error { return &rejection{reason} }

type rejection struct{ reason string }

func (r *rejection) Error() string { return "rejected: " + r.reason }
func (r *rejection) Unwrap() error { return ErrRejected }

// reasonOf returns the words to put in a Rejected.
func reasonOf(err error) string {
	if r, ok := errors.AsType[*rejection](err); ok {
		return r.reason
	}
	return err.Error()
}

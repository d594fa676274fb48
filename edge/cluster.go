package edge

import (
	"context"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

// Cluster is what an edge needs of the control plane. *client.Client is one; edgetest has one in memory. All methods are
// safe for concurrent use and block no longer than their ctx.
type Cluster interface {
	// Session returns this process's live session, opening one if there is none. It blocks while the node is away.
	Session(ctx context.Context) (Session, error)

	// Edge returns an edge's record as of now or later (a linearizable read); api.ErrNotFound if there is none.
	Edge(ctx context.Context, name string) (api.Edge, error)

	// Follow sends the edge's newest known record, then each newer one, skipping what a slow reader missed. It survives
	// the loss of nodes and is a hint only: late, repeated or lost news must do no harm. The channel is closed when ctx ends.
	Follow(ctx context.Context, name string) <-chan api.Edge

	// Change asks for new rings (protocol rules 1 to 4) and returns the records after the change: api.ErrConflict if a revision
	// moved, api.ErrSessionLost if the session ended. It resolves unknown outcomes itself.
	Change(ctx context.Context, r api.ChangeRequest) ([]api.Edge, error)

	// ChangeSpare says what this session, as the edge's producer, has to say about its spare (rules 13 and 15), and returns the record after
	// it: api.ErrConflict if nothing was done because the record is another, api.ErrNoRoom if no other node will do for a spare
	// alone. It resolves unknown outcomes like Change.
	ChangeSpare(ctx context.Context, r api.SpareRequest) (api.Edge, error)

	// Attach opens this session's side of the ring that e's locator names, which may be a spare (api.Edge.InSpare). It may block until the other side has
	// attached too. An error for which fabric.Lost reports true means that this ring will never do.
	AttachProducer(ctx context.Context, e api.Edge) (fabric.Producer, error)
	AttachConsumer(ctx context.Context, e api.Edge) (fabric.Consumer, error)
}

// Session is a stage process as the cluster knows it.
type Session = lease.Session

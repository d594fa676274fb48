package demo

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/internal/lab"
)

// newObserver returns an observer of the nodes that makes events of what it sees.
func newObserver(nodes []lab.Node, emit func(event.Event)) (*lab.Observer, error) {
	return lab.NewObserver(nodes, accesslog.Pipeline+".", lab.News{
		Ready:   func(node string) { emit(event.Event{At: time.Now(), Kind: event.Ready, Process: node}) },
		Leading: func(node string) { emit(event.Event{At: time.Now(), Kind: event.Leading, Process: node}) },
		Changed: func(e api.Edge, node string) {
			emit(event.Event{At: time.Now(), Kind: event.Changed, Edge: e.Name, Generation: e.Generation, Node: node,
				Cause: string(e.Reason)})
		},
	})
}

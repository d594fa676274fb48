package watchstream

import (
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

// Place is what filters look at: what a record is called, and where it is. The zero value is that of no record.
type Place struct {
	Kind  api.RecordKind
	Name  string
	Nodes [4]locator.NodeID // of an edge's ring, producer, consumer and spare; the first, of others
}

// PlaceOf returns the place of an event's record, none if the record is deleted.
func PlaceOf(e api.Event) Place {
	switch {
	case e.Deleted || e.Edge != nil && e.Edge.Deleted:
		return Place{}
	case e.Edge != nil:
		p := Place{api.RecordEdge, e.Edge.Name,
			[4]locator.NodeID{e.Edge.Locator.Node, e.Edge.Producer.Node, e.Edge.Consumer.Node}}
		if e.Edge.Spare != nil {
			p.Nodes[3] = e.Edge.Spare.Locator.Node
		}
		return p
	case e.Node != nil:
		return Place{api.RecordNode, e.Node.Name, [4]locator.NodeID{e.Node.ID}}
	case e.Lease != nil:
		name := e.Lease.Edge
		if name == "" {
			name = e.Lease.Name
		}
		return Place{api.RecordLease, name, [4]locator.NodeID{e.Lease.Node}}
	case e.Session != nil:
		return Place{api.RecordSession, e.Session.Stage, [4]locator.NodeID{e.Session.Node}}
	default:
		return Place{}
	}
}

// Filter is what a reader asked for.
type Filter struct {
	Prefix string
	Node   locator.NodeID
	Kinds  []api.RecordKind // not empty, each once, in the order of api.RecordKinds
}

// NewFilter returns r's filter.
func NewFilter(r api.WatchRequest) Filter {
	f := Filter{Prefix: r.Prefix, Node: r.Node}
	for _, k := range api.RecordKinds {
		if slices.Contains(r.Kinds, k) || len(r.Kinds) == 0 && k == api.RecordEdge {
			f.Kinds = append(f.Kinds, k)
		}
	}
	return f
}

// Matches reports whether there is a record at p and f lets it through.
func (f Filter) Matches(p Place) bool {
	return slices.Contains(f.Kinds, p.Kind) && strings.HasPrefix(p.Name, f.Prefix) &&
		(f.Node == "" || slices.Contains(p.Nodes[:], f.Node))
}

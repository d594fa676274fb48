package state

import (
	"iter"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
	"github.com/grafnode/grafnode/locator"
)

// Here records become what watches show: the state for new readers (Select), and what a command did, for the log of changes.

// Select yields the state events of the records of kind k that f matches, by key, beginning with the first key that is not
// below from.
func (s *State) Select(f watchstream.Filter, k api.RecordKind, from string) iter.Seq2[string, api.Event] {
	switch k {
	case api.RecordEdge: // whose key is what the prefix is of
		return selected(s, f, s.edges.from(text(max(from, f.Prefix))), f.Prefix)
	case api.RecordNode:
		return selected(s, f, s.nodes.from(text(from)), "")
	case api.RecordLease:
		return selected(s, f, s.leases.from(text(from)), "")
	case api.RecordSession:
		return selected(s, f, s.sessions.from(text(from)), "")
	default:
		return func(func(string, api.Event) bool) {}
	}
}

// shown is a record that watches show.
type shown interface {
	place() watchstream.Place
	event(s *State) api.Event // with the record alone
}

// selected yields the events of those records that f matches, until the first whose key does not begin with prefix.
func selected[R shown](s *State, f watchstream.Filter, records iter.Seq2[text, R], prefix string) iter.Seq2[string, api.Event] {
	return func(yield func(string, api.Event) bool) {
		for key, r := range records {
			if !strings.HasPrefix(string(key), prefix) {
				return
			}
			if !f.Matches(r.place()) {
				continue
			}
			e := r.event(s)
			e.Type, e.Revision = api.EventState, s.Revision()
			if e.Edge != nil {
				e.Revision = e.Edge.Revision
			}
			if !yield(string(key), e) {
				return
			}
		}
	}
}

func (r Record) place() watchstream.Place {
	return watchstream.Place{Kind: api.RecordEdge, Name: r.Name, Nodes: [3]locator.NodeID{r.Node, r.Producer.Node, r.Consumer.Node}}
}

func (r Record) event(s *State) api.Event {
	e := r.API(s)
	return api.Event{Kind: api.RecordEdge, Edge: &e}
}

func (n Node) place() watchstream.Place {
	return watchstream.Place{Kind: api.RecordNode, Name: n.Name, Nodes: [3]locator.NodeID{n.ID}}
}

func (n Node) event(s *State) api.Event {
	node := n.API(s)
	node.Leased = 0 // changes with every lease, which is not told as a change of the node
	return api.Event{Kind: api.RecordNode, Node: &node}
}

func (l Lease) place() watchstream.Place {
	name := l.Edge
	if name == "" {
		name = l.Name
	}
	return watchstream.Place{Kind: api.RecordLease, Name: name, Nodes: [3]locator.NodeID{l.Node}}
}

func (l Lease) event(*State) api.Event {
	e := l.API()
	return api.Event{Kind: api.RecordLease, Lease: &e}
}

func (s Session) place() watchstream.Place {
	return watchstream.Place{Kind: api.RecordSession, Name: s.Stage, Nodes: [3]locator.NodeID{s.Node}}
}

func (s Session) event(*State) api.Event {
	return api.Event{Kind: api.RecordSession, Session: &api.Session{
		ID: s.ID, Stage: s.Stage, Node: s.Node, Incarnation: s.Incarnation, PID: s.PID, TTL: s.TTL, Opened: instant(s.Opened),
	}}
}

// ChangesOf returns what an entry did to the records that its result names, as it leads from before to after: what a node appends to
// its log of changes.
func ChangesOf(before, after *State, e Entry, r Result) []*watchstream.Change {
	var all []*watchstream.Change
	for _, c := range r.Changes {
		was, had := before.record(c)
		is, has := after.record(c)
		var event api.Event
		var place watchstream.Place
		if had {
			place = was.place()
		}
		switch {
		case has:
			event = is.event(after)
		case had:
			event = deleted(was.event(before), after, e)
		default:
			continue // came and went within one entry
		}
		event.Type, event.Revision = api.EventChange, after.Revision()
		all = append(all, watchstream.NewChange(place, event))
	}
	return all
}

// record returns the record that c names, as it is in s: itself, not a copy, since each change of an edge asks for six.
func (s *State) record(c Change) (shown, bool) {
	switch key := text(c.Key); c.Kind {
	case api.RecordEdge:
		return s.edges.get(key)
	case api.RecordNode:
		return s.nodes.get(key)
	case api.RecordLease:
		return s.leases.get(key)
	default:
		return s.sessions.get(key)
	}
}

// deleted returns the event that tells of the end of the record in e.
func deleted(e api.Event, after *State, entry Entry) api.Event {
	e.Deleted = true
	switch {
	case e.Edge != nil:
		e.Edge = &api.Edge{Name: e.Edge.Name, Generation: e.Edge.Generation, Revision: after.Revision(),
			Changed: instant(entry.Proposed), Deleted: true}
	case e.Lease != nil:
		e.Lease.Status, _ = after.Ended(string(e.Lease.ID))
	}
	return e
}

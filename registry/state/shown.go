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
	return watchstream.Place{Kind: api.RecordEdge, Name: r.Name, Nodes: [4]locator.NodeID{r.Node, r.Producer.Node, r.Consumer.Node, r.spare().Node}}
}

func (r Record) event(s *State) api.Event {
	e := r.API(s)
	return api.Event{Kind: api.RecordEdge, Edge: &e}
}

func (n Node) place() watchstream.Place {
	return watchstream.Place{Kind: api.RecordNode, Name: n.Name, Nodes: [4]locator.NodeID{n.ID}}
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
	return watchstream.Place{Kind: api.RecordLease, Name: name, Nodes: [4]locator.NodeID{l.Node}}
}

func (l Lease) event(*State) api.Event {
	e := l.API()
	return api.Event{Kind: api.RecordLease, Lease: &e}
}

func (s Session) place() watchstream.Place {
	return watchstream.Place{Kind: api.RecordSession, Name: s.Stage, Nodes: [4]locator.NodeID{s.Node}}
}

func (s Session) event(*State) api.Event {
	return api.Event{Kind: api.RecordSession, Session: &api.Session{
		ID: s.ID, Stage: s.Stage, Node: s.Node, Incarnation: s.Incarnation, PID: s.PID, TTL: s.TTL, Opened: instant(s.Opened),
	}}
}

// ChangesOf returns what an entry did to the records that its result names, as it leads from before to after: what a node appends to
// its log of changes.
func ChangesOf(before, after *State, e Entry, r Result) []*watchstream.Change {
	moves := make([]move, len(r.Changes))
	for i, c := range r.Changes {
		moves[i] = move{c, before.record(c), after.record(c)}
	}
	return told(after, e, moves)
}

// told returns what watches are told of the moves by which an entry led to after.
func told(after *State, e Entry, moves []move) []*watchstream.Change {
	all := make([]*watchstream.Change, 0, len(moves))
	for _, m := range moves {
		var event api.Event
		var place watchstream.Place
		if m.was != nil {
			place = m.was.place()
		}
		switch {
		case m.is != nil:
			event = m.is.event(after)
		case m.was != nil:
			event = deleted(m.was.event(after), after, e)
		default:
			continue // came and went within one entry
		}
		event.Type, event.Revision = api.EventChange, after.Revision()
		all = append(all, watchstream.NewChange(place, event))
	}
	return all
}

// record returns the record that c names, as it is in s; nil if it is not there.
func (s *State) record(c Change) shown {
	switch key := text(c.Key); c.Kind {
	case api.RecordEdge:
		return there(s.edges.get(key))
	case api.RecordNode:
		return there(s.nodes.get(key))
	case api.RecordLease:
		return there(s.leases.get(key))
	default:
		return there(s.sessions.get(key))
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

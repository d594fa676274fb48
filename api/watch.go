package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/locator"
)

// RecordKind says what a record of the registry is about.
type RecordKind string

// The kinds of records that can be watched. The list is append-only.
const (
	RecordEdge    RecordKind = "edge"
	RecordNode    RecordKind = "node"
	RecordLease   RecordKind = "lease"
	RecordSession RecordKind = "session"
)

// RecordKinds are all kinds, in the order in which a stream's state has them.
var RecordKinds = []RecordKind{RecordEdge, RecordNode, RecordLease, RecordSession}

// WatchMode says what a watch does for a reader that is slower than the changes.
type WatchMode string

// The modes.
const (
	WatchLatest WatchMode = "latest" // leaves out changes of a record that a newer one has overtaken; never the newest
	WatchAll    WatchMode = "all"    // every change, or ErrGap
)

// WatchRequest says what to watch. The zero value is every edge, from its present state on, the newest change of each.
type WatchRequest struct {
	Prefix string         // of an edge's name, a node's name, a lease's edge or region, a session's stage
	Node   locator.NodeID // only what is on that node: the ring or a side of an edge; a lease, a session; the node itself
	Kinds  []RecordKind   // empty: edges
	Mode   WatchMode      // empty: WatchLatest
	From   Revision       // only what changed after it; zero: first what is
}

// watchTextMax bounds the texts of a WatchRequest, in bytes. No name is longer than that.
const watchTextMax = 256

// Check reports what is wrong with r, as an error that wraps ErrInvalid.
func (r WatchRequest) Check() error {
	for _, k := range r.Kinds {
		if !slices.Contains(RecordKinds, k) {
			return Errorf(KindInvalid, "watch: kind %q, must be one of %v", k, RecordKinds)
		}
	}
	switch {
	case len(r.Kinds) > len(RecordKinds):
		return Errorf(KindInvalid, "watch: %d kinds, there are %d", len(r.Kinds), len(RecordKinds))
	case len(r.Prefix) > watchTextMax || len(r.Node) > watchTextMax:
		return Errorf(KindInvalid, "watch: prefix of %d bytes, node of %d, at most %d", len(r.Prefix), len(r.Node), watchTextMax)
	case r.Mode != "" && r.Mode != WatchLatest && r.Mode != WatchAll:
		return Errorf(KindInvalid, "watch: mode %q, must be %q or %q", r.Mode, WatchLatest, WatchAll)
	}
	return nil
}

// EventType says what a line of the watch stream is.
type EventType string

// A watch stream is: state events for every record that exists, one sync, then changes, with bookmarks in between. State
// events and a sync may come again later, flagged Resync: what is not among them does not exist.
const (
	EventState    EventType = "state"
	EventSync     EventType = "sync"
	EventChange   EventType = "change"
	EventBookmark EventType = "bookmark" // everything up to Revision has been delivered
	EventError    EventType = "error"    // the stream ends, and why; everything up to Revision has been delivered
)

// BookmarkEvery is how often a watch stream carries a bookmark, at least. A reader that has heard nothing for three
// times as long treats the stream as broken and goes to another node.
const BookmarkEvery = 2 * time.Second

// Event is one line of the watch stream. State events and changes have exactly one of Edge, Node, Lease and Session, which is
// the record afterwards, or, if it is gone, the last that was known of it.
//
// Nodes are shown as they registered: Leased, Health, Leader and Voter are not filled in.
type Event struct {
	Type EventType `json:"type"`
	// Revision of the change. State events of edges have that of the edge's last change, others that of the sync.
	Revision Revision   `json:"revision"`
	Kind     RecordKind `json:"kind,omitempty"`
	Edge     *Edge      `json:"edge,omitempty"`
	Node     *Node      `json:"node,omitempty"`
	Lease    *Lease     `json:"lease,omitempty"`
	Session  *Session   `json:"session,omitempty"`
	Deleted  bool       `json:"deleted,omitempty"` // the record is no more
	Left     bool       `json:"left,omitempty"`    // the record is still there, but is not what the reader asked for any more
	Resync   bool       `json:"resync,omitempty"`  // part of a state that is sent again, or made from one
	Error    *Error     `json:"error,omitempty"`

	line *line // set by Shared
}

// Gone reports whether the reader is to forget the record.
func (e Event) Gone() bool { return e.Deleted || e.Left || e.Edge != nil && e.Edge.Deleted }

// Record returns the kind and the key of e's record: an edge's name, else an ID. Both are empty if e has none.
func (e Event) Record() (RecordKind, string) {
	switch {
	case e.Edge != nil:
		return RecordEdge, e.Edge.Name
	case e.Node != nil:
		return RecordNode, string(e.Node.ID)
	case e.Lease != nil:
		return RecordLease, string(e.Lease.ID)
	case e.Session != nil:
		return RecordSession, string(e.Session.ID)
	default:
		return "", ""
	}
}

// Check reports, as an error that wraps ErrCorrupt, what makes e no line of a watch stream.
func (e Event) Check() error {
	records := 0
	for _, there := range []bool{e.Edge != nil, e.Node != nil, e.Lease != nil, e.Session != nil} {
		if there {
			records++
		}
	}
	kind, key := e.Record()
	switch e.Type {
	case EventSync, EventBookmark, EventError:
		if records != 0 || e.Kind != "" {
			return fmt.Errorf("%s event with a record: %w", e.Type, ErrCorrupt)
		}
		return nil
	case EventState, EventChange:
	default:
		// From a newer node; a line that is not understood carries nothing that may be skipped silently.
		return fmt.Errorf("event of unknown type %q: %w", e.Type, ErrCorrupt)
	}
	switch {
	case records != 1 || key == "":
		return fmt.Errorf("%s event of %d records, key %q: %w", e.Type, records, key, ErrCorrupt)
	case e.Kind != kind && e.Kind != "": // v0.1.0 sends none
		return fmt.Errorf("%s event of kind %q with a record of kind %q: %w", e.Type, e.Kind, kind, ErrCorrupt)
	case e.Type == EventState && e.Gone():
		return fmt.Errorf("state event of a %s that is gone: %w", kind, ErrCorrupt)
	}
	return nil
}

// line is an event's encoding, made once for all who hold a copy of the event.
type line struct {
	once sync.Once
	b    []byte
	err  error
}

// Shared returns e as an event whose copies share their encoding. None of them may be changed any more.
func (e Event) Shared() Event {
	e.line = new(line)
	return e
}

// Line returns e as JSON and a newline. The bytes may be shared and must not be changed.
func (e Event) Line() ([]byte, error) {
	if e.line == nil {
		return e.encode()
	}
	e.line.once.Do(func() { e.line.b, e.line.err = e.encode() })
	return e.line.b, e.line.err
}

func (e Event) encode() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s event: %w", e.Type, err)
	}
	return append(b, '\n'), nil
}

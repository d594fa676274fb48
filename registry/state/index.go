package state

import "github.com/grafnode/grafnode/lease"

// none is what a set has beside its keys.
type none = struct{}

// index holds what can be computed from the rest of the state. It is not in snapshots.
type index struct {
	node    tree[text, *carried]
	session tree[text, *held]
	region  tree[text, lease.ID] // named block regions
	ends    queue[*ended]        // in order; one counts no more if something of the same ID has ended since
}

// carried is what a node bears.
type carried struct {
	bytes    uint64 // of memory lent
	rings    uint64 // that it is lent to
	leases   tree[text, none]
	sessions tree[text, none]
}

// held is what a session has.
type held struct {
	edges  tree[text, none] // on which it has a role
	leases tree[text, none] // outside edges
}

// onNode changes what a node bears.
func (d *draft) onNode(id string, change func(*carried)) {
	next := carried{}
	if was, ok := d.by.node.get(text(id)); ok {
		next = *was
	}
	change(&next)
	if next == (carried{}) {
		d.by.node.remove(d.edit, text(id))
		return
	}
	d.by.node.put(d.edit, text(id), &next)
}

// inSession changes what a session has.
func (d *draft) inSession(id string, change func(*held)) {
	next := held{}
	if was, ok := d.by.session.get(text(id)); ok {
		next = *was
	}
	change(&next)
	if next == (held{}) {
		d.by.session.remove(d.edit, text(id))
		return
	}
	d.by.session.put(d.edit, text(id), &next)
}

// carriedBy returns what a node bears.
func (s *State) carriedBy(id string) (c carried) {
	c, _ = deref(s.by.node.get(text(id)))
	return c
}

// heldBy returns what a session has.
func (s *State) heldBy(id string) (h held) {
	h, _ = deref(s.by.session.get(text(id)))
	return h
}

// shared returns one of like that equals s, or s: the state keeps one copy of a name, not one for each command that named it.
func shared(s string, like ...string) string {
	for _, l := range like {
		if l == s {
			return l
		}
	}
	return s
}

package state

import (
	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// Here stand the fields of what is written and read most, by name as canonical wants them. A test compares the bytes with msgpack's,
// which goes by the types alone.

// known are the words that nearly every record has.
var known = func() map[string]string {
	m := map[string]string{}
	for _, reason := range []api.Reason{
		api.ReasonCreated, api.ReasonTakeover, api.ReasonRingLost, api.ReasonExpired, api.ReasonRevoked, api.ReasonCorrupt,
		api.ReasonRequested, api.ReasonGone, api.ReasonRecovered, api.ReasonRestored, api.ReasonSpareArmed, api.ReasonMoved, api.ReasonSpareLost,
	} {
		m[string(reason)] = string(reason)
	}
	for _, word := range []string{
		string(lease.KindMemory), string(lease.KindBlock), string(lease.Expired), string(lease.Revoked), string(lease.Released),
	} {
		m[word] = word
	}
	return m
}()

// list is a field of several values.
func list[T any, P interface {
	*T
	fielded
}](c *canonical, name string, all *[]T) {
	if !c.name(name) {
		return
	}
	n := len(*all)
	if *all == nil {
		n = -1
	}
	if n = c.count(n); c.bad {
		return
	}
	if c.reading && n >= 0 {
		*all = make([]T, n)
	}
	for i := 0; i < n && !c.bad; i++ {
		c.nested(P(&(*all)[i]))
	}
}

// texts is a list of texts that is left out when it is empty.
func (c *canonical) texts(name string, all *[]string) {
	if c.present(name, len(*all) > 0) {
		listed(c, all, false)
	}
}

// listed are the texts of a list.
func listed[S ~string](c *canonical, all *[]S, share bool) {
	n := len(*all)
	if *all == nil {
		n = -1
	}
	if n = c.count(n); c.bad {
		return
	}
	if c.reading && n >= 0 {
		*all = make([]S, n)
	}
	for i := 0; i < n && !c.bad; i++ {
		content(c, &(*all)[i], share)
	}
}

// rules are left out where there are none.
func (c *canonical) rules(name string, all *api.Rules) {
	if !c.present(name, len(*all) > 0) {
		return
	}
	n := c.count(len(*all))
	if c.bad {
		return
	}
	if c.reading && n >= 0 {
		*all = make(api.Rules, n)
	}
	for i := 0; i < n && !c.bad; i++ {
		c.nested(rule{&(*all)[i]})
	}
}

// rule is an api.Rule; its names are those of the API.
type rule struct{ *api.Rule }

func (r rule) fields(c *canonical) {
	c.value(2)
	word(c, "prefix", &r.Prefix)
	if c.name("rights") {
		listed(c, &r.Rights, true)
	}
}

// side is an api.Side; its names are those of the API.
type side struct{ *api.Side }

func (s side) fields(c *canonical) {
	c.value(4, s.Node != "", s.Session != "", s.Stage != "")
	whole(c, "epoch", &s.Epoch)
	words(c, "node", &s.Node)
	words(c, "session", &s.Session)
	words(c, "stage", &s.Stage)
}

func (o *Op) fields(c *canonical) {
	c.value(3)
	prose(c, "ID", &o.ID)
	whole(c, "Revision", &o.Revision)
	word(c, "Session", &o.Session)
}

func (p *Past) fields(c *canonical) {
	c.value(8, p.Spare != 0)
	word(c, "Actor", &p.Actor)
	signed(c, "At", &p.At)
	prose(c, "Detail", &p.Detail)
	whole(c, "Generation", &p.Generation)
	word(c, "Node", &p.Node)
	word(c, "Reason", &p.Reason)
	whole(c, "Revision", &p.Revision)
	if c.present("Spare", p.Spare != 0) {
		unsigned(c, &p.Spare)
	}
}

func (s *Spare) fields(c *canonical) {
	c.value(7, s.Planned)
	whole(c, "Consumer", &s.Consumer)
	whole(c, "Generation", &s.Generation)
	word(c, "Lease", &s.Lease)
	word(c, "Node", &s.Node)
	if c.name("Op") {
		c.nested(&s.Op)
	}
	c.mark("Planned", &s.Planned)
	whole(c, "Producer", &s.Producer)
}

func (r *savedRecord) fields(c *canonical) {
	c.value(15, len(r.Made) > 0, r.Spare != nil)
	whole(c, "Capacity", &r.Capacity)
	signed(c, "Changed", &r.Changed)
	word(c, "Codec", &r.Codec)
	if c.name("Consumer") {
		c.nested(side{&r.Consumer})
	}
	whole(c, "Generation", &r.Generation)
	word(c, "Lease", &r.Lease)
	c.texts("Made", &r.Made)
	word(c, "Name", &r.Name)
	word(c, "Node", &r.Node)
	if c.name("Op") {
		c.nested(&r.Op)
	}
	list(c, "Past", &r.Past)
	if c.name("Producer") {
		c.nested(side{&r.Producer})
	}
	word(c, "Reason", &r.Reason)
	whole(c, "Revision", &r.Revision)
	if c.present("Spare", r.Spare != nil) {
		if c.reading {
			r.Spare = new(Spare)
		}
		c.nested(r.Spare)
	}
}

func (l *Lease) fields(c *canonical) {
	c.value(13, l.Asked != "")
	words(c, "Asked", &l.Asked)
	whole(c, "Bytes", &l.Bytes)
	word(c, "Edge", &l.Edge)
	whole(c, "Epoch", &l.Epoch)
	signed(c, "Granted", &l.Granted)
	word(c, "ID", &l.ID)
	whole(c, "Incarnation", &l.Incarnation)
	word(c, "Kind", &l.Kind)
	word(c, "Name", &l.Name)
	word(c, "Node", &l.Node)
	whole(c, "Seq", &l.Seq)
	word(c, "Session", &l.Session)
	signed(c, "TTL", &l.TTL)
}

func (s *Session) fields(c *canonical) {
	c.value(10, len(s.Rules) > 0)
	word(c, "ID", &s.ID)
	whole(c, "Incarnation", &s.Incarnation)
	word(c, "Node", &s.Node)
	signed(c, "Opened", &s.Opened)
	signed(c, "PID", &s.PID)
	c.rules("Rules", &s.Rules)
	whole(c, "Seq", &s.Seq)
	word(c, "Stage", &s.Stage)
	signed(c, "TTL", &s.TTL)
	c.sum("Token", &s.Token)
}

func (e *Ended) fields(c *canonical) {
	c.value(3)
	prose(c, "ID", &e.ID)
	whole(c, "Seq", &e.Seq)
	word(c, "Status", &e.Status)
}

func (x *ChangeEdges) fields(c *canonical) {
	c.value(6)
	prose(c, "Detail", &x.Detail)
	list(c, "Edges", &x.Edges)
	prose(c, "Op", &x.Op)
	word(c, "Reason", &x.Reason)
	word(c, "Session", &x.Session)
	signed(c, "TTL", &x.TTL)
}

func (x *EdgeChange) fields(c *canonical) {
	c.value(10)
	whole(c, "Capacity", &x.Capacity)
	word(c, "Codec", &x.Codec)
	word(c, "ConsumerStage", &x.ConsumerStage)
	whole(c, "Expect", &x.Expect)
	word(c, "Lease", &x.Lease)
	word(c, "Name", &x.Name)
	word(c, "Node", &x.Node)
	word(c, "ProducerStage", &x.ProducerStage)
	c.flag("TakeConsumer", &x.TakeConsumer)
	c.flag("TakeProducer", &x.TakeProducer)
}

func (x *ChangeSpare) fields(c *canonical) {
	c.value(12, x.Planned)
	c.flag("Arm", &x.Arm)
	whole(c, "Confirm", &x.Confirm)
	prose(c, "Detail", &x.Detail)
	word(c, "Edge", &x.Edge)
	whole(c, "Expect", &x.Expect)
	word(c, "Lease", &x.Lease)
	word(c, "Node", &x.Node)
	prose(c, "Op", &x.Op)
	c.mark("Planned", &x.Planned)
	word(c, "Reason", &x.Reason)
	word(c, "Session", &x.Session)
	signed(c, "TTL", &x.TTL)
}

func (m *Mark[ID]) fields(c *canonical) {
	c.value(2)
	prose(c, "ID", &m.ID)
	whole(c, "Seq", &m.Seq)
}

func (x *Allowance) fields(c *canonical) {
	c.value(3)
	list(c, "Leases", &x.Leases)
	list(c, "Sessions", &x.Sessions)
	whole(c, "Term", &x.Term)
}

func (x *Expire) fields(c *canonical) {
	c.value(3)
	list(c, "Leases", &x.Leases)
	list(c, "Sessions", &x.Sessions)
	whole(c, "Term", &x.Term)
}

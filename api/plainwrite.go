package api

import (
	"encoding/json"
	"strconv"

	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// AppendJSON appends what json.Marshal returns for e, sooner.
func (e Edge) AppendJSON(b []byte) ([]byte, error) {
	if quick := (writer{b: b, ok: true}); quick.edge(&e) {
		return quick.b, nil
	}
	slow, err := json.Marshal(e)
	return append(b, slow...), err
}

// AppendJSON appends what json.Marshal returns for r, sooner.
func (r ChangeResponse) AppendJSON(b []byte) ([]byte, error) {
	if quick := (writer{b: b, ok: true}); quick.changeResponse(&r) {
		return quick.b, nil
	}
	slow, err := json.Marshal(r)
	return append(b, slow...), err
}

// ReadPlain reads a request that is in the form in which our own clients write it, and reports whether it is. In that form no
// field comes twice and none is unknown.
func (r *ChangeRequest) ReadPlain(b []byte) bool {
	p := plain{s: string(b), ok: true}
	v := ChangeRequest{OpID: p.text(`{"op_id":`), Session: lease.SessionID(p.text(`,"session":`)), Reason: Reason(p.text(`,"reason":`))}
	v.Detail = p.optional(`,"detail":`)
	p.after(`,"edges":[`)
	for more := true; more && p.ok; more = p.has(`,`) {
		v.Edges = append(v.Edges, p.edgeChange())
	}
	p.after(`]}`)
	if !p.ok || p.s != "" {
		return false
	}
	*r = v
	return true
}

func (p *plain) edgeChange() (e EdgeChange) {
	e.Name = p.text(`{"name":`)
	e.Expect = Revision(p.number(`,"expect":`))
	e.TakeProducer = p.has(`,"take_producer":true`)
	e.TakeConsumer = p.has(`,"take_consumer":true`)
	e.Codec = p.optional(`,"codec":`)
	if p.has(`,"capacity":`) {
		e.Capacity = p.number("")
	}
	if p.has(`,"avoid_nodes":[`) {
		for more := true; more && p.ok; more = p.has(`,`) {
			e.AvoidNodes = append(e.AvoidNodes, locator.NodeID(p.text("")))
		}
		p.after(`]`)
	}
	e.ProducerStage = p.optional(`,"producer_stage":`)
	e.ConsumerStage = p.optional(`,"consumer_stage":`)
	p.after(`}`)
	return e
}

// writer appends text that package json would write as it is. Once it would not, ok is false and b is nothing.
type writer struct {
	b  []byte
	ok bool
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

func (w *writer) text(name, s string) {
	for i := range len(s) {
		c := s[i]
		w.ok = w.ok && c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	w.b = append(append(append(append(w.b, name...), '"'), s...), '"')
}

// optional leaves out what is empty.
func (w *writer) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *writer) number(name string, n uint64) { w.b = strconv.AppendUint(append(w.b, name...), n, 10) }

func (w *writer) edge(e *Edge) bool {
	w.text(`{"name":`, e.Name)
	w.text(`,"stage":`, e.Stage)
	w.number(`,"generation":`, uint64(e.Generation))
	w.raw(`,"locator":`)
	w.keep(e.Locator.AppendJSON(w.b))
	w.side(`,"producer":{`, e.Producer)
	w.side(`,"consumer":{`, e.Consumer)
	if e.Spare != nil {
		w.spare(e.Spare)
	}
	w.optional(`,"codec":`, e.Codec)
	w.number(`,"capacity":`, e.Capacity)
	w.number(`,"revision":`, uint64(e.Revision))
	w.raw(`,"changed":"`)
	w.keep(e.Changed.AppendText(w.b))
	w.text(`","reason":`, string(e.Reason))
	if e.Deleted {
		w.raw(`,"deleted":true`)
	}
	w.raw(`}`)
	return w.ok
}

func (w *writer) keep(b []byte, err error) {
	w.b, w.ok = b, w.ok && err == nil
}

func (w *writer) side(name string, s Side) {
	w.raw(name)
	comma := ""
	for _, f := range [...]struct{ name, value string }{
		{`"stage":`, s.Stage}, {`"session":`, string(s.Session)}, {`"node":`, string(s.Node)},
	} {
		if f.value != "" {
			w.raw(comma)
			w.text(f.name, f.value)
			comma = ","
		}
	}
	w.raw(comma)
	w.number(`"epoch":`, uint64(s.Epoch))
	w.raw(`}`)
}

func (w *writer) spare(s *Spare) {
	w.number(`,"spare":{"generation":`, uint64(s.Generation))
	w.raw(`,"locator":`)
	w.keep(s.Locator.AppendJSON(w.b))
	w.number(`,"producer":`, uint64(s.Producer))
	w.number(`,"consumer":`, uint64(s.Consumer))
	if s.Planned {
		w.raw(`,"planned":true`)
	}
	w.raw(`}`)
}

func (w *writer) changeResponse(r *ChangeResponse) bool {
	w.number(`{"revision":`, uint64(r.Revision))
	w.raw(`,"edges":[`)
	for i := range r.Edges {
		if i > 0 {
			w.raw(`,`)
		}
		w.edge(&r.Edges[i])
	}
	w.raw(`]}`)
	return w.ok && r.Edges != nil // which is null
}

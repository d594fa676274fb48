package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Records are what clients read most, and package json takes longer to read one than a node to answer it. So the form in which
// nodes write them has a way of its own: the same fields in the same order, no spaces, no text with an escape. All else goes
// through package json, which also says what is wrong with it.

// UnmarshalJSON reads an edge.
func (e *Edge) UnmarshalJSON(b []byte) error {
	if p := (plain{s: string(b), ok: true}); p.edge(e) && p.s == "" {
		return nil
	}
	type slow Edge // without this method
	var v slow
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*e = Edge(v)
	return nil
}

// UnmarshalJSON reads an answer to a change.
func (r *ChangeResponse) UnmarshalJSON(b []byte) error {
	if p := (plain{s: string(b), ok: true}); p.changeResponse(r) && p.s == "" {
		return nil
	}
	type slow ChangeResponse
	var v slow
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*r = ChangeResponse(v)
	return nil
}

// plain reads text of which it knows what comes next. Once that was something else ok is false, and what it returns is nothing.
type plain struct {
	s  string // what is left
	ok bool
}

// has takes the next text if it is this one.
func (p *plain) has(next string) bool {
	s, ok := strings.CutPrefix(p.s, next)
	p.s = s
	return ok
}

// after takes the next text, which must be this one.
func (p *plain) after(next string) { p.ok = p.has(next) && p.ok }

// rest is the rest of a string whose opening quote is taken.
func (p *plain) rest() (v string) {
	n := 0
	for n < len(p.s) && p.s[n] >= ' ' && p.s[n] <= '~' && p.s[n] != '"' && p.s[n] != '\\' {
		n++
	}
	v, p.s = p.s[:n], p.s[n:]
	p.after(`"`)
	return v
}

func (p *plain) text(name string) string {
	p.after(name)
	p.after(`"`)
	return p.rest()
}

// optional is text that is left out if it is empty.
func (p *plain) optional(name string) string {
	if !p.has(name) {
		return ""
	}
	p.after(`"`)
	return p.rest()
}

func (p *plain) number(name string) uint64 {
	p.after(name)
	n := 0
	for n < len(p.s) && p.s[n] >= '0' && p.s[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(p.s[:n], 10, 64)
	p.ok = p.ok && err == nil && (p.s[0] != '0' || n == 1)
	p.s = p.s[n:]
	return v
}

func (p *plain) edge(e *Edge) bool {
	var v Edge
	v.Name = p.text(`{"name":`)
	v.Stage = p.text(`,"stage":`)
	v.Generation = fence.Epoch(p.number(`,"generation":`))
	p.locator(`,"locator":`, &v.Locator)
	v.Producer = p.side(`,"producer":`)
	v.Consumer = p.side(`,"consumer":`)
	v.Spare = p.spare()
	v.Codec = p.optional(`,"codec":`)
	v.Capacity = p.number(`,"capacity":`)
	v.Revision = Revision(p.number(`,"revision":`))
	p.time(`,"changed":`, &v.Changed)
	v.Reason = Reason(p.text(`,"reason":`))
	v.Deleted = p.has(`,"deleted":true`)
	p.after(`}`)
	*e = v
	return p.ok
}

// locator takes a locator, which has no brackets inside its own.
func (p *plain) locator(name string, l *locator.Locator) {
	p.after(name)
	end := strings.IndexByte(p.s, '}') + 1
	p.ok = p.ok && l.UnmarshalJSON([]byte(p.s[:end])) == nil
	p.s = p.s[end:]
}

func (p *plain) time(name string, t *time.Time) {
	p.ok = t.UnmarshalText([]byte(p.text(name))) == nil && p.ok
}

func (p *plain) side(name string) (s Side) {
	p.after(name)
	// Each field that may be left out ends with the comma before the next, which the epoch always is.
	p.after(`{`)
	field := func(name string) (v string) {
		if p.has(name) {
			v = p.rest()
			p.after(`,`)
		}
		return v
	}
	s.Stage, s.Session, s.Node = field(`"stage":"`), lease.SessionID(field(`"session":"`)), locator.NodeID(field(`"node":"`))
	s.Epoch = fence.Epoch(p.number(`"epoch":`))
	p.after(`}`)
	return s
}

// spare takes a spare, if one comes.
func (p *plain) spare() *Spare {
	if !p.has(`,"spare":{`) {
		return nil
	}
	s := &Spare{Generation: fence.Epoch(p.number(`"generation":`))}
	p.locator(`,"locator":`, &s.Locator)
	s.Producer = fence.Epoch(p.number(`,"producer":`))
	s.Consumer = fence.Epoch(p.number(`,"consumer":`))
	s.Planned = p.has(`,"planned":true`)
	p.after(`}`)
	return s
}

func (p *plain) changeResponse(r *ChangeResponse) bool {
	v := ChangeResponse{Revision: Revision(p.number(`{"revision":`))}
	p.after(`,"edges":[`)
	for more := true; more && p.ok; more = p.has(`,`) {
		var e Edge
		p.edge(&e)
		v.Edges = append(v.Edges, e)
	}
	p.after(`]}`)
	*r = v
	return p.ok
}

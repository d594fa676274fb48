// Package refusals keeps a log readable, and short, whatever strangers do at the door: who is refused can come again at once, and would fill the log, and
// the part of it that is kept for operators, with one line for each time.
//
// A warning with the field Peer tells of such a refusal. Of each message about each peer one is written in a minute, with how many were left out since
// the last; all are counted. Package node puts a Handler before its log.
package refusals

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Peer is the field that says who was refused: something of which he does not have as many as he likes, such as his address without the port.
const Peer = "peer"

const (
	every = time.Minute
	// pairsMax bounds the messages and peers that are told apart; the other peers share a line of each message.
	pairsMax = 256
)

// Handler is a slog.Handler.
type Handler struct {
	next slog.Handler
	peer string // from WithAttrs
	*gate
}

// gate is what a Handler shares with those that were made from it.
type gate struct {
	mu    sync.Mutex
	count uint64
	lines map[pair]line
}

type pair struct{ message, peer string }

type line struct {
	said time.Time
	left int // out, since then
}

// New returns a Handler that hands on to next.
func New(next slog.Handler) *Handler {
	return &Handler{next: next, gate: &gate{lines: map[pair]line{}}}
}

// Count returns how many refusals there were.
func (g *gate) Count() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// pass reports whether a line is to be written, and how many were left out before it.
func (g *gate) pass(of pair, now time.Time) (left int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	if _, known := g.lines[of]; !known && len(g.lines) >= pairsMax && !g.forget(now) {
		of.peer = ""
	}
	l, known := g.lines[of]
	if known && now.Sub(l.said) < every {
		l.left++
		g.lines[of] = l
		return 0, false
	}
	g.lines[of] = line{said: now}
	return l.left, true
}

// forget makes room, if it can, of those that may be told of anew.
func (g *gate) forget(now time.Time) bool {
	for of, l := range g.lines {
		if now.Sub(l.said) >= every {
			delete(g.lines, of)
		}
	}
	return len(g.lines) < pairsMax
}

// Enabled asks the next.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle hands r on, unless it is about a refusal and as much was said lately.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	peer := h.peer
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == Peer {
			peer = a.Value.String()
		}
		return true
	})
	if peer == "" || r.Level < slog.LevelWarn {
		return h.next.Handle(ctx, r)
	}
	left, ok := h.pass(pair{r.Message, peer}, r.Time)
	if !ok {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", left))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs returns a Handler of the same refusals.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == Peer {
			with.peer = a.Value.String()
		}
	}
	return &with
}

// WithGroup returns a Handler of the same refusals.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	with.next = h.next.WithGroup(name)
	return &with
}

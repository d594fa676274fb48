package leasebroker

import (
	"time"

	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/lease"
)

// Renew takes in a renewal that came at the instant at. It is answered in this or a later step, once: after a quorum round
// that begins now or later has confirmed that this node leads. All renewals that come while a round is running share the next.
func (k *Keeper) Renew(t Ticket, keys []Key, at lease.Instant) Effects {
	var out Effects
	r := renewal{t, keys, at}
	if k.term == 0 {
		refuse([]renewal{r}, &out)
		return out
	}
	for _, key := range keys {
		if e := k.entries[key]; e != nil && !e.expiring {
			k.note(e, e.dueBy(at))
		}
	}
	// Here too, so that a machine that was stopped enforces before it renews: what is overdue is expired now, asked for or not.
	k.tick(at, &out)
	if planted.EarlyAck {
		k.settle(r, &out)
		return out
	}
	k.waiting = append(k.waiting, r)
	k.beginRound(&out)
	return out
}

func (k *Keeper) beginRound(out *Effects) {
	if k.round != 0 || len(k.waiting) == 0 {
		return
	}
	k.number++
	k.round, out.Round = k.number, k.number
	k.riding, k.waiting = k.waiting, nil
}

// QuorumRound reports that the round of that number has ended: ok if this node was the leader of Leading() at some instant
// after the round began, and has applied all that was committed before.
func (k *Keeper) QuorumRound(number uint64, ok bool, at lease.Instant) Effects {
	var out Effects
	if number != k.round || k.round == 0 {
		return out // of an earlier leadership
	}
	done := k.riding
	k.round, k.riding = 0, nil
	k.beginRound(&out)
	if !ok {
		refuse(done, &out)
		return out
	}
	k.tick(at, &out)
	for _, r := range done {
		k.settle(r, &out)
	}
	return out
}

// settle answers a confirmed renewal, or parks it until the allowance under way is in the log if without that too little
// could be acknowledged: after a grant, a change of leader, or a holder's long silence.
func (k *Keeper) settle(r renewal, out *Effects) {
	if k.allowance.number != 0 {
		for _, key := range r.keys {
			if e := k.entries[key]; e != nil && e.short(r.asked) && (e.allowing || e.due != 0) {
				k.parked = append(k.parked, r)
				return
			}
		}
	}
	k.answer(r, out)
}

func (k *Keeper) answer(r renewal, out *Effects) {
	granted := make(map[Key]time.Duration, len(r.keys))
	for _, key := range r.keys {
		e := k.entries[key]
		if e == nil {
			continue
		}
		if d := e.grantable(r.asked); d > 0 {
			e.deadline = max(e.deadline, r.asked.Add(d))
			granted[key] = d - d/driftShare
		}
	}
	out.Answers = append(out.Answers, Answer{Ticket: r.ticket, Granted: granted})
}

package edge

import (
	"context"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// What each side says in a spare and listens to there, before it is the ring.

func (p *sender) attach(ctx context.Context, rec api.Edge) (fabric.Producer, error) {
	return p.cl.AttachProducer(ctx, rec)
}

// greet: a producer need not be seen in a spare.
func (p *sender) greet(fabric.Producer) error { return nil }

// look sees the consumer by its stable note. What that says comes again with the resume note, which is for listen: but until it has been read
// once, no Wait lasts.
func (p *sender) look(r fabric.Producer) (news []handoff.What, err error) {
	_, there, err := r.Stable()
	if err == nil {
		_, _, err = r.Resume()
	}
	if err != nil {
		return nil, err
	}
	if there {
		news = append(news, handoff.Met)
	}
	wanted, err := r.MoveWanted()
	if wanted {
		news = append(news, handoff.MoveWanted)
	}
	return news, err
}

func (p *sender) say(r fabric.Producer, _ handoff.Do) error { return r.Activate() }

func (c *receiver) attach(ctx context.Context, rec api.Edge) (fabric.Consumer, error) {
	return c.cl.AttachConsumer(ctx, rec)
}

// greet shows the producer that the consumer is there.
func (c *receiver) greet(r fabric.Consumer) error {
	c.mu.Lock()
	stable := c.r.Stable()
	c.mu.Unlock()
	return r.Ack(0, stable.Append([]byte{}))
}

func (c *receiver) look(r fabric.Consumer) (news []handoff.What, err error) {
	active, err := r.Active()
	if active {
		news = append(news, handoff.Activated)
	}
	return news, err
}

// say: with its wish, this side says where to go on. It has left its ring for ever, so that stays true until the producer moves, which then need
// not wait for it.
func (c *receiver) say(r fabric.Consumer, _ handoff.Do) error {
	c.mu.Lock()
	err := c.resume(r, c.r.Accepted())
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return r.WantMove()
}

// resume writes the resume note, unless it is there. Called with mu held.
func (c *receiver) resume(r fabric.Consumer, from position.Vector) error {
	if c.resumed == r.Generation() {
		return nil
	}
	c.resumed = r.Generation()
	return r.SetResume(from.Append([]byte{}))
}

package client

import (
	"context"
	"fmt"
	"os"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// handBacker is a side in shared memory as its node's restart sees it.
type handBacker interface {
	BindPeer(part *os.File) error
	HandBack() (shm.Parts, error)
}

// ring is a side in shared memory that is mapped in this process.
type ring struct {
	name api.HandBack
	side handBacker // nil until the other side is mapped too: there is nothing to hand back before
}

// handBackAll gives a restarted node the memory of the rings that lie on it and are mapped here. A ring that the node does
// not take is sealed by it, or ends at its deadline; either way its edge gets another.
func (c *Client) handBackAll(s *session, l *line) {
	for _, r := range s.bound() {
		if err := c.handBack(s, l, r); err != nil {
			c.log.Warn("ring not taken back by its node", "edge", r.name.Edge, "generation", r.name.Generation, "err", err)
			continue
		}
		c.log.Info("ring handed back", "edge", r.name.Edge, "generation", r.name.Generation)
	}
}

func (c *Client) handBack(s *session, l *line, r *ring) error {
	parts, err := r.side.HandBack()
	if err != nil {
		return err // closed meanwhile
	}
	defer parts.Close()
	ctx, cancel := context.WithTimeoutCause(c.ctx, lease.RenewEvery(s.ttl), errSlow)
	defer cancel()
	name := r.name
	answer, err := l.call(ctx, api.SessionMessage{HandBack: &name}, parts.List()...)
	if err != nil {
		return err
	}
	if answer.message.OK == nil {
		closeFiles(answer.files)
		return fmt.Errorf("client: own node's answer to a hand-back is something else: %w", api.ErrUnavailable)
	}
	return nil
}

func closeFiles(files []*os.File) { fdconn.CloseFiles(files) }

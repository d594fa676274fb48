package shm

import (
	"fmt"
	"os"

	"github.com/grafnode/grafnode/fabric"
)

// Adopt takes an arena over that a previous process of this node made, from what one of its holders handed back. It
// verifies that the memory is of the ring that c describes (its deadline does not count: the one in the memory goes on),
// that the parts belong together, and that both sides were mapped and sealed. A ring that is over is refused with its
// reason, and an expired one is sealed. Both roles count as taken. Adopt owns p, also when it fails.
//
// Adopt cannot know that this is the only memory under that name. The second holder's goes to Recognize.
func Adopt(c fabric.Config, p Parts) (*Arena, error) {
	a, err := adopt(c, p)
	if err != nil {
		return nil, fmt.Errorf("adopt arena %s of edge %s, generation %d: %w", c.Arena, c.Edge, c.Generation, err)
	}
	return a, nil
}

func adopt(c fabric.Config, p Parts) (*Arena, error) {
	if err := verify(c, &p); err != nil {
		p.Close()
		return nil, err
	}
	a, err := newArena(c, p)
	if err != nil {
		return nil, err
	}
	if err := a.owner.Over(); err != nil {
		a.Seal(err)
		a.Close()
		return nil, err
	}
	for _, side := range a.sides {
		side.taken = true
		close(side.mapped)
	}
	return a, nil
}

// verify checks all of p against c, and replaces the node's part, which a holder has read-only, by one open for writing.
func verify(c fabric.Config, p *Parts) error {
	if err := c.Validate(); err != nil {
		return err
	}
	for _, event := range []*os.File{p.WakeProducer, p.WakeConsumer} {
		if err := checkEvent(event); err != nil {
			return err
		}
	}
	h, m, err := openNode(p.Node, c, readOnly)
	if err != nil {
		return err
	}
	m.unmap()
	if err := h.check(*p); err != nil {
		return err
	}
	node, err := reopen(p.Node, os.O_RDWR)
	if err != nil {
		return err
	}
	p.Node.Close()
	p.Node = node
	return nil
}

// check verifies that the sides' parts are the ones that h names, and that both were sealed by their holders.
func (h header) check(p Parts) error {
	for _, part := range []struct {
		role fabric.Role
		file *os.File
		size int
	}{
		{fabric.RoleProducer, p.Producer, producerBytes(h.config.Capacity)},
		{fabric.RoleConsumer, p.Consumer, consumerBytes()},
	} {
		inode, err := checkPart(part.file, part.size, writerSeals)
		if err == nil {
			err = checkInode(inode, h.inode(part.role))
		}
		if err != nil {
			return fmt.Errorf("%s's part: %w", part.role, err)
		}
	}
	return nil
}

// Recognize reports whether p is the memory of this arena and not merely something that looks like it. The descriptors
// stay the caller's.
func (a *Arena) Recognize(p Parts) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.reasonLocked(); err != nil {
		return err
	}
	inode, err := checkPart(p.Node, nodeBytes(), nodeSeals)
	if err != nil {
		return fmt.Errorf("node's part: %w", err)
	}
	own, err := checkPart(a.parts.Node, nodeBytes(), nodeSeals)
	if err != nil {
		return fmt.Errorf("node's part: %w", err)
	}
	if err := checkInode(inode, own); err != nil {
		return fmt.Errorf("node's part: %w", err)
	}
	return a.header.check(p)
}

package shm

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
	"github.com/grafnode/grafnode/fabric/internal/step"
)

// held is what a side holds of its arena: descriptors and mappings. It has no part in the traffic.
type held struct {
	role   fabric.Role
	header header
	files  Files // Node and Own; the events are in wake and bell
	node   mapping
	own    mapping
	wake   *sleeper
	bell   bell

	mu       sync.Mutex // of all below
	peerFile *os.File
	peer     mapping
	released bool
}

// hold opens a side on what it was granted. It owns f, also when it fails.
func hold(want fabric.Config, role fabric.Role, f Files) (*held, error) {
	h := &held{role: role, files: Files{Node: f.Node, Own: f.Own}, bell: noBell}
	err := h.open(want, f)
	closeAll([]*os.File{f.Wake, f.WakePeer}) // wake and bell have descriptors of their own
	if err != nil {
		h.release()
		return nil, fmt.Errorf("edge %s, generation %d, %s: %w", want.Edge, want.Generation, role, err)
	}
	return h, nil
}

// open maps the node's part and the side's own, seals the latter, and opens the events.
func (h *held) open(want fabric.Config, f Files) (err error) {
	if h.header, h.node, err = openNode(f.Node, want, readOnly); err != nil {
		return err
	}
	inode, err := checkPart(f.Own, h.bytes(h.role), sizeSeals)
	if err == nil {
		err = checkInode(inode, h.header.inode(h.role))
	}
	if err != nil {
		return fmt.Errorf("own part: %w", err)
	}
	if h.own, err = h.mapPart(f.Own, h.role, readWrite); err != nil {
		return err
	}
	step.At("attach/mapped")
	// From here on this mapping is the only one that can write, and nobody can get another.
	if err := addSeals(f.Own, writerSeals|unix.F_SEAL_SEAL); err != nil {
		return fmt.Errorf("own part: %w", err)
	}
	step.At("attach/sealed")
	if h.wake, err = newSleeper(f.Wake, &h.node.control().Bell); err != nil {
		return err
	}
	if h.bell, err = newBell(f.WakePeer); err == nil {
		h.bell.futex = h.own.bell(h.role)
	}
	return err
}

// openNode maps the node's part and checks that it is of the ring that want describes.
func openNode(f *os.File, want fabric.Config, prot int) (header, mapping, error) {
	if _, err := checkPart(f, nodeBytes(), nodeSeals); err != nil {
		return header{}, mapping{}, fmt.Errorf("node's part: %w", err)
	}
	m, err := mapBytes(f, nodeBytes(), prot)
	if err != nil {
		return header{}, mapping{}, err
	}
	h, err := decodeHeader(append([]byte(nil), m.header()...))
	if err == nil {
		err = h.matches(want)
	}
	if err != nil {
		m.unmap()
		return header{}, mapping{}, fmt.Errorf("node's part: %w", err)
	}
	return h, m, nil
}

func (h *held) bytes(role fabric.Role) int {
	if role == fabric.RoleProducer {
		return producerBytes(h.header.config.Capacity)
	}
	return consumerBytes()
}

func (h header) inode(role fabric.Role) uint64 {
	if role == fabric.RoleProducer {
		return h.producer
	}
	return h.consumer
}

func (h *held) mapPart(f *os.File, role fabric.Role, prot int) (mapping, error) {
	if role == fabric.RoleProducer {
		return mapRing(f, h.header.config.Capacity, prot)
	}
	return mapBytes(f, consumerBytes(), prot)
}

func (h *held) setup(want fabric.Config) ring.Setup {
	return ring.Setup{Config: want, Control: h.node.control(), Own: h.wake, Peer: h.bell, Release: h.release}
}

// bindPeer checks and maps the other side's part, and calls bind with it. It owns f, also when it fails.
func (h *held) bindPeer(f *os.File, bind func(mapping)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := fabric.ErrClosed
	if !h.released {
		if err = h.mapPeer(f); err == nil {
			bind(h.peer)
			return nil
		}
	}
	if f != nil {
		f.Close()
	}
	return fmt.Errorf("edge %s, generation %d, peer of the %s: %w", h.header.config.Edge, h.header.config.Generation, h.role, err)
}

func (h *held) mapPeer(f *os.File) error {
	if h.peerFile != nil {
		return fmt.Errorf("bound already: %w", fabric.ErrTaken)
	}
	peer := other(h.role)
	inode, err := checkPart(f, h.bytes(peer), writerSeals)
	if err != nil {
		return err
	}
	if err := checkInode(inode, h.header.inode(peer)); err != nil {
		return err
	}
	if h.peer, err = h.mapPart(f, peer, readOnly); err != nil {
		return err
	}
	step.At("attach/peer")
	h.peerFile = f
	h.wake.peer.Store(h.peer.bell(peer))
	return nil
}

// handBack returns copies of the arena's descriptors.
func (h *held) handBack() (Parts, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.released:
		return Parts{}, fabric.ErrClosed
	case h.peerFile == nil:
		return Parts{}, fmt.Errorf("shm: the %s has no peer yet: nothing to hand back", h.role)
	}
	var c copier
	p := Parts{
		Node:         c.file(h.files.Node),
		Producer:     c.file(h.files.Own),
		Consumer:     c.file(h.peerFile),
		WakeProducer: c.file(h.wake.file),
		WakeConsumer: c.fd(h.bell.fd),
	}
	if h.role == fabric.RoleConsumer {
		p.Producer, p.Consumer = p.Consumer, p.Producer
		p.WakeProducer, p.WakeConsumer = p.WakeConsumer, p.WakeProducer
	}
	if c.err != nil {
		p.Close()
		return Parts{}, c.err
	}
	return p, nil
}

// release gives everything back, once nobody uses it.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released = true
	h.peer.unmap()
	h.own.unmap()
	h.node.unmap()
	if h.wake != nil {
		h.wake.close()
	}
	h.bell.close()
	closeAll([]*os.File{h.files.Node, h.files.Own, h.peerFile})
}

type (
	ringProducer = ring.Producer
	ringConsumer = ring.Consumer
)

// Producer is the writing side, mapped into this process. It implements fabric.Producer.
type Producer struct {
	*ringProducer
	held *held
}

// OpenProducer opens the producer's side of the ring that want describes (its deadline does not count) on what Arena.Grant
// returned. It owns f, also when it fails.
func OpenProducer(want fabric.Config, f Files) (*Producer, error) {
	h, err := hold(want, fabric.RoleProducer, f)
	if err != nil {
		return nil, err
	}
	return &Producer{ring.NewProducer(h.setup(want), h.own.producer(), h.own.data()), h}, nil
}

// BindPeer gives the producer the consumer's part, as Arena.PeerFile returned it. It owns f, also when it fails. Safe beside
// any other call; once only.
func (p *Producer) BindPeer(f *os.File) error {
	return p.held.bindPeer(f, func(m mapping) { ring.BindProducer(p.ringProducer, m.consumer()) })
}

// HandBack returns descriptors of the whole arena, for Adopt in the node's next process. They are copies, the caller's to
// close; this side goes on as before. It fails before BindPeer.
func (p *Producer) HandBack() (Parts, error) { return p.held.handBack() }

// Consumer is the reading side, mapped into this process. It implements fabric.Consumer.
type Consumer struct {
	*ringConsumer
	held *held
}

// OpenConsumer is OpenProducer for the consumer's side.
func OpenConsumer(want fabric.Config, f Files) (*Consumer, error) {
	h, err := hold(want, fabric.RoleConsumer, f)
	if err != nil {
		return nil, err
	}
	return &Consumer{ring.NewConsumer(h.setup(want), h.own.consumer()), h}, nil
}

// BindPeer gives the consumer the producer's part. See Producer.BindPeer.
func (c *Consumer) BindPeer(f *os.File) error {
	return c.held.bindPeer(f, func(m mapping) { ring.BindConsumer(c.ringConsumer, m.producer(), m.data()) })
}

// HandBack is Producer.HandBack for the consumer.
func (c *Consumer) HandBack() (Parts, error) { return c.held.handBack() }

package shm

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafnode/grafnode/fabric"
)

// Grant takes a role and returns what its holder needs for OpenProducer or OpenConsumer. The descriptors are the caller's;
// it closes them once they are sent. fabric.ErrTaken if the role was granted before, the reason if the ring is over.
func (a *Arena) Grant(role fabric.Role) (Files, error) {
	if err := checkRole(role); err != nil {
		return Files{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.grantLocked(role)
}

func (a *Arena) grantLocked(role fabric.Role) (Files, error) {
	if a.sides[role].taken {
		return Files{}, a.describe(role, fabric.ErrTaken)
	}
	if err := a.reasonLocked(); err != nil {
		return Files{}, a.describe(role, err)
	}
	node, err := reopen(a.parts.Node, os.O_RDONLY)
	if err != nil {
		return Files{}, err
	}
	var c copier
	f := Files{Node: node}
	if role == fabric.RoleProducer {
		f.Own, f.Wake, f.WakePeer = c.file(a.parts.Producer), c.fd(a.bells.producer.fd), c.fd(a.bells.consumer.fd)
	} else {
		f.Own, f.Wake, f.WakePeer = c.file(a.parts.Consumer), c.fd(a.bells.consumer.fd), c.fd(a.bells.producer.fd)
	}
	if c.err != nil {
		f.Close()
		return Files{}, c.err
	}
	a.sides[role].taken = true
	return f, nil
}

// reasonLocked is reason, also for a closed arena.
func (a *Arena) reasonLocked() error {
	if a.closed {
		return fabric.ErrSealed
	}
	return a.owner.Over()
}

// Mapped notes that the role's holder has mapped its part, after verifying that nobody can get another writable mapping of
// it. Idempotent.
func (a *Arena) Mapped(role fabric.Role) error {
	if err := checkRole(role); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mappedLocked(role)
}

func (a *Arena) mappedLocked(role fabric.Role) error {
	side := a.sides[role]
	if side.isMapped() {
		return nil
	}
	if !side.taken {
		return a.describe(role, errors.New("mapped, but never granted"))
	}
	if err := a.reasonLocked(); err != nil {
		return a.describe(role, err)
	}
	if _, err := checkPart(a.part(role), a.partBytes(role), writerSeals); err != nil {
		return a.describe(role, err)
	}
	close(side.mapped)
	if peer := a.sides[other(role)]; peer.bind != nil {
		return a.bindLocked(other(role), peer.bind)
	}
	return nil
}

func (a *Arena) part(role fabric.Role) *os.File {
	if role == fabric.RoleProducer {
		return a.parts.Producer
	}
	return a.parts.Consumer
}

func (a *Arena) partBytes(role fabric.Role) int {
	if role == fabric.RoleProducer {
		return producerBytes(a.config.Capacity)
	}
	return consumerBytes()
}

// PeerFile returns the part of the other side, read-only, for the role's holder to bind. The descriptor is the caller's.
// ErrNotMapped until Mapped has been called for both roles: for the role itself too, so that nobody sees its peer's memory
// who could still hand out a writable view of its own.
func (a *Arena) PeerFile(role fabric.Role) (*os.File, error) {
	if err := checkRole(role); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peerFileLocked(role)
}

func (a *Arena) peerFileLocked(role fabric.Role) (*os.File, error) {
	if err := a.reasonLocked(); err != nil {
		return nil, a.describe(role, err)
	}
	for _, r := range []fabric.Role{role, other(role)} {
		if !a.sides[r].isMapped() {
			return nil, a.describe(r, ErrNotMapped)
		}
	}
	return reopen(a.part(other(role)), os.O_RDONLY)
}

// Producer opens the producer's side in this process.
func (a *Arena) Producer() (fabric.Producer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := a.grantLocked(fabric.RoleProducer)
	if err != nil {
		return nil, err
	}
	p, err := OpenProducer(a.config, f)
	if err != nil {
		return nil, err
	}
	if err := a.attachLocked(fabric.RoleProducer, p.BindPeer); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Consumer opens the consumer's side in this process.
func (a *Arena) Consumer() (fabric.Consumer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := a.grantLocked(fabric.RoleConsumer)
	if err != nil {
		return nil, err
	}
	c, err := OpenConsumer(a.config, f)
	if err != nil {
		return nil, err
	}
	if err := a.attachLocked(fabric.RoleConsumer, c.BindPeer); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// attachLocked is what a side in this process does after opening: it is mapped, and binds its peer now or when that comes.
func (a *Arena) attachLocked(role fabric.Role, bind func(*os.File) error) error {
	if err := a.mappedLocked(role); err != nil {
		return err
	}
	if a.sides[other(role)].isMapped() {
		return a.bindLocked(role, bind)
	}
	a.sides[role].bind = bind
	return nil
}

func (a *Arena) bindLocked(role fabric.Role, bind func(*os.File) error) error {
	f, err := a.peerFileLocked(role)
	if err != nil {
		return err
	}
	a.sides[role].bind = nil
	if err := bind(f); err != nil && !errors.Is(err, fabric.ErrClosed) {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

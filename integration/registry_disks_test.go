package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/locator"
)

// failDisk fails the next write. The node must end for it, and never try again.
func (b *breaker) failDisk(ctx context.Context, m *member) error {
	if err := m.sick("fail"); err != nil {
		return err
	}
	ended := m.ended()
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for writes := true; writes; {
		_, _ = m.api.PutCheckpoint(limit, "probe", api.CheckpointRequest{Epoch: 1}) // something to write
		select {
		case <-ended:
			writes = false
		case <-limit.Done(): // it may be stopped, or cut off, and write nothing
			writes = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.Join(m.sick(""), m.revive())
}

// replace does what operators do to a host that is to be given back: its node is removed, and another comes at its address, with
// nothing. One that could not be removed, because of other faults, stays.
func (b *breaker) replace(ctx context.Context, m *member) error {
	b.replacing.Lock()
	defer b.replacing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	was, err := m.api.Status(ctx)
	if err == nil {
		err = m.api.RemoveServer(ctx, was.Node, true)
	}
	b.rec.Fault("removal of %v: %v", m, err)
	if err != nil {
		return nil
	}
	b.replaced = append(b.replaced, replacement{m, was.Node})
	m.crash()
	if err := m.wipe(); err != nil {
		return err
	}
	return m.revive()
}

// replacement is a node that was removed, and the member that has another in its place.
type replacement struct {
	m   *member
	was locator.NodeID
}

// wipe removes all that the node has. Its directory may be a disk, and stays.
func (m *member) wipe() error {
	entries, err := os.ReadDir(m.data)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(m.data, e.Name())))
	}
	return err
}

// confirm looks, once the cluster is healed, whether nodes that were removed are out and those in their places have a vote.
func (b *breaker) confirm(ctx context.Context) error {
	b.replacing.Lock()
	defer b.replacing.Unlock()
	for _, r := range b.replaced {
		now, err := r.m.api.Status(ctx)
		if err != nil {
			return err
		}
		group, err := r.m.api.Raft(ctx, api.Default)
		if err != nil {
			return err
		}
		if now.Node == r.was || slices.ContainsFunc(group.Servers, func(s api.RaftServer) bool { return s.ID == r.was }) {
			return fmt.Errorf("%v was removed, and node %s is still there", r.m, r.was)
		}
		b.count("nodes removed and others added")
	}
	b.replaced = nil
	return nil
}

// count notes that a fault has done what it is for.
func (b *breaker) count(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[what]++
}

// fillDisk leaves the node no room for a while. Whether it ends for it depends on what it has to write; it must never carry on as if
// it had been written.
func (b *breaker) fillDisk(ctx context.Context, s nemesis.Step, m *member) error {
	ballast := filepath.Join(m.data, "ballast")
	err := fill(ballast)
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, os.Remove(ballast), errors.New("the disk of "+m.name+" cannot be filled"))
	}
	ended := m.ended()
	pass(ctx, s.For)
	select {
	case <-ended:
		b.count("nodes ended by a full disk")
	default:
		b.count("full disks survived")
	}
	return errors.Join(os.Remove(ballast), m.revive())
}

// fill writes a file until there is no room, and returns the error.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); ; {
		n, err := f.Write(chunk)
		if err != nil && len(chunk) == 1 {
			return err
		}
		if err != nil || n < len(chunk) {
			chunk = chunk[:(len(chunk)+1)/2]
		}
	}
}

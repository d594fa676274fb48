package blocks

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// region is one open file. mu orders the writes, and every epoch's way to the disk before the writes made under it. A write's
// number goes to the disk with its bytes: either may be there without the other only if nobody was told that they are.
type region struct {
	id   lease.ID
	file *os.File

	mu     sync.RWMutex
	head   header
	broken error // set once and for good: a damaged header, or a write or fsync that failed
}

func createRegion(path string, id lease.ID, bytes uint64) (*region, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	r := &region{id: id, file: f, head: header{sequence: 1, bytes: bytes}}
	_, werr := f.WriteAt(r.head.encode(), slotAt(r.head.sequence))
	if err := errors.Join(werr, f.Truncate(dataAt+int64(bytes)), f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return r, nil
}

// openRegion takes a region over from an earlier run. One with a damaged header is returned too: it answers every request
// with what is wrong, instead of hiding that it was there.
func openRegion(path string, id lease.ID) (*region, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	r := &region{id: id, file: f}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := make([]byte, min(info.Size(), dataAt))
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.head, r.broken = decodeHeader(b, info.Size())
	return r, nil
}

func (r *region) check(offset, n uint64) error {
	if r.broken != nil {
		return fmt.Errorf("block region %s: %w", r.id, r.broken)
	}
	if offset > r.head.bytes || n > r.head.bytes-offset {
		return fmt.Errorf("block region %s: range %d+%d of %d bytes: %w", r.id, offset, n, r.head.bytes, api.ErrInvalid)
	}
	return nil
}

func (r *region) read(offset uint64, n int) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.check(offset, uint64(n)); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := r.file.ReadAt(b, dataAt+int64(offset)); err != nil {
		return nil, fmt.Errorf("block region %s: %w", r.id, err)
	}
	return b, nil
}

func (r *region) write(epoch fence.Epoch, number, offset uint64, b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(offset, uint64(len(b))); err != nil {
		return err
	}
	if err := r.admit(epoch); err != nil {
		return err
	}
	if number <= r.head.number {
		return fmt.Errorf("block region %s: write %d of epoch %d after write %d: %w", r.id, number, epoch, r.head.number, api.ErrConflict)
	}
	_, err := r.file.WriteAt(b, dataAt+int64(offset))
	return r.put(header{epoch: epoch, number: number}, err)
}

func (r *region) fence(epoch fence.Epoch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(0, 0); err != nil {
		return err
	}
	return r.admit(epoch)
}

// admit refuses a stale epoch, and makes a newer one durable before anything is written under it.
func (r *region) admit(epoch fence.Epoch) error {
	guard := fence.Guard{Current: r.head.epoch}
	if err := guard.Admit(epoch); err != nil {
		return fmt.Errorf("block region %s: %w", r.id, err)
	}
	if guard.Current == r.head.epoch {
		return nil
	}
	return r.put(header{epoch: epoch}, nil)
}

// put makes a header durable, with what was written before it; err is how that went. After a failed write or fsync nobody
// knows what the disk holds, and a second fsync would say that all is well: the region is broken until the node restarts
// and reads it again.
func (r *region) put(next header, err error) error {
	next.sequence, next.bytes = r.head.sequence+1, r.head.bytes
	if err == nil {
		_, err = r.file.WriteAt(next.encode(), slotAt(next.sequence))
	}
	if err == nil {
		err = r.file.Sync()
	}
	if err != nil {
		r.broken = fmt.Errorf("a write failed: %w", err)
		return fmt.Errorf("block region %s: %w", r.id, r.broken)
	}
	r.head = next
	return nil
}

func (r *region) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = fmt.Errorf("closed: %w", api.ErrUnavailable)
	}
	return r.file.Close()
}

package blocks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

const (
	// TransferMax bounds what one Read or Write moves, in bytes.
	TransferMax = 4 << 20

	suffix  = ".blk"
	partial = ".part"
)

// names keeps a lease ID from being a path.
var names = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Store is all the block regions of a node. All methods are safe for concurrent use.
type Store struct {
	dir string

	mu      sync.Mutex
	regions map[lease.ID]*region // nil once closed
}

// Open opens the store in dir, creating it if need be, and takes the regions there over. What a crash left half
// created is removed: no lease holder has ever been told of it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blocks: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("blocks: %w", err)
	}
	s := &Store{dir: dir, regions: map[lease.ID]*region{}}
	for _, entry := range entries {
		if err := s.adopt(entry.Name()); err != nil {
			return nil, errors.Join(fmt.Errorf("blocks: %w", err), s.Close())
		}
	}
	return s, nil
}

func (s *Store) adopt(name string) error {
	path := filepath.Join(s.dir, name)
	if strings.HasSuffix(name, partial) {
		return os.Remove(path)
	}
	id, ok := strings.CutSuffix(name, suffix)
	if !ok || !names.MatchString(id) {
		return nil // not ours: left alone
	}
	r, err := openRegion(path, lease.ID(id))
	if err != nil {
		return err
	}
	s.regions[lease.ID(id)] = r
	return nil
}

func (s *Store) path(id lease.ID) string { return filepath.Join(s.dir, string(id)+suffix) }

// Create makes a region of the given number of zero bytes, durably. A region that exists is left as it is.
func (s *Store) Create(id lease.ID, bytes uint64) error {
	if !names.MatchString(string(id)) {
		return fmt.Errorf("blocks: %q cannot name a region: %w", id, api.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.regions == nil {
		return fmt.Errorf("blocks: closed: %w", api.ErrUnavailable)
	}
	if s.regions[id] != nil {
		return nil
	}
	part := s.path(id) + partial
	r, err := createRegion(part, id, bytes)
	if err != nil {
		return fmt.Errorf("blocks: create %s: %w", id, err)
	}
	if err := errors.Join(os.Rename(part, s.path(id)), syncDir(s.dir)); err != nil {
		return errors.Join(fmt.Errorf("blocks: create %s: %w", id, err), r.close())
	}
	s.regions[id] = r
	return nil
}

// Read returns n bytes from offset. The slice belongs to the caller.
func (s *Store) Read(id lease.ID, offset uint64, n int) ([]byte, error) {
	if n < 0 || n > TransferMax {
		return nil, fmt.Errorf("blocks: read of %d bytes, at most %d: %w", n, TransferMax, api.ErrTooLarge)
	}
	r, err := s.region(id)
	if err != nil {
		return nil, err
	}
	return r.read(offset, n)
}

// Write writes b at offset under epoch and returns once both are on the disk. It refuses a stale epoch with fence.ErrFenced,
// and a number that is not above those of all writes before it under the same epoch, 1 at least, with api.ErrConflict: such
// a write was late, and must not land over a later one. It keeps nothing of b.
func (s *Store) Write(id lease.ID, epoch fence.Epoch, number, offset uint64, b []byte) error {
	if len(b) > TransferMax {
		return fmt.Errorf("blocks: write of %d bytes, at most %d: %w", len(b), TransferMax, api.ErrTooLarge)
	}
	r, err := s.region(id)
	if err != nil {
		return err
	}
	return r.write(epoch, number, offset, b)
}

// Fence raises the region's epoch, durably, or refuses with fence.ErrFenced.
func (s *Store) Fence(id lease.ID, epoch fence.Epoch) error {
	r, err := s.region(id)
	if err != nil {
		return err
	}
	return r.fence(epoch)
}

// Remove deletes a region. One that is not there is no error.
func (s *Store) Remove(id lease.ID) error {
	s.mu.Lock()
	r := s.regions[id]
	delete(s.regions, id)
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	err := errors.Join(r.close(), os.Remove(s.path(id)), syncDir(s.dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blocks: remove %s: %w", id, err)
	}
	return nil
}

// IDs returns the regions that are there, in no order.
func (s *Store) IDs() []lease.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]lease.ID, 0, len(s.regions))
	for id := range s.regions {
		ids = append(ids, id)
	}
	return ids
}

// Close closes the files; the regions stay. Idempotent.
func (s *Store) Close() error {
	s.mu.Lock()
	regions := s.regions
	s.regions = nil
	s.mu.Unlock()
	var errs []error
	for _, r := range regions {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

func (s *Store) region(id lease.ID) (*region, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.regions[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("block region %s: %w", id, api.ErrNotFound)
}

// syncDir makes a creation, rename or removal in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

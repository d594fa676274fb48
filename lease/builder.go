package lease

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"
)

// BlockBytes is the unit of block storage.
const BlockBytes = 4096

// Request asks the cluster for a lease.
type Request struct {
	// ID is the lease to be, if it is given: NewID's. The same request under the same ID is carried out once, however often it is
	// sent, so that an unknown outcome can be resolved. Empty: the cluster chooses one.
	ID    ID            `json:"id,omitempty"`
	Kind  Kind          `json:"kind"`
	Bytes uint64        `json:"bytes"`
	TTL   time.Duration `json:"ttl_ns"`
	Zone  string        `json:"zone,omitempty"` // required zone; empty: any
	Name  string        `json:"name,omitempty"` // block leases: the region's name, by which a successor finds it
}

// Acquirer places and grants leases. *client.Client is one.
type Acquirer interface {
	// AcquireLease blocks until the lease is granted, ctx ends, or the cluster refuses. Safe for concurrent use.
	AcquireLease(ctx context.Context, r Request) (Grant, error)
}

// MemoryBuilder builds a request for memory. Builders are values: each call returns a changed copy.
type MemoryBuilder struct{ r Request }

// Memory begins a request for memory of the default term.
func Memory() MemoryBuilder { return MemoryBuilder{Request{Kind: KindMemory, TTL: TTLDefault}} }

// MinBytes asks for at least n bytes; the grant says how many it is.
func (b MemoryBuilder) MinBytes(n uint64) MemoryBuilder { b.r.Bytes = n; return b }

// TTL sets the term.
func (b MemoryBuilder) TTL(d time.Duration) MemoryBuilder { b.r.TTL = d; return b }

// Zone requires the memory to lie in zone.
func (b MemoryBuilder) Zone(zone string) MemoryBuilder { b.r.Zone = zone; return b }

// Acquire sends the request. See Acquirer.
func (b MemoryBuilder) Acquire(ctx context.Context, a Acquirer) (Grant, error) {
	return acquire(ctx, a, b.r)
}

// BlockBuilder builds a request for block storage.
type BlockBuilder struct{ r Request }

// Block begins a request for block storage of the default term.
func Block() BlockBuilder { return BlockBuilder{Request{Kind: KindBlock, TTL: TTLDefault}} }

// MinBlocks asks for at least n blocks of BlockBytes.
func (b BlockBuilder) MinBlocks(n uint64) BlockBuilder {
	b.r.Bytes = min(n, math.MaxUint64/BlockBytes) * BlockBytes
	return b
}

// TTL sets the term.
func (b BlockBuilder) TTL(d time.Duration) BlockBuilder { b.r.TTL = d; return b }

// Zone requires the storage to lie in zone.
func (b BlockBuilder) Zone(zone string) BlockBuilder { b.r.Zone = zone; return b }

// Name gives the region a name. Acquiring a name that is already leased returns the same region, so that a stage's
// successor finds its predecessor's checkpoint.
func (b BlockBuilder) Name(name string) BlockBuilder { b.r.Name = name; return b }

// Acquire sends the request. See Acquirer.
func (b BlockBuilder) Acquire(ctx context.Context, a Acquirer) (Grant, error) {
	return acquire(ctx, a, b.r)
}

func acquire(ctx context.Context, a Acquirer, r Request) (Grant, error) {
	if err := r.Validate(); err != nil {
		return Grant{}, err
	}
	return a.AcquireLease(ctx, r)
}

// Validate reports what is wrong with a request.
func (r Request) Validate() error {
	if r.Kind != KindMemory && r.Kind != KindBlock {
		return fmt.Errorf("lease: unknown kind %q", r.Kind)
	}
	if r.Bytes == 0 {
		return errors.New("lease: no size asked for")
	}
	if r.Bytes > math.MaxInt64 {
		return fmt.Errorf("lease: %d bytes are more than there can be", r.Bytes)
	}
	if r.ID != "" && !idForm.MatchString(string(r.ID)) {
		return fmt.Errorf("lease: ID %q is not one of NewID's", r.ID)
	}
	return CheckTTL(r.TTL)
}

// idForm is that of NewID. A region's lease is also a file's name.
var idForm = regexp.MustCompile(`^[a-z2-7]{26}$`)

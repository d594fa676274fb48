package durable

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// transferBytes is how much one read or write of a region moves at most; nodes limit that. It is also how many parts a slot
// has at most, which makes their numbers.
const transferBytes, partsMax = 1 << 20, 1 << 20

// Slots is a Store in a Region: two slots, written in turn, so that the one before stays whole while one is written. A slot
// that is torn or damaged is passed over for the other; if neither is good, that is an error that names both. A Put whose
// outcome is unknown ends its epoch: what it wrote may come until the next epoch has written.
type Slots struct {
	region    Region
	slotBytes int64
	group     *group

	// Guarded by the group's turn.
	epoch  fence.Epoch // that fenced last
	latest uint64      // sequence of the good slot
	broken error       // why nothing can be written under epoch any more
}

// NewSlots returns the Store in region, which belongs to it alone. Each slot has half of the region, in whole blocks.
func NewSlots(region Region) (*Slots, error) {
	half := region.Size() / 2 / lease.BlockBytes * lease.BlockBytes
	half = min(half, transferBytes*partsMax)
	if half == 0 {
		return nil, fmt.Errorf("durable: region of %d bytes, at least %d: %w", region.Size(), 2*lease.BlockBytes, api.ErrInvalid)
	}
	return &Slots{region: region, slotBytes: half, group: newGroup()}, nil
}

// BytesMax returns the size of the largest value, in bytes.
func (s *Slots) BytesMax() int { return int(s.slotBytes - slotHeaderBytes) }

// Fence implements Store.
func (s *Slots) Fence(ctx context.Context, epoch fence.Epoch) (value []byte, found bool, err error) {
	err = s.group.fence(ctx, epoch, func() error {
		if err := s.region.Fence(ctx, epoch); err != nil {
			return fmt.Errorf("durable: fence region: %w", err)
		}
		if epoch > s.epoch {
			s.epoch, s.broken = epoch, nil
		}
		if s.broken != nil {
			return s.broken
		}
		now, err := s.read(ctx)
		if err != nil {
			return err
		}
		if now.epoch > epoch {
			return fmt.Errorf("durable: epoch %d against %d in the slot: %w", epoch, now.epoch, fence.ErrFenced)
		}
		s.latest, value = now.sequence, now.value
		return nil
	})
	return value, value != nil && err == nil, err
}

// Put implements Store.
func (s *Slots) Put(ctx context.Context, epoch fence.Epoch, value []byte) error {
	if err := checkSize(len(value), s.BytesMax()); err != nil {
		return err
	}
	return s.group.put(ctx, epoch, value, s.write)
}

// read returns the newer good slot. A region that was never written is formatted first, so that from then on a torn first
// Put finds a good slot beside it.
func (s *Slots) read(ctx context.Context) (slot, error) {
	var slots [2]slot
	var errs [2]error
	for i := range slots {
		b := make([]byte, s.slotBytes)
		err := inParts(b, int64(i)*s.slotBytes, func(part []byte, offset int64) error {
			return s.region.ReadAt(ctx, part, offset)
		})
		if err != nil {
			return slot{}, fmt.Errorf("durable: read slot %d: %w", i, err)
		}
		slots[i], errs[i] = decodeSlot(i, b)
	}
	switch {
	case errs[0] == nil && (errs[1] != nil || slots[0].sequence > slots[1].sequence):
		return slots[0], nil
	case errs[1] == nil:
		return slots[1], nil
	case errors.Is(errs[0], errBlank) && errors.Is(errs[1], errBlank):
		return slot{}, s.writeSlot(ctx, formatMark, 0)
	}
	return slot{}, fmt.Errorf("durable: no good slot: slot 0: %w; slot 1: %w: %w", errs[0], errs[1], api.ErrCorrupt)
}

func (s *Slots) write(ctx context.Context, epoch fence.Epoch, value []byte) error {
	if s.broken != nil {
		return s.broken
	}
	next := slot{sequence: s.latest + 1, epoch: epoch, value: value}
	if err := s.writeSlot(ctx, next.encode(), next.sequence); err != nil {
		return err
	}
	s.latest = next.sequence
	return nil
}

// writeSlot writes a slot's bytes into its place. Each part has a number above those of all slots and parts before it, so that
// the region refuses one that comes late.
func (s *Slots) writeSlot(ctx context.Context, b []byte, sequence uint64) error {
	offset, number := int64(sequence%2)*s.slotBytes, sequence*partsMax
	err := inParts(b, offset, func(part []byte, offset int64) error {
		number++
		return s.region.WriteAt(ctx, s.epoch, number, part, offset)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fence.ErrFenced):
		return fmt.Errorf("durable: write slot at %d: %w", offset, err)
	}
	s.broken = fmt.Errorf("durable: write slot at %d: %w: %w; fence again under a higher epoch", offset, err, api.ErrUnknown)
	return s.broken
}

// inParts does b, which lies at offset, part by part.
func inParts(b []byte, offset int64, do func(part []byte, offset int64) error) error {
	for start := 0; start < len(b); start += transferBytes {
		part := b[start:min(start+transferBytes, len(b))]
		if err := do(part, offset+int64(start)); err != nil {
			return err
		}
	}
	return nil
}

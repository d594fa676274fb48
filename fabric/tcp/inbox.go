package tcp

import (
	"encoding/binary"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
)

// store is where received records go.
type store interface {
	// claim returns room for a record of n bytes, at most the ring's RecordMax.
	claim(n int) ([]byte, error)
	// commit makes what was claimed the next record.
	commit() error
}

// inbox takes the records out of frames and into a store, and refuses what does not follow on what came before.
type inbox struct {
	to        store
	recordMax int
	next      uint64 // number of the next record
	open      []byte // the record of which pieces have come, or nil
	filled    int    // how much of it
}

// take stores the records of f, a records or piece frame.
func (in *inbox) take(f frame) error {
	if f.number != in.next {
		return fmt.Errorf("%v frame begins at record %d, want %d: %w", f.kind, f.number, in.next, fabric.ErrCorrupt)
	}
	if f.kind == kindPiece {
		return in.piece(f.payload)
	}
	if in.open != nil {
		return fmt.Errorf("record %d breaks off after %d of %d bytes: %w", in.next, in.filled, len(in.open), fabric.ErrCorrupt)
	}
	return in.records(f.payload)
}

func (in *inbox) records(b []byte) error {
	for len(b) > 0 {
		if len(b) < prefixBytes {
			return fmt.Errorf("record %d: %d bytes where its length should be: %w", in.next, len(b), fabric.ErrCorrupt)
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[prefixBytes:]
		if uint64(n) > uint64(len(b)) {
			return fmt.Errorf("record %d: %d bytes, of which the frame has %d: %w", in.next, n, len(b), fabric.ErrCorrupt)
		}
		room, err := in.claim(n)
		if err != nil {
			return err
		}
		copy(room, b)
		if err := in.commit(); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (in *inbox) piece(b []byte) error {
	total, at := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	part := b[pieceHeadBytes:]
	if in.open == nil && at == 0 {
		room, err := in.claim(total)
		if err != nil {
			return err
		}
		in.open, in.filled = room, 0
	}
	if in.open == nil || uint64(total) != uint64(len(in.open)) || uint64(at) != uint64(in.filled) || len(part) > len(in.open)-in.filled {
		return fmt.Errorf("record %d: piece %d+%d of %d does not follow %d of %d: %w",
			in.next, at, len(part), total, in.filled, len(in.open), fabric.ErrCorrupt)
	}
	in.filled += copy(in.open[in.filled:], part)
	if in.filled < len(in.open) {
		return nil
	}
	in.open = nil
	return in.commit()
}

func (in *inbox) claim(n uint32) ([]byte, error) {
	if uint64(n) > uint64(in.recordMax) {
		return nil, fmt.Errorf("record %d: %d bytes, the ring takes %d: %w", in.next, n, in.recordMax, fabric.ErrCorrupt)
	}
	return in.to.claim(int(n))
}

func (in *inbox) commit() error {
	in.next++
	return in.to.commit()
}

package tcp

import (
	"io"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

// intake reads a connection for a link: what is long straight into its place, what is short many frames at a time. One goroutine.
//
// It begins with a small buffer, which is all that a connection holds while little comes. When that is filled at once, more is
// waiting, and the intake borrows a large one, of which there are so many in a process and no more: who gets none goes on
// with the small one. It gives it back when less comes.
type intake struct {
	from    io.Reader // maybe an aheadReader
	small   [intakeBytes]byte
	large   []byte // borrowed, or nil
	at, end int    // what has been read and not been taken, in the buffer that is in use
	long    bool   // what came last was long, and so is what comes next, most likely: set by the link
}

const (
	intakeBytes = 4 << 10
	largeBytes  = 64 << 10
	longBytes   = 16 << 10
	// aheadBytes is what a link wants to know before it can say where the rest goes: a frame's header, and a record's.
	aheadBytes = headerBytes + fabric.HeaderBytes
	// largeMax is how many large buffers are out at once: 32 MiB.
	largeMax = 512
)

// largeBuffers are those not in use. borrowed counts the others.
var (
	largeBuffers = make(chan []byte, 16)
	borrowed     atomic.Int64
)

func (in *intake) buffer() []byte {
	if in.large != nil {
		return in.large
	}
	return in.small[:]
}

// Read is io.Reader's.
func (in *intake) Read(b []byte) (int, error) {
	if in.at == in.end {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, in.buffer()[in.at:in.end])
	in.at += n
	return n, nil
}

// full fills b.
func (in *intake) full(b []byte) error {
	for len(b) > 0 {
		if in.at == in.end && (len(b) >= longBytes || in.long && len(b) >= intakeBytes) {
			n, err := in.ahead(b)
			if b = b[n:]; err != nil && len(b) > 0 {
				return err
			}
			continue
		}
		if in.at == in.end {
			if err := in.fill(); err != nil {
				return err
			}
		}
		n := copy(b, in.buffer()[in.at:in.end])
		in.at += n
		b = b[n:]
	}
	return nil
}

// aheadReader also reads, in the same call, what comes behind b into more, which is for that.
type aheadReader interface {
	read(b, more []byte) (int, error)
}

// ahead reads into b, and if that is filled the beginning of what comes next into the buffer, which is empty.
func (in *intake) ahead(b []byte) (int, error) {
	from, ok := in.from.(aheadReader)
	if !ok {
		return in.from.Read(b)
	}
	n, err := from.read(b, in.buffer()[:aheadBytes])
	in.at, in.end = 0, max(0, n-len(b))
	return n - in.end, err
}

// peek returns the next n bytes, no more than the small buffer holds, and leaves them there.
func (in *intake) peek(n int) ([]byte, error) {
	for in.end-in.at < n {
		if err := in.more(); err != nil {
			return nil, err
		}
	}
	return in.buffer()[in.at : in.at+n], nil
}

// fill reads what there is into the empty buffer.
func (in *intake) fill() error {
	in.choose()
	in.at, in.end = 0, 0
	return in.more()
}

// more reads what there is behind what the buffer holds.
func (in *intake) more() error {
	b := in.buffer()
	if in.at > 0 {
		in.end = copy(b, b[in.at:in.end])
		in.at = 0
	}
	if in.long {
		b = b[:max(in.end, intakeBytes)] // not what can be read into its place
	}
	n, err := in.from.Read(b[in.end:])
	if in.end += n; n > 0 {
		return nil
	}
	return err
}

// choose takes the buffer that fits what came last.
func (in *intake) choose() {
	switch filled := in.end == len(in.buffer()); {
	case in.large == nil && filled && !in.long:
		in.borrow()
	case in.large != nil && in.end < intakeBytes:
		in.giveBack()
	}
}

func (in *intake) borrow() {
	if borrowed.Add(1) > largeMax {
		borrowed.Add(-1)
		return
	}
	select {
	case in.large = <-largeBuffers:
	default:
		in.large = make([]byte, largeBytes)
	}
}

// giveBack returns the large buffer, if there is one, and what it holds is lost.
func (in *intake) giveBack() {
	if in.large == nil {
		return
	}
	select {
	case largeBuffers <- in.large:
	default:
	}
	in.large = nil
	borrowed.Add(-1)
}

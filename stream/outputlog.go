package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

// logWait is how long an output waits for others, to be logged with them.
const logWait = time.Millisecond

// outputLog is a stage's outputs that are durable before they are sent (rule 11), from when they are made until they are
// acknowledged. What it holds of an input stands for the input, which is acknowledged.
type outputLog struct {
	store durable.Store
	most  int         // bytes that store takes
	epoch fence.Epoch // under which it is fenced: the consumer's
	logged
	fresh  bool            // there is something that is not stored
	size   int             // of the encoding, at most
	unsent int             // index of the first output that this instance has not sent
	quiet  position.Vector // ends of inputs without outputs, to be marked
}

// logged is an outputLog as it is stored. As bytes, with numbers as unsigned varints:
//
//	size  field
//	1     version, 1
//	...   number of lanes, in their order, and for each
//	20      position up to which the outputs of inputs are here, or were acknowledged
//	...   number of outputs, and for each
//	20      position
//	...     size
//	...     the output, by its codec
type logged struct {
	upto position.Vector
	outs []loggedOutput
}

type loggedOutput struct {
	pos     position.Position
	payload []byte
}

const loggedVersion = 1

func (l logged) append(b []byte) []byte {
	b = append(b, loggedVersion)
	b = binary.AppendUvarint(b, uint64(l.upto.Len()))
	b = l.upto.Append(b)
	b = binary.AppendUvarint(b, uint64(len(l.outs)))
	for _, out := range l.outs {
		b = binary.AppendUvarint(out.pos.Append(b), uint64(len(out.payload)))
		b = append(b, out.payload...)
	}
	return b
}

// Most bytes that a log takes beside its outputs, and that an output takes beside its payload.
const (
	logOverhead    = 1 + 2*binary.MaxVarintLen64 + position.LanesMax*position.EncodedBytes
	outputOverhead = position.EncodedBytes + binary.MaxVarintLen64
)

// decodeLogged reads what append has made. Payloads alias b.
func decodeLogged(b []byte) (l logged, err error) {
	r := fields{b: b}
	if v := r.bytes(1); r.err == nil && v[0] != loggedVersion {
		r.fail("version %d, this program reads %d", v[0], loggedVersion)
	}
	lanes := r.number()
	if lanes > position.LanesMax {
		r.fail("%d lanes", lanes)
	}
	upto := r.bytes(lanes * position.EncodedBytes)
	if r.err == nil {
		if l.upto, err = position.DecodeVector(upto); err != nil {
			r.fail("%w", err)
		}
	}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		l.outs = append(l.outs, loggedOutput{pos: r.position(), payload: r.bytes(r.number())})
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return logged{}, fmt.Errorf("stored outputs: %w: %w", r.err, api.ErrCorrupt)
	}
	return l, nil
}

func newOutputLog(store durable.Store) *outputLog {
	l := &outputLog{store: store, most: durable.RegisterBytesMax, size: logOverhead}
	if sized, ok := store.(interface{ BytesMax() int }); ok {
		l.most = sized.BytesMax()
	}
	return l
}

// claim fences the store and only then reads what is to be sent again, and where to go on (rule 5).
func (l *outputLog) claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	l.epoch = epoch
	b, found, err := fenced(ctx, l.store, epoch)
	if err != nil || !found {
		return position.Vector{}, err
	}
	if l.logged, err = decodeLogged(b); err != nil {
		return position.Vector{}, err
	}
	for _, out := range l.outs {
		l.size += outputOverhead + len(out.payload)
	}
	return l.upto, nil
}

// trim forgets the outputs, from the front, that are acknowledged.
func (l *outputLog) trim(acked position.Vector) {
	n := 0
	for ; n < l.unsent && acked.Covers(l.outs[n].pos); n++ {
		l.size -= outputOverhead + len(l.outs[n].payload)
		l.outs[n].payload = nil
	}
	l.outs, l.unsent = l.outs[n:], l.unsent-n
}

// logAll logs and sends what comes by queue, after what an earlier instance has logged.
func (r *operation[A, B]) logAll(ctx context.Context, queue <-chan result[A, B]) error {
	if err := r.sendLogged(ctx); err != nil {
		return err
	}
	err := batches(ctx, queue, BatchDefault, logWait, func(ctx context.Context, batch []result[A, B]) error {
		for _, in := range batch {
			if err := r.logOne(ctx, in); err != nil {
				return err
			}
		}
		return r.flushLog(ctx)
	})
	if err != nil {
		return err
	}
	r.owed.close()
	return r.outs.flush()
}

// logOne takes what became of an input into the log. The end of a lane is not logged: it is acknowledged when it is downstream.
func (r *operation[A, B]) logOne(ctx context.Context, in result[A, B]) error {
	pos := in.msg.Pos
	if in.err != nil {
		_, err := r.reject(ctx, in) // there are no dead letters beside a log
		return err
	}
	if in.msg.Kind == handoff.End {
		if err := r.flushLog(ctx); err != nil {
			return err
		}
		if err := r.outs.end(ctx, pos.Lane); err != nil {
			return err
		}
		return r.owed.add(debt{in: pos, out: pos, branch: everyBranch})
	}
	outs, size, err := r.encode(in)
	if err != nil {
		return fmt.Errorf("input %v: %w", pos, err)
	}
	if err := r.room(ctx, size); err != nil {
		return fmt.Errorf("input %v: %w", pos, err)
	}
	r.log.outs = append(r.log.outs, outs...)
	r.log.size += size
	r.log.upto, r.log.fresh = r.log.upto.With(pos), true
	if len(outs) == 0 {
		r.log.quiet = r.log.quiet.With(pos.End())
	}
	return nil
}

func (r *operation[A, B]) encode(in result[A, B]) (outs []loggedOutput, size int, err error) {
	for k, v := range in.out {
		var out loggedOutput
		if out.pos, err = r.place(in.msg.Pos, k); err != nil {
			return nil, 0, err
		}
		if err := r.outs[0].Check(out.pos, v); err != nil {
			return nil, 0, err
		}
		if out.payload, err = r.outCodec.Append(nil, v); err != nil {
			return nil, 0, err
		}
		outs = append(outs, out)
		size += outputOverhead + len(out.payload)
	}
	return outs, size, nil
}

// room waits until the store has room for so many bytes more: until enough of what is logged is acknowledged.
func (r *operation[A, B]) room(ctx context.Context, size int) error {
	if r.log.size+size <= r.log.most {
		return nil
	}
	if err := r.flushLog(ctx); err != nil {
		return err
	}
	for acked := r.outs[0].Acked(); ; {
		r.log.trim(acked)
		switch {
		case r.log.size+size <= r.log.most:
			return nil
		case len(r.log.outs) == 0:
			return fmt.Errorf("outputs of %d bytes, and the log holds %d: %w", size, r.log.most-logOverhead, api.ErrTooLarge)
		}
		var err error
		if acked, err = r.outs[0].WaitAcked(ctx, acked); err != nil {
			return err
		}
	}
}

// flushLog makes the log durable, then sends what is new in it, and acknowledges what it was made of.
func (r *operation[A, B]) flushLog(ctx context.Context) error {
	if !r.log.fresh {
		return nil
	}
	r.log.fresh = false
	r.log.trim(r.outs[0].Acked())
	value := r.log.append(nil)
	if planted.EarlyOutput {
		if err := r.sendLogged(ctx); err != nil {
			return err
		}
	}
	err := insist(ctx, RetryWaitDefault, func() error { return r.log.store.Put(ctx, r.log.epoch, value) })
	if errors.Is(err, fence.ErrFenced) {
		return err
	}
	if err != nil {
		return fmt.Errorf("log of outputs: %w", err)
	}
	if err := r.sendLogged(ctx); err != nil {
		return err
	}
	for _, pos := range r.log.upto.Positions() {
		if err := r.in.Ack(pos); err != nil {
			return err
		}
	}
	return nil
}

// sendLogged sends the bytes that are logged, and not what they would be made of.
func (r *operation[A, B]) sendLogged(ctx context.Context) error {
	for ; r.log.unsent < len(r.log.outs); r.log.unsent++ {
		out := r.log.outs[r.log.unsent]
		v, err := r.outCodec.Decode(out.payload)
		if err != nil {
			return fmt.Errorf("logged output %v: %w", out.pos, err)
		}
		if _, err := r.outs.push(ctx, 0, out.pos, v); err != nil {
			return fmt.Errorf("output %v: %w", out.pos, err)
		}
	}
	for _, pos := range r.log.quiet.Positions() {
		if err := r.outs.mark(pos); err != nil {
			return err
		}
	}
	r.log.quiet = position.Vector{}
	return nil
}

package ring

import "github.com/grafnode/grafnode/fabric"

// Begin is fabric's Begin.
func (p *Producer) Begin() (*fabric.Batch, error) {
	if err := p.begin(); err != nil {
		return nil, err
	}
	if err := p.free(); err != nil {
		p.exit()
		return nil, err
	}
	p.lent = true
	p.batch.Limit = p.acked + uint64(p.setup.Config.Capacity)
	return &p.batch, nil
}

// writer is the producer as its Batch sees it. The Batch's use of the memory is Begin's.
type writer Producer

// Claim looks for room, and lets the Batch go on in it.
func (w *writer) Claim(n int) ([]byte, error) {
	p := (*Producer)(w)
	if !p.lent {
		return nil, errBatchOver
	}
	if l := p.lost.Load(); l != nil {
		return nil, l.tell()
	}
	if err := p.ensure(n); err != nil {
		return nil, err
	}
	p.batch.Limit = min(p.acked, p.batch.Kept) + uint64(p.setup.Config.Capacity)
	if p.batch.At+fabric.RecordBytes(n) > p.batch.Limit { // until the Batch's user keeps less, for which it needs a note
		if err := p.publish(); err != nil {
			return nil, err
		}
		return nil, fabric.ErrFull
	}
	return p.batch.Claim(n)
}

func (w *writer) Commit() error { return errNoClaim }

func (w *writer) Hold() bool { return (*Producer)(w).Hold() }

func (w *writer) Abort() {}

func (w *writer) Flush() error {
	p := (*Producer)(w)
	switch l := p.lost.Load(); {
	case !p.lent:
		return errBatchOver
	case p.isClosed():
		return fabric.ErrClosed
	case l != nil:
		return l.tell()
	}
	return p.publish()
}

// End gives the ring back to the other calls.
func (w *writer) End() error {
	p := (*Producer)(w)
	if !p.lent {
		return errBatchOver
	}
	err := w.Flush()
	p.lent = false
	p.batch.Limit, p.batch.Kept = p.batch.At, fabric.KeepNone
	p.exit()
	return err
}

package tcp

import "github.com/grafnode/grafnode/fabric"

// Begin implements fabric.Producer.
func (p *producer) Begin() (*fabric.Batch, error) {
	if err := p.free(); err != nil {
		return nil, err
	}
	p.lent = true
	p.out.begin()
	p.batch.Limit = p.credit.Load()
	return &p.batch, nil
}

// writer is the producer as its Batch sees it.
type writer producer

// Claim lets the Batch go on as far as the credit goes, or claims a record that is too large for it.
func (w *writer) Claim(n int) ([]byte, error) {
	p := (*producer)(w)
	switch err := p.check(); {
	case !p.lent:
		return nil, errBatchOver
	case err != nil:
		return nil, err
	case p.claimed != none:
		return nil, errClaimed
	}
	b, err := p.claim(n)
	switch {
	case err != nil:
		return nil, err
	case uint64(n) > p.batch.Max:
		p.claimed = n
		return b, nil
	}
	p.batch.Limit = p.credit.Load() // which never falls
	return p.batch.Claim(n)
}

// Commit commits a record that is too large for the Batch.
func (w *writer) Commit() error {
	p := (*producer)(w)
	n := p.claimed
	if p.claimed = none; n == none {
		return errNotClaimed
	}
	if err := p.check(); err != nil {
		return err
	}
	return p.commit(n)
}

func (w *writer) Abort() { w.claimed = none }

// Flush is the producer's. After an error the Batch asks for each claim: its memory is of no more use.
func (w *writer) Flush() error {
	err := (*producer)(w).Flush()
	if err != nil {
		w.batch.Limit = w.batch.At
	}
	return err
}

// End gives the ring's end back to the other calls.
func (w *writer) End() error {
	p := (*producer)(w)
	if !p.lent {
		return errBatchOver
	}
	p.lent = false
	p.batch.Limit = p.batch.At
	return p.Flush()
}

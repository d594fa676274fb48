package ring

import "bytes"

// Resume is fabric's Resume.
func (p *Producer) Resume() ([]byte, bool, error) {
	if err := p.begin(); err != nil {
		return nil, false, err
	}
	defer p.exit()
	peer := p.peer.Load()
	if p.resume == nil && peer != nil {
		switch n := peer.Resume.Load(); n {
		case 0:
		case 1:
			note, ok := peer.ResumeNote.read(uint64(p.setup.Config.Generation), 1)
			if !ok {
				return nil, false, p.corrupt("the resume note's checksum or length is wrong")
			}
			p.resume = note
			p.resumeSeen.Store(true)
		default:
			return nil, false, p.corrupt("the resume word is %d", n)
		}
	}
	return bytes.Clone(p.resume), p.resume != nil, nil
}

// stableTries bounds how often Stable tries to catch a note that is being replaced under its eyes.
const stableTries = 16

// Stable is fabric's Stable. A note that is replaced each time it looks shows later.
func (p *Producer) Stable() ([]byte, bool, error) {
	if err := p.begin(); err != nil {
		return nil, false, err
	}
	defer p.exit()
	peer, seen := p.peer.Load(), p.stableSeen.Load()
	if peer == nil {
		return nil, false, nil
	}
	for range stableTries {
		number := peer.Stable.Load()
		if number == seen {
			return nil, false, nil
		}
		if number < seen {
			return nil, false, p.corrupt("the stable note is number %d after %d", number, seen)
		}
		note, ok := peer.StableNotes[number%2].read(uint64(p.setup.Config.Generation), number)
		if peer.Stable.Load() != number {
			continue // replaced meanwhile: what was read may be of two notes
		}
		if !ok {
			return nil, false, p.corrupt("the checksum or length of stable note %d is wrong", number)
		}
		p.stableSeen.Store(number)
		return note, true, nil
	}
	return nil, false, nil
}

package membership

import "sync"

// self is what this node says of itself, and the delegate that memberlist asks for it.
type self struct {
	mu   sync.Mutex
	meta meta
}

func (s *self) change(to Self) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.meta
	m.free, m.hasState, m.cluster, m.level, m.needs = to.Free, to.HasState, to.Cluster, max(1, to.Level), max(1, to.Needs)
	if err := m.validate(); err != nil {
		return false, err
	}
	changed, s.meta = m != s.meta, m
	return changed, nil
}

func (s *self) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meta.leaving = true
}

// NodeMeta returns the encoded metadata. That the largest fits is checked at compile time.
func (s *self) NodeMeta(int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta.encode()
}

// NotifyMsg ignores messages: there are none.
func (s *self) NotifyMsg([]byte) {}

// GetBroadcasts has none.
func (s *self) GetBroadcasts(_, _ int) [][]byte { return nil }

// LocalState adds nothing to a full exchange.
func (s *self) LocalState(bool) []byte { return nil }

// MergeRemoteState ignores what another node adds.
func (s *self) MergeRemoteState([]byte, bool) {}

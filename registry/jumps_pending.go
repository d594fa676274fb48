package registry

// What the state does not offer yet, by name, so that both can be written at once.

func recovered(s *State) *State {
	if j, ok := any(s).(interface{ Recovered() *State }); ok {
		return j.Recovered()
	}
	panic("registry: State.Recovered")
}

func restoredOver(s, current *State) *State {
	if j, ok := any(s).(interface{ RestoredOver(*State) *State }); ok {
		return j.RestoredOver(current)
	}
	panic("registry: State.RestoredOver")
}

func levelOf(s *State) uint64 {
	if l, ok := any(s).(interface{ Level() uint64 }); ok {
		return l.Level()
	}
	return 1
}

package figures

// InTurns measures n pairs: ours first, then theirs first, and so on, so that neither always follows the other. theirs is nil
// if there is nobody to compare with.
func InTurns(n int, ours, theirs func() (Figure, error)) ([]Pair, error) {
	pairs := make([]Pair, n)
	for i := range pairs {
		turns := []struct {
			measure func() (Figure, error)
			to      *Figure
		}{{ours, &pairs[i].Ours}, {theirs, &pairs[i].Theirs}}
		if i%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, turn := range turns {
			if turn.measure == nil {
				continue
			}
			var err error
			if *turn.to, err = turn.measure(); err != nil {
				return nil, err
			}
		}
	}
	return pairs, nil
}

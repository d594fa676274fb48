package sqlsink

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaceholders(t *testing.T) {
	q := queriesFor("s.positions", Dollar)
	require.Equal(t, "UPDATE s.positions SET positions = $1 WHERE sink = $2 AND epoch = $3 AND positions = $4", q.advance)
	require.Equal(t, "UPDATE s.positions SET epoch = $1 WHERE sink = $2 AND epoch <= $3", q.claim)
	require.Equal(t, "($1, $2), ($3, $4)", tuples(2, 2, Dollar))
	require.Equal(t, "(?), (?), (?)", tuples(3, 1, Question))
}

package api

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fence"
)

func TestErrorOfIsTheSameEachTime(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{errors.Join(ErrInvalid, ErrUnknown), KindUnknown},
		{fmt.Errorf("%w: %w", ErrConflict, ErrUnknown), KindUnknown},
		{fmt.Errorf("%w: %w", ErrNoQuorum, ErrUnknown), KindUnknown},
		{fmt.Errorf("%w: %w", ErrUnknown, Errorf(KindInternal, "x")), KindUnknown},
		{fmt.Errorf("%w: %w", Errorf(KindUnavailable, "x"), ErrUnknown), KindUnknown},
		{fmt.Errorf("%w: %w", ErrConflict, fence.ErrFenced), KindFenced},
		{fmt.Errorf("%w: %w", ErrInvalid, ErrTooLarge), KindTooLarge},
		{fmt.Errorf("%w: %w", ErrUnavailable, ErrSessionLost), KindSession},
		{fmt.Errorf("put: %w", Errorf(KindCodec, "x")), KindCodec},
		{errors.New("other"), KindInternal},
		{Errorf("from a newer node", "x"), KindInternal},
	} {
		for range 50 {
			require.Equal(t, c.want, ErrorOf(c.err).Kind, "%v", c.err)
		}
	}
}

func TestEveryKindSurvivesTheWire(t *testing.T) {
	for _, info := range kinds {
		e := Errorf(info.kind, "what")
		require.ErrorIs(t, e, info.sentinel)
		require.Equal(t, info.kind, ErrorOf(fmt.Errorf("context: %w", e)).Kind)
		require.Equal(t, info.status, e.Status())
	}
}

package spool_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllIsWrittenInOrder(t *testing.T) {
	var out, want bytes.Buffer
	s := spool.New(&out, 1<<20, func(n int) { t.Error(n, "lines were left out") })
	s.Open()
	for i := range 10_000 {
		fmt.Fprintln(io.MultiWriter(s, &want), "line", i)
	}
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Equal(t, want.String(), out.String())
	n, err := s.Write([]byte("late\n"))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Equal(t, want.String(), out.String())
}

// stopped takes nothing until it is told to.
type stopped struct {
	bytes.Buffer
	goOn chan struct{}
}

func (s *stopped) Write(b []byte) (int, error) {
	<-s.goOn
	return s.Buffer.Write(b)
}

// Who does not read the log stops nobody, and is told afterwards how much he has missed.
func TestNobodyWaitsForWhoReadsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stopped{goOn: make(chan struct{})}
		var s *spool.Spool
		s = spool.New(reader, 100, func(n int) { fmt.Fprintln(s, n, "lines are missing") })
		s.Open()
		fmt.Fprintln(s, "first")
		synctest.Wait() // he is being given it
		for i := range 1000 {
			fmt.Fprintln(s, "line", 1000+i)
		}
		close(reader.goOn)
		synctest.Wait()
		require.NoError(t, s.Close())
		got := strings.Split(strings.TrimSpace(reader.String()), "\n")
		require.Equal(t, []string{"first", "line 1000", "line 1001"}, got[:3])
		require.Equal(t, "line 1009", got[10])
		require.Equal(t, []string{"990 lines are missing"}, got[11:])
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stopped{goOn: make(chan struct{})}
		s := spool.New(reader, 100, func(int) {})
		s.Open()
		fmt.Fprintln(s, "first")
		require.NoError(t, s.Close())
		close(reader.goOn)
		synctest.Wait()
		require.Equal(t, "first\n", reader.String())
	})
}

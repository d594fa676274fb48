package sqlsink_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/stream/sqlsink/sqlitedb"
)

const (
	childEnv   = "GRAFNODE_SQLSINK_CHILD"
	epochEnv   = "GRAFNODE_SQLSINK_EPOCH"
	childItems = 600
)

// child claims the sink under the given epoch and commits numbers in small batches until all are there, saying so before
// and after each commit.
func child(path string) {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	epoch, err := strconv.Atoi(os.Getenv(epochEnv))
	fail(err)
	db, err := sqlitedb.Open(ctx, path)
	fail(err)
	s := newSink(fataler{}, db)
	v, err := s.Claim(ctx, fence.Epoch(epoch))
	fail(err)
	last, _ := v.At(0)
	for next := int(last.Offset) + 1; next <= childItems; {
		to := min(next+1+rand.IntN(20), childItems+1)
		fmt.Println("commit", next, to)
		fail(s.Commit(ctx, batch(fence.Epoch(epoch), next, to)))
		fmt.Println("done", next, to)
		next = to
	}
	fail(db.Close())
}

// fataler makes require end the child.
type fataler struct{ testing.TB }

func (fataler) Helper()                   {}
func (fataler) Errorf(f string, a ...any) { fmt.Fprintf(os.Stderr, f, a...) }
func (fataler) FailNow()                  { os.Exit(3) }
func (fataler) Cleanup(func())            {}

// Whenever the process is killed, the next one goes on exactly where the database stands.
func TestKilledInTheMiddleOfCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	kills := 0
	for epoch := 1; ; epoch++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path, epochEnv+"="+strconv.Itoa(epoch))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		words := bufio.NewScanner(out)
		killed := false
		for n, last := 0, 1+rand.IntN(20); words.Scan(); n++ {
			if n == last {
				require.NoError(t, cmd.Process.Kill())
				killed = true
			}
		}
		err = cmd.Wait()
		if killed {
			kills++
			continue
		}
		require.NoError(t, err)
		break
	}
	require.Positive(t, kills)
	require.Equal(t, sequence(childItems), numbers(t, open(t, path)))
	t.Logf("%d processes killed", kills)
}

package benchmark

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/load"
)

const (
	killsPerRun = 2                      // leaders killed for each run that was asked for
	calm        = time.Second            // how long writes flow before a kill, and after it
	resumeMax   = 30 * time.Second       // for the first write after a kill
	betweenMin  = 500 * time.Millisecond // from a cluster that has settled to the next kill's writer
)

// leaderKilled kills leaders with SIGKILL under a client that writes as fast as it can, and measures the longest time that
// passes between two answers around it. The client's own node stays: the case is the leader's death, not the stage's
// host's.
func (b *bench) leaderKilled(ctx context.Context) (figures.Line, error) {
	pairs, err := b.inTurns(ctx, killsPerRun*b.c.Runs, func(ctx context.Context, side *cluster) (figures.Figure, error) {
		gap, err := b.killOnce(ctx, side)
		b.logf("%s\t%s\t%s ms", caseKilled, side.side, figures.Round(gap.Seconds()*1e3))
		return figures.Figure{Value: gap.Seconds() * 1e3}, err
	})
	if err != nil {
		return figures.Line{}, err
	}
	return figures.Gaps(caseKilled, b.c.Against, pairs), nil
}

func (b *bench) killOnce(ctx context.Context, side *cluster) (time.Duration, error) {
	leader, err := side.settled(ctx)
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, betweenMin); err != nil {
		return 0, err
	}
	acks := make(chan time.Time, 1<<16) // of a few seconds
	writer, err := side.load(readAcks(acks), b.args("acks", side.place(leader, false), 1)...)
	if err != nil {
		return 0, err
	}
	defer func() {
		writer.Kill()
		<-writer.Done()
	}()
	select { // until it writes
	case <-acks:
	case <-writer.Done():
		return 0, errWriter
	case <-time.After(resumeMax):
		return 0, errNoResume
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if err := pause(ctx, calm); err != nil {
		return 0, err
	}
	before := time.Now()
	leader.now.Kill()
	gap, err := longest(ctx, acks, before, writer.Done())
	if err != nil {
		return 0, err
	}
	<-leader.now.Done()
	if err := side.run(leader); err != nil {
		return 0, err
	}
	_, err = side.settled(ctx)
	return gap, err
}

// readAcks returns what reads a writer's pipe.
func readAcks(acks chan<- time.Time) func(io.Reader) error {
	return func(r io.Reader) error {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var a load.Ack
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				return err
			}
			select {
			case acks <- time.Unix(0, a.At):
			default:
				return errors.New("more answers than there is room for")
			}
		}
		return nil
	}
}

var (
	errWriter   = errors.New("the writer ended")
	errNoResume = errors.New("no write was answered")
)

// longest returns the longest time that passes without an answer, from the kill until writes have flowed again for a while. What
// was answered before it, or from the grave, tells nothing.
func longest(ctx context.Context, acks <-chan time.Time, killed time.Time, over <-chan struct{}) (time.Duration, error) {
	var gap time.Duration
	last, limit := killed, time.After(resumeMax)
	for last.Before(killed.Add(gap + calm)) {
		select {
		case at := <-acks:
			if at.After(last) {
				gap, last = max(gap, at.Sub(last)), at
			}
		case <-over:
			return 0, errWriter
		case <-limit:
			return 0, errNoResume
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return gap, nil
}

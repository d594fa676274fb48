package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// logFile is a stream.Source of a file's lines, in lane 0; a line's offset is its number. After a restart it finds its place by
// counting, which takes a moment for each gigabyte.
type logFile struct {
	path string
	rate float64 // lines per second; zero: no limit
}

// Read implements stream.Source. A yielded line's text is valid until the next one.
func (f logFile) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[Line], error] {
	return func(yield func(stream.Item[Line], error) bool) {
		if done, _ := from.At(0); !done.IsEndOfLane() {
			if err := f.read(ctx, done.Offset, yield); err != nil {
				yield(stream.Item[Line]{}, fmt.Errorf("%s: %w", f.path, err))
			}
		}
	}
}

func (f logFile) read(ctx context.Context, skip uint64, yield func(stream.Item[Line], error) bool) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := NewLineReader(file)
	if err := lines.Skip(skip); err != nil {
		return err
	}
	pace := pacer{rate: f.rate}
	if skip > 0 {
		pace.free = int(f.rate * again.Seconds())
	}
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !pace.wait(ctx) {
			return nil // ctx has ended: the caller knows
		}
		if !yield(stream.Item[Line]{Pos: position.Position{Offset: line.Number}, Value: line}, nil) {
			return nil
		}
	}
}

// again is how much of the input, in time at its rate, a restarted source reads unheld: what was on its way when its predecessor
// died comes first, and is not new.
const again = 500 * time.Millisecond

// slack is how far a pacer may run ahead between two sleeps, and how much of a delay it makes up for: timers are not exact
// enough to sleep before every line.
const slack = 2 * time.Millisecond

// pacer holds its caller to a rate.
type pacer struct {
	rate float64
	free int // lines that are let through
	next time.Time
}

// wait returns when the next line is due, or false when ctx has ended.
func (p *pacer) wait(ctx context.Context) bool {
	if p.rate <= 0 || p.free > 0 {
		p.free = max(p.free-1, 0)
		return ctx.Err() == nil
	}
	now := time.Now()
	if late := now.Add(-slack); p.next.Before(late) {
		p.next = late
	}
	ahead := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	if ahead < slack {
		return ctx.Err() == nil
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

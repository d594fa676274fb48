package view

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/timeline"
)

// View shows a run. It belongs to one goroutine.
type View struct {
	w     io.Writer
	t     *timeline.Timeline
	lines uint64     // of the input
	width func() int // of the terminal; nil: there is none

	drawn int       // lines of the picture that stand below the events
	told  time.Time // when the plain progress line was last written
}

// plainEvery is how often progress is told where it cannot be redrawn.
const plainEvery = 2 * time.Second

// New returns the view of a run over an input of so many lines: of a terminal if w is one.
func New(w io.Writer, t *timeline.Timeline, lines uint64) *View {
	v := &View{w: w, t: t, lines: lines, told: t.Start()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 20 {
				return 80
			}
			return width
		}
	}
	return v
}

// Event shows an event that the timeline has taken, if it is of a kind to be shown.
func (v *View) Event(e event.Event) {
	what, rest, ok := words(e)
	if !ok {
		return
	}
	if last, any := v.t.Last(); any && e.Kind != event.Killed && last.Detected.Equal(e.At) {
		rest = what + ": " + rest
		what = "detected"
	}
	v.print(fmt.Sprintf("%s  %-10s  %s", stamp(e.At.Sub(v.t.Start())), what, rest))
}

// Note shows a line of the demo's own.
func (v *View) Note(format string, args ...any) { v.print(fmt.Sprintf(format, args...)) }

// print writes a line above the picture.
func (v *View) print(line string) {
	v.erase()
	fmt.Fprintln(v.w, v.fit(clean(line)))
}

// Frame brings the picture up to now. It is called several times a second.
func (v *View) Frame(now time.Time) {
	if v.width == nil {
		if now.Sub(v.told) >= plainEvery {
			v.told = now
			fmt.Fprintln(v.w, v.plain(now))
		}
		return
	}
	picture := v.picture(now)
	v.erase()
	for _, line := range picture {
		fmt.Fprintln(v.w, v.fit(line))
	}
	v.drawn = len(picture)
}

// Close takes the picture away. Idempotent.
func (v *View) Close() { v.erase() }

// erase puts the cursor where the picture begins and clears from there.
func (v *View) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// fit cuts a line to the terminal's width: one that wraps could not be erased.
func (v *View) fit(line string) string {
	if v.width == nil {
		return line
	}
	most := v.width() - 1
	if r := []rune(line); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return line
}

// clean takes out what would move the cursor.
func clean(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line)
}

func (v *View) done() float64 {
	if v.lines == 0 {
		return 1
	}
	return float64(v.t.Line()) / float64(v.lines)
}

func (v *View) plain(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %3.0f %%        line %d of %d", stamp(now.Sub(v.t.Start())), 100*v.done(), v.t.Line(), v.lines)
	for _, e := range v.t.Edges() {
		fmt.Fprintf(&b, "; %s %.0f/s generation %d on %s", e.Name, e.Rate(now), e.Generation, orNone(e.Node))
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

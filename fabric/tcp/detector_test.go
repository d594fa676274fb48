package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const testHalf = 25 * time.Millisecond

func testDetector(missed int) *detector {
	return &detector{half: testHalf, silence: time.Duration(missed) * 2 * testHalf}
}

func TestDetector(t *testing.T) {
	type turn struct {
		took  time.Duration
		heard bool
	}
	const ms = time.Millisecond
	quiet, heard, late, stopped := turn{25 * ms, false}, turn{25 * ms, true}, turn{40 * ms, false}, turn{time.Hour, false}
	times := func(n int, of turn) (all []turn) {
		for range n {
			all = append(all, of)
		}
		return all
	}
	for name, test := range map[string]struct {
		parts  [][]turn
		silent bool
	}{
		"quiet":                             {[][]turn{times(6, quiet)}, true},
		"not for long enough":               {[][]turn{times(5, quiet)}, false},
		"a few milliseconds change nothing": {[][]turn{times(5, turn{29 * ms, false}), {turn{12 * ms, false}}}, true},
		"heard in time":                     {[][]turn{times(5, quiet), {heard}}, false},
		"heard, then quiet":                 {[][]turn{times(5, quiet), {heard}, times(6, quiet)}, true},
		"late":                              {[][]turn{times(4, late)}, false},
		"late for long":                     {[][]turn{times(5, late)}, true},
		"late, and then not":                {[][]turn{{late}, times(5, quiet)}, false},
		"late before it was quiet":          {[][]turn{{turn{40 * ms, true}}, times(6, quiet)}, false},
		"late long ago":                     {[][]turn{{turn{40 * ms, true}}, times(20, heard), times(6, quiet)}, true},
		"stopped at the last":               {[][]turn{times(5, quiet), {stopped}, times(6, quiet)}, false},
		"always stopped":                    {[][]turn{times(4, stopped)}, false},
		"always stopped, for ever":          {[][]turn{times(5, stopped)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d, silent := testDetector(3), false
			for i, part := range test.parts {
				for j, turn := range part {
					silent = d.turn(turn.heard, turn.took)
					require.False(t, silent && (i < len(test.parts)-1 || j < len(part)-1), "early")
				}
			}
			require.Equal(t, test.silent, silent)
		})
	}
}

// took draws how long a turn takes: as a timer has it, late, or after a stop.
func took(t *rapid.T, lateMax time.Duration) time.Duration {
	return testHalf + time.Duration(rapid.Int64Range(-int64(testHalf), int64(lateMax)).Draw(t, "late"))
}

// Whatever happens, nobody is accused who spoke within a silence; and who was late lately bears four times that more.
func TestDetectorAccusesNobodyEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := testDetector(rapid.IntRange(1, 8).Draw(t, "missed"))
		quiet, worst, turns := time.Duration(0), time.Duration(0), time.Duration(0) // since it was heard
		for range rapid.IntRange(0, 200).Draw(t, "turns") {
			took := took(t, rapid.SampledFrom([]time.Duration{0, testHalf, time.Second, time.Hour}).Draw(t, "load"))
			if rapid.IntRange(0, 9).Draw(t, "heard") == 0 {
				require.False(t, d.turn(true, took))
				quiet, worst, turns = 0, 0, 0
				continue
			}
			quiet, worst, turns = quiet+took, max(worst, min(took-testHalf, d.silence)), turns+1
			if !d.turn(false, took) {
				continue
			}
			require.GreaterOrEqual(t, quiet, d.silence-testHalf/2)
			faded := worst - worst*turns/(fading*(d.silence/testHalf)) // or more
			require.GreaterOrEqual(t, quiet, d.silence-2*testHalf+waitsMax*faded)
		}
	})
}

// Who is quiet is accused, however late this process is, in so many turns; in no more than five silences and a turn while no turn is late by more than a silence;
// and in a silence and a turn if it has not been late at all.
func TestDetectorFindsWhoIsSilent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := testDetector(rapid.IntRange(1, 8).Draw(t, "missed"))
		for range rapid.IntRange(0, 50).Draw(t, "before") {
			d.turn(true, took(t, time.Hour))
		}
		load := rapid.SampledFrom([]time.Duration{0, 4 * time.Millisecond, d.silence, time.Hour}).Draw(t, "load")
		if load < testHalf/waitsMax {
			d.late = 0
		}
		quiet, turns := time.Duration(0), 0
		for silent := false; !silent; turns++ {
			took := max(took(t, load), testHalf)
			silent = d.turn(false, took)
			quiet += took
		}
		bound := (waitsMax + 1) * d.silence
		require.LessOrEqual(t, turns, int((bound+testHalf-1)/testHalf))
		switch load {
		case 0, 4 * time.Millisecond:
			require.LessOrEqual(t, quiet, d.silence+testHalf)
		case d.silence:
			require.LessOrEqual(t, quiet, bound+testHalf+d.silence)
		}
	})
}

// Who was late by no more than half a turn before it was stopped gives the peer its whole time again.
func TestDetectorGivesTheWholeTimeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := testDetector(rapid.IntRange(1, 8).Draw(t, "missed"))
		for range rapid.IntRange(0, 50).Draw(t, "before") {
			if d.turn(rapid.Bool().Draw(t, "heard"), took(t, testHalf/2)) {
				return
			}
		}
		stopped := rapid.Int64Range(int64(d.silence+testHalf), int64(time.Hour)).Draw(t, "stopped")
		require.False(t, d.turn(false, time.Duration(stopped)))
		for range int(d.silence/testHalf) - 1 {
			require.False(t, d.turn(false, testHalf))
		}
	})
}

// What was said and not heard counts from when it was said.
func TestDetectorSpoke(t *testing.T) {
	d := testDetector(3)
	d.quiet = d.silence - testHalf
	require.True(t, d.turn(false, testHalf))
	require.True(t, d.spoke(d.silence))
	require.False(t, d.spoke(2*testHalf))
	for range 3 {
		require.False(t, d.turn(false, testHalf))
	}
	require.True(t, d.turn(false, testHalf))
}

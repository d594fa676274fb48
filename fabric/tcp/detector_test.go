package tcp

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDetector(t *testing.T) {
	type turn struct{ heard, starved bool }
	quiet, heard, starved := turn{}, turn{heard: true}, turn{starved: true}
	for name, test := range map[string]struct {
		turns  []turn
		silent bool
	}{
		"three quiet turns":                  {[]turn{quiet, quiet, quiet}, true},
		"two":                                {[]turn{quiet, quiet}, false},
		"heard in time":                      {[]turn{quiet, quiet, heard}, false},
		"heard, then quiet for long enough":  {[]turn{quiet, heard, quiet, quiet, quiet}, true},
		"starved at the last":                {[]turn{quiet, quiet, starved}, false},
		"starved, and not long enough since": {[]turn{quiet, quiet, starved, quiet, quiet}, false},
		"starved, and long enough since":     {[]turn{starved, quiet, quiet, quiet}, true},
		"always starved":                     {[]turn{starved, starved, starved, starved, starved}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, silent := detector{limit: 3}, false
			for i, turn := range test.turns {
				silent = d.turn(turn.heard, turn.starved)
				require.False(t, silent && i < len(test.turns)-1)
			}
			require.Equal(t, test.silent, silent)
		})
	}
}

// Whatever happens: who is accused was quiet for so many turns in a row, in each of which this side was awake; and who is quiet for so
// many is accused.
func TestDetectorAccusesWhoIsSilentAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := detector{limit: rapid.IntRange(1, 8).Draw(t, "limit")}
		quiet := 0
		for range rapid.IntRange(0, 60).Draw(t, "turns") {
			heard, starved := rapid.Bool().Draw(t, "heard"), rapid.Uint8Range(0, 9).Draw(t, "starved") == 0
			if quiet++; heard || starved {
				quiet = 0
			}
			silent := d.turn(heard, starved)
			require.Equal(t, quiet >= d.limit, silent)
			if silent && rapid.Bool().Draw(t, "again") {
				d.again()
				quiet = 0
			}
		}
	})
}

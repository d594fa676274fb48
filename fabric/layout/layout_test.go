package layout_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/layout"
)

type tick struct {
	Symbol [8]byte
	Price  float64
	Size   uint32
	Venue  [2]uint16
}

func TestOf(t *testing.T) {
	desc, err := layout.Of[tick]()
	require.NoError(t, err)
	require.Equal(t, "{Symbol [8]uint8:1;Price float64:8;Size uint32:4;Venue [2]uint16:2;}", desc)
	check := func(err error, text string) {
		t.Helper()
		require.ErrorIs(t, err, layout.ErrNotFixed)
		require.ErrorContains(t, err, text)
	}
	_, err = layout.Of[struct {
		A uint8
		B uint64
	}]()
	check(err, "7 bytes of padding before B")
	_, err = layout.Of[struct {
		A uint64
		B uint8
	}]()
	check(err, "7 bytes of padding at its end")
	_, err = layout.Of[struct{ In struct{ Name string } }]()
	check(err, "Name: string is a string")
	_, err = layout.Of[[2]bool]()
	check(err, "bool")
	_, err = layout.Of[*int]()
	check(err, "ptr")
	_, err = layout.Of[uintptr]()
	check(err, "uintptr")
	_, err = layout.Of[any]()
	check(err, "interface")
}

func TestViewAndCopy(t *testing.T) {
	in := tick{Price: 1.5, Size: 7, Venue: [2]uint16{1, 2}}
	b := append(make([]byte, 0, 64), layout.Bytes(&in)...)
	require.Equal(t, in, *layout.View[tick](b))
	var out tick
	require.True(t, layout.Copy(&out, b))
	require.Equal(t, in, out)
	require.False(t, layout.Copy(&out, b[1:]))
	require.Nil(t, layout.View[tick](b[1:]))
	room := make([]byte, 64)
	for i := 1; i < 8; i++ { // wherever room begins, these are not all at a place for a tick
		require.True(t, layout.View[tick](room[i:i+len(b)]) == nil || layout.View[tick](room[i+1:i+1+len(b)]) == nil)
	}
	layout.View[tick](b).Size = 8
	require.NotEqual(t, in, *layout.View[tick](b), "a view is in place")
}

func Example() {
	b := layout.Bytes(&tick{Symbol: [8]byte{'G', 'O'}, Price: 12.5})
	t := layout.View[tick](b)
	fmt.Println(len(b), t.Price)
	// Output: 24 12.5
}

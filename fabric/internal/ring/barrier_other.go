//go:build race || !linux

package ring

// barriers says that this process cannot make others run memory barriers. The race detector would not see them.
const barriers = false

func hasBarriers() bool { return false }

func barrierHere() {}

func barrierEverywhere() {}

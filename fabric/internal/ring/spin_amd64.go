package ring

// pause tells the processor that this is a loop which looks at memory: it does not run ahead then, and has less to take back when
// the memory changes.
func pause()

// prefetch has the processor fetch the line at p while it does other things. Nothing is read, so it is no race with who writes there.
//
//go:noescape
func prefetch(p *byte)

package ring

// pause tells the processor that this is a loop which looks at memory: it does not run ahead then, and has less to take back when
// the memory changes.
func pause()

package guest

// cycles reads the processor's counter of cycles.
func cycles() uint64

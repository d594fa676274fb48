// Package turn is a lock for one goroutine that takes it again and again, and others that seldom do.
//
// Lock and Unlock are a mutex. Enter and Exit, which one goroutine at a time may call, exclude these too, and cost two plain
// stores as long as nobody else has wanted the lock lately: no locked instruction, which would first wait until all that was
// written before, into memory that another processor reads, belongs to this one. Whoever does want the lock then makes all threads of the
// process run a memory barrier, which takes a few microseconds, and afterwards Enter is a mutex for a while. Where the kernel
// has no such barrier, and for the race detector, which does not know it, it is one always.
//
// Package edge calls it: an edge's producer is pushed to by one goroutine, and its ring listened to by others.
package turn

// Package cpeer has the peers that are written in C, as sources, and builds them with the machine's compiler: a minimal ring in
// shared memory in two layouts, a bare futex round trip, raw TCP into such a ring, and a client of Aeron IPC. The first three are the least that the machine must do, with nothing checked
// and nothing recovered. Each program is one of two processes, finds the memory that both share at descriptor 4 (proc.FilesFD),
// sends and checks records as package flow does, and writes a flow.Result to descriptor 3 (proc.PipeFD).
//
// Packages benchmark/ring and benchmark/wire run them.
package cpeer

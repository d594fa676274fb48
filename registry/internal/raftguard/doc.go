// Package raftguard is what stands between hashicorp/raft and the world, so that its known open bugs cannot bite:
//
//   - Transport never lets heartbeats be handled beside the main loop (hashicorp/raft#695: an old leader could store an entry
//     under a new term), never pipelines (#612: a follower could be starved until its leader restarts), tells followers of a
//     commit at once instead of with the next append, sends followers entries while this node, as the leader, stores them instead of
//     afterwards, lets no server answer for another that was at its address before, lets no clusters mix, keeps snapshots from Raft of what
//     its log has, and has a follower stand for election at once when its leader's process is certainly dead.
//   - Store keeps the log in raft-boltdb or raft-wal, and moves it between them. It times every write to disk and gives the process
//     up when one fails or hangs (#503: a leader whose disk hangs keeps heartbeating and blocks the cluster), never tries a failed
//     write again, checks every log entry that it reads, and gives the process up rather than leave a gap in the log or delete
//     what a leader counts on.
//   - Logger shows Raft's log in slog.
//
// docs/raft.md lists each upstream fault with its guard and its test. It promises nothing about what is stored or sent. Package
// registry is its only caller.
package raftguard

// Package watchcheck judges recorded watch streams by what the registry really did. It is pure.
//
// A Reference is the history of the registry: what every record was after each revision. A Stream is what one reader got, from
// one node or, through the client, from several. Each validator checks one promise and says what broke it:
//
//   - Ordered: revisions never go back, and nothing comes at or below a revision that was said to be complete
//   - Unique: no change comes twice
//   - Atomic: the changes of one revision come together, and no mark stands between them
//   - Reliable: what is told is true; in mode all no change is missing, in mode latest the reader has the newest of
//     every record at each mark
//   - Resumable: a stream that goes on from a revision begins after it
//   - Bookmarkable: a mark says the truth, and an idle stream's marks move on, so that it can be resumed after a compaction
//   - Synced: a state is complete, in one piece and ends with its sync
//   - Filtered: nothing is told that was not asked for, and a record that leaves is reported as left
//
// Check runs all of them. It finds nothing about the end of a stream that was cut short: what comes after the last mark may be
// incomplete.
//
// Callers: tests of registry and client, the simulation, integration.
package watchcheck

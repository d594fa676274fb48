// Package sqlitedb opens SQLite databases so that what is committed stays committed, through modernc.org/sqlite, which
// needs no C compiler. It is a package of its own so that users of other databases do not link SQLite.
//
// SQLite's write lock belongs to a process: one that stands still in the middle of a transaction keeps all others from
// writing until it goes on or dies. Nothing is lost then, and nothing moves either.
package sqlitedb

// Package sqlitedb opens SQLite databases so that what is committed stays committed, through modernc.org/sqlite, which
// needs no C compiler. It is a package of its own so that users of other databases do not link SQLite.
package sqlitedb

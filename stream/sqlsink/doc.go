// Package sqlsink is a stream.Sink in a SQL database: rows and position in one transaction, so that each item has its
// effect once.
//
// A table of positions has one row for each sink, with the epoch that claimed it and what is done. Every transaction begins
// with an update of that row that takes place only if the epoch and the positions are still those that the sink
// knows. That one statement keeps a replaced process from writing, makes a commit whose outcome is unknown harmless to try
// again once Claim has been asked, and, since it locks the row, makes transactions of one sink wait for one another.
//
// The SQL is what SQLite (3.24 or later) and PostgreSQL have in common; sqlitedb opens SQLite the way the guarantee needs
// it. Any isolation level from READ COMMITTED upwards will do. The database must not lose what it said is
// committed: no synchronous=OFF or NORMAL, no asynchronous replica taken for the primary.
package sqlsink

package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// BusyWait is how long a statement waits for another process's transaction.
const BusyWait = 30 * time.Second

// Open opens the database file at path, creating it if there is none: write-ahead log, so that readers do not stop the writer;
// synchronous=FULL, so that a commit survives the host's crash and not only the process's; transactions that take
// the write lock when they begin, so that none fails halfway for want of it. It returns an error if the file is not
// a database or the modes cannot be had, as on a file system without shared memory.
func Open(ctx context.Context, path string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	query := url.Values{
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", BusyWait.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)",
		},
		"_txlock": {"immediate"},
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("sqlitedb: %w", err)
	}
	if err := check(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlitedb: %s: %w", path, err), db.Close())
	}
	return db, nil
}

// check reads the modes back: SQLite ignores a pragma that it cannot follow.
func check(ctx context.Context, db *sql.DB) error {
	var journal string
	var synchronous int
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return err
	}
	if journal != "wal" || synchronous != 2 {
		return fmt.Errorf("journal_mode is %s and synchronous %d, not wal and 2", journal, synchronous)
	}
	return nil
}
